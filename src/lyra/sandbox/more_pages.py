"""Beyond the five endpoints: the contents of a playlist, and the search."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import quote

import orjson

from lyra.sandbox import spotify_rows as rows, spotify_shapes as shapes
from lyra.sandbox.catalogue import ARTISTS, TrackKey, artist, track
from lyra.sandbox.listeners import Listener, Playlist
from lyra.sandbox.pages import BadQueryError, page, window_of
from lyra.sandbox.spotify_errors import FORBIDDEN, NOT_FOUND, Reply

_SEARCHED = ("artist", "track")
_LAST_OFFSET = 1_000


def contents_page(
    identifier: str, name: str, query: Mapping[str, str], listener: Listener, regime: str
) -> Reply:
    """What `GET /playlists/{identifier}/{name}` answers; `name` is `items` or, once, `tracks`.

    Raises:
        BadQueryError: A limit or offset is out of bounds.
    """
    restricted = regime not in ("legacy", "mixed")
    found = next((each for each in listener.playlists if each and each.id == identifier), None)
    if restricted and name == "tracks":
        return FORBIDDEN
    if found is None or found.owner == "spotify":
        return NOT_FOUND
    if restricted and found.owner != "listener" and not found.collaborative:
        return FORBIDDEN
    return Reply(200, orjson.dumps(_contents(found, name, query, listener, regime)))


def search_page(query: Mapping[str, str], listener: Listener, regime: str) -> bytes:
    """What `GET /search` answers: artists of the whole catalogue, and tracks near the listener.

    The first call takes a tenth of a second: run it in a thread.

    Raises:
        BadQueryError: No words, an unknown type, or a limit or offset out of bounds.
    """
    words = " ".join(query.get("q", "").casefold().split())
    if not words:
        raise BadQueryError("No search query")
    types = query.get("type", "").split(",")
    if wrong := [each for each in types if each not in _SEARCHED]:
        raise BadQueryError(f"Bad search type field {wrong[0]}")
    most, default = (50, 20) if regime == "legacy" else (10, 5)
    places = window_of(query, most=most, default=default, last=_LAST_OFFSET)
    found = {f"{kind}s": _found(kind, words, places, listener, regime) for kind in types}
    return orjson.dumps(found)


def _contents(
    item: Playlist, name: str, query: Mapping[str, str], listener: Listener, regime: str
) -> shapes.Json:
    keys = rows.contents(item, listener)
    places = window_of(query)
    shown = range(places.start, min(places.stop, len(keys)))
    items = [rows.content_row(place, keys, item, listener, regime) for place in shown]
    return page(f"/playlists/{item.id}/{name}", places, len(keys), items)


def _found(kind: str, words: str, places: range, listener: Listener, regime: str) -> shapes.Json:
    indexes = [index for index, name in enumerate(_names()) if words in name]
    window = slice(places.start, places.stop)
    items: Sequence[Any]
    if kind == "artist":
        total, items = len(indexes), [shapes.full_artist(each, regime) for each in indexes[window]]
    else:
        keys = _tracks(words, indexes, listener)
        total, items = len(keys), [shapes.full_track(each, regime) for each in keys[window]]
    return page("/search", places, total, items, f"&query={quote(words)}&type={kind}")


def _tracks(words: str, indexes: Iterable[int], listener: Listener) -> list[TrackKey]:
    """What the listener knows by this title, then what these artists have made."""
    known = [key for key in listener.library if words in track(key).name.casefold()]
    return list(dict.fromkeys([*known, *_works(indexes)]))


def _works(indexes: Iterable[int]) -> Iterator[TrackKey]:
    for index in indexes:
        yield from ((index, number) for number in range(artist(index).tracks))


@cache
def _names() -> tuple[str, ...]:
    return tuple(artist(index).name.casefold() for index in range(ARTISTS))
