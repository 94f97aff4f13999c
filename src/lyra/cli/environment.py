"""The only reader of the environment and of `.env`; it reads them anew each time."""

import io
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from lyra.settings import SettingError, cluster_warning

_FILE = Path(".env")
_MAX_BYTES = 1_048_576
# Only these variables of `.env` count: the rest must not steer any process.
_OURS = ("LYRA_", "ANTHROPIC_")
_TOKEN = "SPOTIFY_TOKEN"  # noqa: S105 - the name of a variable


def read_variables(**overrides: str | int | None) -> dict[str, str]:
    """Return `.env`, overridden by the environment and the arguments; `port=1` is LYRA_PORT.

    Raises:
        SettingError: `.env` is there and cannot be read.
    """
    return {**_read_env_file(), **process_variables(**overrides)}


def try_read_variables(**overrides: str | int | None) -> tuple[dict[str, str], str]:
    """Return the same, and what is wrong with `.env`, which is left out in that case."""
    try:
        return read_variables(**overrides), ""
    except SettingError as wrong:
        return process_variables(**overrides), str(wrong)


def process_variables(**overrides: str | int | None) -> dict[str, str]:
    """Return the same without `.env`: for workers the supervisor has read it already."""
    named = {
        f"LYRA_{name.upper()}": str(value) for name, value in overrides.items() if value is not None
    }
    return {**os.environ, **named}  # noqa: TID251 - the one place that reads it


def startup_warnings(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return what an operator should know at the start, although it stops nothing."""
    return tuple(warning for warning in (cluster_warning(environ), permission_warning()) if warning)


def permission_warning() -> str:
    """Return a warning if others on this machine may read the secrets in `.env`; else empty."""
    try:
        mode = _FILE.stat().st_mode
    except OSError:
        return ""
    if os.name != "posix" or not mode & (stat.S_IRGRP | stat.S_IROTH):
        return ""
    return f".env can be read by others (mode {stat.S_IMODE(mode):04o}): `chmod 600 .env`"


def spotify_token() -> str | None:
    """Return the listener's token for `lyra chat`: unlike an argument it is not visible in `ps`."""
    return read_variables().get(_TOKEN, "").strip() or None


def process_manager() -> str | None:
    """Return the socket of systemd, or of Lyra's own supervisor, for `sd_notify`."""
    return os.environ.get("NOTIFY_SOCKET")  # noqa: TID251 - as above


def wants_traces() -> bool:
    """Return whether OpenTelemetry's own variables name a collector; its exporter reads them too."""
    environ = os.environ  # noqa: TID251 - as above
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    named = any(
        environ.get(f"OTEL_EXPORTER_OTLP_{name}") for name in ("ENDPOINT", "TRACES_ENDPOINT")
    )
    exporter = environ.get("OTEL_TRACES_EXPORTER", "otlp" if named else "none")
    return exporter == "otlp" and not off


def _read_env_file() -> dict[str, str]:
    """Return the variables of `.env` that are Lyra's; none if there is no such file."""
    text = _read_text()
    for line in parse_stream(io.StringIO(text)):
        if line.error or (line.key is not None and line.value is None):
            raise SettingError(
                f".env: line {line.original.line} cannot be read. Write NAME=value, and close "
                "every quote on its line."
            )
    values = dotenv_values(stream=io.StringIO(text))
    ours = {name: value for name, value in values.items() if name.startswith(_OURS)}
    ours[_TOKEN] = values.get(_TOKEN)
    return {name: value for name, value in ours.items() if value}


def _read_text() -> str:
    try:
        # Reading a pipe or a device could block for ever.
        if not stat.S_ISREG(_FILE.stat().st_mode):
            raise SettingError(".env: it is no file. Lyra reads its settings from it.")
        with _FILE.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return ""
    except OSError as failure:
        raise SettingError(f".env: it cannot be read ({failure.strerror}).") from None
    if len(raw) > _MAX_BYTES:
        raise SettingError(f".env: it is longer than {_MAX_BYTES} bytes.")
    try:
        # PowerShell writes a byte order mark, which is no part of the first name.
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = raw.count(b"\n", 0, wrong.start) + 1
        raise SettingError(f".env: line {line} is not UTF-8. Save the file as UTF-8.") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise SettingError(f".env: line {line} is not UTF-8 text. Save the file as UTF-8.")
    return text
