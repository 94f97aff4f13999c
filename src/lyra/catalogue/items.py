"""What a search of the catalogue is asked for, and what it shows."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["track", "album", "artist"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of the catalogue. `artists`: of an artist, its own name alone.

    `album` and `year` are None where Spotify tells none; a year is that of the edition.
    """

    kind: Kind
    uri: str
    name: str
    artists: tuple[str, ...]
    album: str | None = None
    year: int | None = None
    duration_ms: int | None = None
    image: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants found: an artist, or a title of one."""

    kind: Kind
    artist: str
    title: str = ""

    @property
    def name(self) -> str:
        """The name of the item itself: the artist's, where an artist is wanted."""
        return self.artist if self.kind == "artist" else self.title
