"""Reads the environment and `.env`, each time anew, for everything else."""

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
# Of `.env` only these count, whatever else it holds: no process is steered by the rest.
_OURS = ("LYRA_", "ANTHROPIC_")
_TOKEN = "SPOTIFY_TOKEN"  # noqa: S105 - the name of a variable


def read_variables(**overrides: str | int | None) -> dict[str, str]:
    """The command line over the environment over `.env`; `port=1` stands for LYRA_PORT.

    Raises:
        SettingError: `.env` is there and cannot be read.
    """
    return {**_read_env_file(), **process_variables(**overrides)}


def try_read_variables(**overrides: str | int | None) -> tuple[dict[str, str], str]:
    """The same, and what is wrong with `.env`, which is left out then."""
    try:
        return read_variables(**overrides), ""
    except SettingError as wrong:
        return process_variables(**overrides), str(wrong)


def process_variables(**overrides: str | int | None) -> dict[str, str]:
    """The same without `.env`: what a supervisor gives its workers has been read already."""
    named = {
        f"LYRA_{name.upper()}": str(value) for name, value in overrides.items() if value is not None
    }
    return {**os.environ, **named}  # noqa: TID251 - the one place that reads it


def startup_warnings(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What an operator should hear once at the start, though it stops nothing."""
    return tuple(warning for warning in (cluster_warning(environ), permission_warning()) if warning)


def permission_warning() -> str:
    """A warning if others on this machine may read the secrets in `.env`; else empty."""
    try:
        mode = _FILE.stat().st_mode
    except OSError:
        return ""
    if os.name != "posix" or not mode & (stat.S_IRGRP | stat.S_IROTH):
        return ""
    return f".env can be read by others (mode {stat.S_IMODE(mode):04o}): `chmod 600 .env`"


def spotify_token() -> str | None:
    """The listener's token for `lyra chat`: a variable, unlike an argument, is not seen in `ps`."""
    return read_variables().get(_TOKEN, "").strip() or None


def process_manager() -> str | None:
    """The socket on which systemd, or Lyra's own supervisor, hears how the service is."""
    return os.environ.get("NOTIFY_SOCKET")  # noqa: TID251 - as above


def wants_traces() -> bool:
    """Whether OpenTelemetry's own variables name a collector; its exporter reads them itself."""
    environ = os.environ  # noqa: TID251 - as above
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    named = any(
        environ.get(f"OTEL_EXPORTER_OTLP_{name}") for name in ("ENDPOINT", "TRACES_ENDPOINT")
    )
    exporter = environ.get("OTEL_TRACES_EXPORTER", "otlp" if named else "none")
    return exporter == "otlp" and not off


def _read_env_file() -> dict[str, str]:
    """The variables of `.env` that are Lyra's; none where there is no such file."""
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
        # A pipe or a device could keep the start waiting for ever.
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
