"""The five answers of the invented Web API, page by page, derived from one listener."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import orjson

from lyra.sandbox import spotify_shapes as shapes
from lyra.sandbox.listeners import TIME_RANGES, Listener

Endpoint = Literal["me", "artists", "tracks", "recent", "playlists"]

# In the order in which they answer under a `lat` fault: `me` first, `recent` last.
ENDPOINTS: dict[Endpoint, str] = {
    "me": "/v1/me",
    "artists": "/v1/me/top/artists",
    "tracks": "/v1/me/top/tracks",
    "playlists": "/v1/me/playlists",
    "recent": "/v1/me/player/recently-played",
}

_MAX_LIMIT = 50
_MAX_OFFSET = 100_000
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


def _page(
    endpoint: Endpoint, query: Mapping[str, str], listener: Listener, regime: str
) -> shapes.Json:
    limit = _number(query, "limit", 20, (1, _MAX_LIMIT))
    offset = _number(query, "offset", 0, (0, _MAX_OFFSET))
    window = slice(offset, offset + limit)
    extra = "" if endpoint == "playlists" else f"&time_range={_time_range(query)}"
    total, items = _items(endpoint, _time_range(query), window, listener, regime)

    def link(at: int) -> str:
        return f"{shapes.API}{ENDPOINTS[endpoint][3:]}?offset={at}&limit={limit}{extra}"

    return {
        "href": link(offset),
        "limit": limit,
        "next": link(offset + limit) if offset + limit < total else None,
        "offset": offset,
        "previous": link(max(0, offset - limit)) if offset else None,
        "total": total,
        "items": items,
    }


def _items(
    endpoint: Endpoint, time_range: str, window: slice, listener: Listener, regime: str
) -> tuple[int, Sequence[Any]]:
    """How many there are in all, and those in the window."""
    if endpoint == "artists":
        artists = listener.artists[time_range]
        return len(artists), [shapes.full_artist(each, regime) for each in artists[window]]
    if endpoint == "tracks":
        tracks = listener.tracks[time_range]
        return len(tracks), [shapes.full_track(each, regime) for each in tracks[window]]
    lists = listener.playlists
    return len(lists), [shapes.playlist(each, listener, regime) for each in lists[window]]


def _recent(query: Mapping[str, str], listener: Listener, regime: str) -> shapes.Json:
    """A cursor page. Only 50 plays exist: past them there are no items and no cursors."""
    limit = _number(query, "limit", 20, (1, _MAX_LIMIT))
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
        "items": [shapes.play(each, listener, regime) for each in plays],
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
