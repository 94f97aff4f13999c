"""Reads the environment and `.env`, each time anew, for everything else."""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lyra.cli.env_file import ENV_FILE, Written, read_env_file
from lyra.settings import ALIASES, SettingError, named_in, told_of_cluster

# Of `.env` only these count, whatever else it holds: no process is steered by the rest.
_OURS = ("LYRA_", "ANTHROPIC_")
_TOKEN = "SPOTIFY_TOKEN"  # noqa: S105 - the name of a variable


class Variables(dict[str, str]):
    """Variables by name, and of those that `.env` alone has set the lines there."""

    def __init__(self, written: Written, over: Mapping[str, str]) -> None:
        super().__init__({**written.values, **over})
        self.lines = {name: line for name, line in written.lines.items() if name not in over}
        self.twice = written.twice


def variables(**given: str | int | None) -> Variables:
    """The command line over the environment over `.env`; `port=1` stands for LYRA_PORT.

    Raises:
        SettingError: `.env` is there and cannot be read.
    """
    return Variables(read_env_file(_is_ours), inherited(**given))


def readable_variables(**given: str | int | None) -> tuple[dict[str, str], str]:
    """The same, and what is wrong with `.env`, which is left out then."""
    try:
        return variables(**given), ""
    except SettingError as wrong:
        return inherited(**given), str(wrong)


def inherited(**given: str | int | None) -> dict[str, str]:
    """The same without `.env`: what a supervisor gives its workers has been read already."""
    told = {
        f"LYRA_{name.upper()}": str(value) for name, value in given.items() if value is not None
    }
    return {**os.environ, **told}  # noqa: TID251 - the one place that reads it


@contextmanager
def naming_lines(environ: Mapping[str, str]) -> Iterator[None]:
    """Let a complaint about one of these variables begin with its line in `.env`, if it has one."""
    try:
        yield
    except SettingError as wrong:
        raise SettingError(with_line(str(wrong), environ)) from wrong.__cause__


def with_line(wrong: str, environ: Mapping[str, str]) -> str:
    """The same complaint, behind the line that has to be mended."""
    lines = environ.lines if isinstance(environ, Variables) else {}
    name = named_in(wrong)
    if not environ.get(name):
        name = ALIASES.get(name, name)
    return f".env:{lines[name]}: {wrong}" if name in lines else wrong


def without(environ: Mapping[str, str], wrong: str) -> dict[str, str]:
    """These variables but for the one that the complaint names, however it is written."""
    name = named_in(wrong)
    return {each: environ[each] for each in environ if each not in (name, ALIASES.get(name))}


def warnings(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What an operator should hear once at the start, though it stops nothing."""
    twice = environ.twice if isinstance(environ, Variables) else ()
    return tuple(told for told in (told_of_cluster(environ), open_to_others(), *twice) if told)


def open_to_others() -> str:
    """A warning if others on this machine may read the secrets in `.env`; else empty."""
    try:
        mode = ENV_FILE.stat().st_mode
    except OSError:
        return ""
    if os.name != "posix" or not mode & (stat.S_IRGRP | stat.S_IROTH):
        return ""
    return f".env can be read by others (mode {stat.S_IMODE(mode):04o}): `chmod 600 .env`"


def spotify_token() -> str | None:
    """The listener's token for `lyra chat`: a variable, unlike an argument, is not seen in `ps`."""
    return variables().get(_TOKEN, "").strip() or None


def process_manager() -> str | None:
    """The socket on which systemd, or Lyra's own supervisor, hears how the service is."""
    return os.environ.get("NOTIFY_SOCKET")  # noqa: TID251 - as above


def wants_traces() -> bool:
    """Whether OpenTelemetry's own variables name a collector; its exporter reads them itself."""
    told = os.environ  # noqa: TID251 - as above
    off = told.get("OTEL_SDK_DISABLED", "").lower() == "true"
    named = any(told.get(f"OTEL_EXPORTER_OTLP_{name}") for name in ("ENDPOINT", "TRACES_ENDPOINT"))
    exporter = told.get("OTEL_TRACES_EXPORTER", "otlp" if named else "none")
    return exporter == "otlp" and not off


def _is_ours(name: str) -> bool:
    return name.startswith(_OURS) or name == _TOKEN
