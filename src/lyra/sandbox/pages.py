"""The five answers of the invented Web API, page by page, derived from one listener."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import orjson

from lyra.sandbox import spotify_rows as rows, spotify_shapes as shapes
from lyra.sandbox.listeners import TIME_RANGES, Listener

Endpoint = Literal[
    "me", "artists", "tracks", "recent", "playlists", "items", "search", "create", "replace", "add"
]

# In the order in which they answer under a `lat` fault: `me` first, `recent` last.
ENDPOINTS: dict[Endpoint, str] = {
    "me": "/v1/me",
    "artists": "/v1/me/top/artists",
    "tracks": "/v1/me/top/tracks",
    "playlists": "/v1/me/playlists",
    "recent": "/v1/me/player/recently-played",
}
# Beyond the five: the contents of a playlist, and the search.
MORE_ENDPOINTS: tuple[Endpoint, ...] = ("items", "search")
# What changes something: a playlist is made, its tracks are replaced, or some are added.
WRITES: tuple[Endpoint, ...] = ("create", "replace", "add")

MAX_LIMIT = 50
MAX_OFFSET = 100_000
_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)


class BadQueryError(ValueError):
    """The query has a value that Spotify answers with 400; the message is Spotify's."""


def render(endpoint: Endpoint, query: Mapping[str, str], listener: Listener, regime: str) -> bytes:
    """The JSON body that this endpoint answers.

    Raises:
        BadQueryError: A limit, offset, time range or cursor is out of bounds.
    """
    if endpoint == "me":
        return orjson.dumps(shapes.profile(listener, regime))
    if endpoint == "recent":
        return orjson.dumps(_recent(query, listener, regime))
    return orjson.dumps(_page(endpoint, query, listener, regime))


def page(
    path: str, window: range, total: int, items: Sequence[Any], extra: str = ""
) -> shapes.Json:
    """Spotify's paging object: the items in the window, and where the others are."""
    offset, limit = window.start, len(window)

    def link(at: int) -> str:
        return f"{shapes.API}{path}?offset={at}&limit={limit}{extra}"

    return {
        "href": link(offset),
        "limit": limit,
        "next": link(offset + limit) if offset + limit < total else None,
        "offset": offset,
        "previous": link(max(0, offset - limit)) if offset else None,
        "total": total,
        "items": items,
    }


def window_of(
    query: Mapping[str, str], *, most: int = MAX_LIMIT, default: int = 20, last: int = MAX_OFFSET
) -> range:
    """The places that `limit` and `offset` ask for.

    Raises:
        BadQueryError: One of them is out of bounds.
    """
    limit = _number(query, "limit", default, (1, most))
    offset = _number(query, "offset", 0, (0, last))
    return range(offset, offset + limit)


def _page(
    endpoint: Endpoint, query: Mapping[str, str], listener: Listener, regime: str
) -> shapes.Json:
    places = window_of(query)
    window = slice(places.start, places.stop)
    extra = "" if endpoint == "playlists" else f"&time_range={_time_range(query)}"
    total, items = _items(endpoint, _time_range(query), window, listener, regime)
    return page(ENDPOINTS[endpoint][3:], places, total, items, extra)


def _items(
    endpoint: Endpoint, time_range: str, window: slice, listener: Listener, regime: str
) -> tuple[int, Sequence[Any]]:
    """How many there are in all, and those in the window."""
    if endpoint == "artists":
        artists = listener.artists[time_range]
        return len(artists), [shapes.full_artist(each, regime) for each in artists[window]]
    if endpoint == "tracks":
        tracks = listener.tracks[time_range]
        return len(tracks), [rows.ranked_track(each, listener, regime) for each in tracks[window]]
    lists = listener.playlists
    return len(lists), [shapes.playlist(each, listener, regime) for each in lists[window]]


def _recent(query: Mapping[str, str], listener: Listener, regime: str) -> shapes.Json:
    """A cursor page. Only 50 plays exist: past them there are no items and no cursors."""
    limit = _number(query, "limit", 20, (1, MAX_LIMIT))
    if "before" in query and "after" in query:
        raise BadQueryError("Only one of before and after may be given")
    before = _number(query, "before", 2**63, (0, 2**63))
    after = _number(query, "after", -1, (0, 2**63))
    plays = [each for each in listener.recent if after < each[0] < before][:limit]
    path = f"{shapes.API}{ENDPOINTS['recent'][3:]}"
    cursor = f"&before={query['before']}" if "before" in query else ""
    cursors = {"after": str(plays[0][0]), "before": str(plays[-1][0])} if plays else None
    return {
        "href": f"{path}?limit={limit}{cursor}",
        "limit": limit,
        "next": f"{path}?before={plays[-1][0]}&limit={limit}" if len(plays) == limit else None,
        "cursors": cursors,
        "items": [rows.play(each, listener, regime) for each in plays],
    }


def _time_range(query: Mapping[str, str]) -> str:
    time_range = query.get("time_range", "medium_term")
    if time_range not in TIME_RANGES:
        raise BadQueryError("Invalid time range")
    return time_range


def _number(query: Mapping[str, str], name: str, default: int, bounds: tuple[int, int]) -> int:
    if name not in query:
        return default
    text = query[name]
    number = int(text) if _NUMBER.fullmatch(text) else -1
    if not bounds[0] <= number <= bounds[1]:
        raise BadQueryError(f"Invalid {name}")
    return number
