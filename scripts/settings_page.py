"""Writes docs/SETTINGS.md: what `lyra.settings` takes, and what `.env.example` says of it.

    make settings            writes the page anew

Names, defaults and bounds come from `Settings`; order, headings and descriptions from the comments
of `.env.example`. A test holds that the page is what this makes.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_args, get_type_hints

import msgspec

from lyra.settings import Settings

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "SETTINGS.md"
_UNBOUNDED = 2**53  # the bound of numbers that have no other
_FIELDS = {each.encode_name: each for each in msgspec.inspect.type_info(Settings).fields}  # type: ignore[attr-defined]  # a struct
_HINTS = get_type_hints(Settings)

INTRO = """\
# Settings

Written by `make settings` from `lyra.settings` and [.env.example](../.env.example); do not edit.

Settings come from the environment or from `.env`, which is read from the working directory; the environment wins.
Of `.env` only what begins with `LYRA_` or `ANTHROPIC_` counts, and `SPOTIFY_TOKEN`. A wrong value stops the start and
names the variable; so does a variable `LYRA_…` that is not one of these, except those that Kubernetes makes of a
Service's name. White space around a value is not part of it. Names in `_S` are seconds. `lyra doctor` says what to
correct; [OPERATIONS.md](OPERATIONS.md#processes) has the exit codes.
"""
_HEAD = "| variable | default | allowed | |\n|---|---|---|---|\n"


class Section(NamedTuple):
    """A heading of `.env.example`, the comment under it, and the comment over each variable."""

    title: str
    note: list[str]
    variables: dict[str, str]


def sections(example: str) -> list[Section]:
    """Return the sections of `.env.example` in their order."""
    parts = re.split(r"^# --- (.+) ---$", example, flags=re.MULTILINE)[1:]
    return [_section(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]


def _section(title: str, text: str) -> Section:
    section, comment = Section(title, [], {}), list[str]()
    for line in text.splitlines():
        if line.startswith("#"):
            comment.append(line.lstrip("# "))
        elif name := line.partition("=")[0]:
            section.variables[name] = " ".join(comment)
            comment.clear()
        else:  # a comment with nothing below it is about the whole section
            section.note.extend(comment)
            comment.clear()
    return section


def page() -> str:
    """Return docs/SETTINGS.md as it has to be."""
    example = (ROOT / ".env.example").read_text("utf-8")
    return INTRO + "".join(_as_markdown(section) for section in sections(example))


def _as_markdown(section: Section) -> str:
    note = f"{' '.join(section.note)}\n\n" if section.note else ""
    rows = "".join(f"{row}\n" for row in _rows(section))
    return f"\n## {section.title}\n\n{note}{_HEAD}{rows}"


def _rows(section: Section) -> Iterator[str]:
    for name, description in section.variables.items():
        field = _FIELDS[name]
        cells = (f"`{name}`", _default(field.default), _allowed(field), _linked(description))
        yield f"| {' | '.join(cells)} |"


def _default(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return "none" if value is None else str(value)


def _allowed(field: msgspec.inspect.Field) -> str:
    """Return what a value may be, in words."""
    match field.type:
        case msgspec.inspect.LiteralType():
            return ", ".join(map(str, get_args(_HINTS[field.name])))
        case msgspec.inspect.UnionType(types=(of, _)):
            return _bounds(of)
        case of:
            return _bounds(of)


def _bounds(of: msgspec.inspect.Type) -> str:
    match of:
        case msgspec.inspect.BoolType():
            return "true, false"
        case msgspec.inspect.VarTupleType():
            return "any number, with commas"
        case msgspec.inspect.StrType(min_length=int(length)) if length > 1:
            return f"{length} characters or more"
        case msgspec.inspect.StrType(pattern=str()):
            return "an http or https address"
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            return _range(of)
        case _:
            return "text"


def _range(of: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    low = "more than 0" if of.gt == 0 else f"{of.ge}"
    if of.le is None or of.le == _UNBOUNDED:
        return f"{low} or more"
    return f"{low}, {of.le} at most" if of.gt == 0 else f"{low} to {of.le}"


def _linked(description: str) -> str:
    """Return a comment as Markdown: pages are links, variables are code."""
    text = re.sub(r"(?<!`)\b(?:LYRA|ANTHROPIC)_[A-Z_]+\b(?!`)", r"`\g<0>`", description)
    return re.sub(r"\bdocs/([A-Z]+\.md)", r"[\1](\1)", text).replace("|", r"\|")


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
