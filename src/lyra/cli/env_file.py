"""Reads `.env`: its variables, and the line of each for the complaint about its value."""

import io
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream

from lyra.settings import SettingError

ENV_FILE = Path(".env")
_MAX_BYTES = 1_048_576
_LINE_END = re.compile(r"\r\n|\n|\r")  # as the parser counts lines


@dataclass(frozen=True, slots=True)
class Written:
    """The variables that the file sets, and their lines; of a name set twice the last line counts."""

    values: Mapping[str, str]
    lines: Mapping[str, int]
    twice: tuple[str, ...]  # a warning for each such name


def read_env_file(wanted: Callable[[str], bool]) -> Written:
    """Return the wanted variables of `.env`; none if there is no such file.

    Raises:
        SettingError: the file is there and cannot be read; the message begins with the line.
    """
    text = _read_text()
    lines: dict[str, int] = {}
    filled: set[str] = set()
    twice = []
    for name, line, value in _parse_settings(text):
        if wanted(name) and name in filled:
            twice.append(f".env:{line}: {name} is on line {lines[name]} too, which does not count")
        lines[name] = line
        if value:  # a copy of the example has all names, those of secrets without a value
            filled.add(name)
    parsed = dotenv_values(stream=io.StringIO(text))
    values = {name: value for name, value in parsed.items() if value and wanted(name)}
    return Written(values, {name: lines[name] for name in values}, tuple(twice))


def _parse_settings(text: str) -> Iterator[tuple[str, int, str]]:
    """Yield every name that is set, with its line and its value, in the order of the file."""
    for binding in parse_stream(io.StringIO(text)):
        line = _line_of(binding)
        if binding.key is not None and binding.value is not None and not binding.error:
            yield binding.key, line, binding.value
        elif binding.error or binding.key is not None:
            raise SettingError(
                f".env:{line}: it cannot be read. Write NAME=value, and close every quote."
            )


def _line_of(binding: Binding) -> int:
    """Return the line that the name is on; the parser counts from the empty lines before it."""
    text = binding.original.string
    before = text[: len(text) - len(text.lstrip())]
    return binding.original.line + len(_LINE_END.findall(before))


def _read_text() -> str:
    try:
        # Reading a pipe or a device could block for ever.
        if not stat.S_ISREG(ENV_FILE.stat().st_mode):
            raise SettingError(".env: it is no file. Lyra reads its settings from it.")
        with ENV_FILE.open("rb") as file:
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
        line = len(_LINE_END.findall(raw[: wrong.start].decode("latin-1"))) + 1
        raise SettingError(f".env:{line}: it is not UTF-8. Save the file as UTF-8.") from None
    if "\0" in text:
        line = len(_LINE_END.findall(text[: text.index("\0")])) + 1
        raise SettingError(f".env:{line}: it is not UTF-8 text. Save the file as UTF-8.")
    return text
