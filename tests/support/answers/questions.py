"""The questions of `questions.toml`."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

FILE = Path(__file__).with_name("questions.toml")


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a good answer holds; questions.toml says what each means."""

    listener: str = "7.typical.restricted"
    before: str | None = None
    says: tuple[str, ...] = ()
    lacks: str | None = None
    new: int = 0
    mixed: bool = False
    count: int | None = None
    minutes: int | None = None
    kind: str | None = None
    by: str | None = None
    genre: str | None = None
    years: tuple[int, int] | None = None
    exists: bool | None = None
    missing: bool = False
    playlist: bool = False
    language: str = "en"
    off_topic: bool = False
    fresh: bool = False


class Question(NamedTuple):
    """A question of a kind; its names are not filled in yet."""

    kind: str
    text: str
    expected: Expected

    @property
    def token(self) -> str:
        """The sandbox token of the listener who asks."""
        return f"sandbox.{self.expected.listener}"


def load_questions() -> list[Question]:
    """Return the questions of the file, in its order.

    Raises:
        msgspec.ValidationError: A question expects something that is not known here.
    """
    tables: Mapping[str, Mapping[str, object]] = tomllib.loads(FILE.read_text("utf-8"))
    return [
        Question(kind, text, msgspec.convert(row, Expected))
        for kind, rows in tables.items()
        for text, row in rows.items()
    ]
