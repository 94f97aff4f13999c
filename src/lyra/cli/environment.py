"""The only reader of the environment and of `.env`; it reads them anew each time."""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lyra.cli.env_file import ENV_FILE, Written, read_env_file
from lyra.settings import ALIASES, SettingError, cluster_warning, named_in

# Only these variables of `.env` count: the rest must not steer any process.
_OURS = ("LYRA_", "ANTHROPIC_")
_LOCALTIME = Path("/etc/localtime")  # a link to the file of the system's zone
_TOKEN = "SPOTIFY_TOKEN"  # noqa: S105 - the name of a variable


class Variables(dict[str, str]):
    """Variables by name, and the lines of those that `.env` alone has set."""

    def __init__(self, written: Written, over: Mapping[str, str]) -> None:
        super().__init__({**written.values, **over})
        self.lines = {name: line for name, line in written.lines.items() if name not in over}
        self.twice = written.twice


def read_variables(**overrides: str | int | None) -> Variables:
    """Return `.env`, overridden by the environment and the arguments; `port=1` is LYRA_PORT.

    Raises:
        SettingError: `.env` is there and cannot be read.
    """
    return Variables(read_env_file(_is_ours), process_variables(**overrides))


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


@contextmanager
def naming_lines(environ: Mapping[str, str]) -> Iterator[None]:
    """Let a complaint about one of these variables begin with its line in `.env`, if it has one."""
    try:
        yield
    except SettingError as wrong:
        raise SettingError(with_line(str(wrong), environ)) from wrong.__cause__


def with_line(wrong: str, environ: Mapping[str, str]) -> str:
    """Return the same complaint, behind the line of `.env` that has to be corrected."""
    lines = environ.lines if isinstance(environ, Variables) else {}
    name = named_in(wrong)
    if not environ.get(name):
        name = ALIASES.get(name, name)
    return f".env:{lines[name]}: {wrong}" if name in lines else wrong


def without(environ: Mapping[str, str], wrong: str) -> dict[str, str]:
    """Return these variables without the one that the complaint names, and its other name."""
    name = named_in(wrong)
    return {each: environ[each] for each in environ if each not in (name, ALIASES.get(name))}


def startup_warnings(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return what an operator should know at the start, although it stops nothing."""
    twice = environ.twice if isinstance(environ, Variables) else ()
    found = (cluster_warning(environ), permission_warning(), *twice)
    return tuple(warning for warning in found if warning)


def permission_warning() -> str:
    """Return a warning if others on this machine may read the secrets in `.env`; else empty."""
    try:
        mode = ENV_FILE.stat().st_mode
    except OSError:
        return ""
    if os.name != "posix" or not mode & (stat.S_IRGRP | stat.S_IROTH):
        return ""
    return f".env can be read by others (mode {stat.S_IMODE(mode):04o}): `chmod 600 .env`"


def spotify_token() -> str | None:
    """Return the listener's token for `lyra chat`: unlike an argument it is not visible in `ps`."""
    return read_variables().get(_TOKEN, "").strip() or None


def time_zone() -> str | None:
    """Return the IANA name of the zone that this system's clock shows; None where it has no name."""
    named = os.environ.get("TZ", "").removeprefix(":")  # noqa: TID251 - as above
    if named and not named.startswith("/"):
        return named
    file = Path(named) if named else _LOCALTIME
    return file.resolve().as_posix().partition("zoneinfo/")[2] or None


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


def _is_ours(name: str) -> bool:
    return name.startswith(_OURS) or name == _TOKEN
