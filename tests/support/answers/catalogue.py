"""The sandbox's whole catalogue, by address and by name, made without its search."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from lyra.sandbox.catalogue import (
    ARTISTS,
    TRACKS_AN_ALBUM,
    TrackKey,
    album,
    artist,
    family_of,
    track,
)
from lyra.sandbox.rng import spotify_id

_IMITATIONS = 3  # of one track, that a search may show beside it
_EDITION = re.compile(r"\s+-\s.*|\s*[(\[].*|\s+feat\b.*", re.DOTALL)


class Entry(NamedTuple):
    """An item of the catalogue. `genres` are those of its artists and their families."""

    kind: str
    name: str
    artists: tuple[str, ...]
    genres: frozenset[str] = frozenset()
    year: int | None = None
    minutes: float = 0


def fold(text: str) -> str:
    """Return the letters and digits of a name, without case, accents and what cannot be seen."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    words = "".join(c if c.isalnum() else " " for c in plain if not unicodedata.combining(c))
    return " ".join(words.split()) or "".join(c for c in plain if c.isprintable() and c != " ")


def song(title: str) -> str:
    """Return `fold` of a title without its edition: the same for all versions of a song."""
    return fold(_EDITION.sub("", title) or title)


def find(uri: str) -> Entry | None:
    """Return what has this address in the catalogue; None: nothing has."""
    place = _places().get(uri) or (_imitations().get(uri) if ":track:" in uri else None)
    if place is None:
        return None
    kind, index, number = place
    if kind == "artist":
        return Entry(kind, artist(index).name, (artist(index).name,), _genres((index,)))
    if kind == "album":
        released = album(index, number)
        whose = (artist(index).name,)
        return Entry(kind, released.name, whose, _genres((index,)), _year(released.released))
    one = track((index, number))
    credited = (index, *one.guests)
    names = tuple(artist(each).name for each in credited)
    return Entry(
        kind,
        one.name,
        names,
        _genres(credited),
        _year(one.album.released),
        one.duration_ms / 60_000,
    )


def exists(title: str, by: str) -> bool:
    """Return whether an artist of this name has a song or an album of this title, in any version."""
    wanted = song(title)
    indexes = _by_name().get(fold(by), ())
    return any(wanted == song(name) for index in indexes for name in _titles(index))


def _titles(index: int) -> Iterator[str]:
    for number in range(artist(index).tracks):
        yield track((index, number)).name
    for number in range(_albums(index)):
        yield album(index, number).name


@cache
def _by_name() -> dict[str, list[int]]:
    names: dict[str, list[int]] = {}
    for index in range(ARTISTS):
        names.setdefault(fold(artist(index).name), []).append(index)
    return names


def _genres(indexes: tuple[int, ...]) -> frozenset[str]:
    return frozenset(
        genre for index in indexes for genre in (family_of()[index], *artist(index).genres)
    )


def _year(released: str) -> int | None:
    return int(released[:4]) or None


def _albums(index: int) -> int:
    return -(-artist(index).tracks // TRACKS_AN_ALBUM)


def _keys() -> Iterator[TrackKey]:
    return ((index, number) for index in range(ARTISTS) for number in range(artist(index).tracks))


@cache
def _places() -> dict[str, tuple[str, int, int]]:
    places = {f"spotify:artist:{artist(each).id}": ("artist", each, 0) for each in range(ARTISTS)}
    for index in range(ARTISTS):
        for number in range(_albums(index)):
            uri = f"spotify:album:{spotify_id('album', index, number)}"
            places[uri] = ("album", index, number)
    for key in _keys():
        places[f"spotify:track:{spotify_id('track', *key)}"] = ("track", *key)
    return places


@cache
def _imitations() -> dict[str, tuple[str, int, int]]:
    """The covers and karaoke versions of every track, which have other names and artists."""
    return {
        f"spotify:track:{spotify_id('imitation', *key, number)}": ("imitation", *key)
        for key in _keys()
        for number in range(_IMITATIONS)
    }
