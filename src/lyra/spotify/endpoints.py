"""The five endpoints of a listener, each one page and never more, and those that are asked on demand.

On demand: the same top lists over another time range, the contents of a playlist, the catalogue's
search, and the writes that save a playlist. An endpoint's name is a metric's label, so no id is ever
part of it.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

SectionEndpoint = Literal["profile", "top_artists", "top_tracks", "recently_played", "playlists"]
PlaylistEndpoint = Literal["playlist_items", "playlist_tracks"]
WriteEndpoint = Literal["create_playlist", "add_items", "replace_items"]
Endpoint = SectionEndpoint | PlaylistEndpoint | WriteEndpoint | Literal["search"]

# 50 is the most that Spotify gives in one page; `next` is never followed.
PATHS: Mapping[SectionEndpoint, str] = MappingProxyType(
    {
        "profile": "/me",
        "top_artists": "/me/top/artists?limit=50&time_range=medium_term",
        "top_tracks": "/me/top/tracks?limit=50&time_range=medium_term",
        "recently_played": "/me/player/recently-played?limit=50",
        "playlists": "/me/playlists?limit=50",
    }
)
CALLS_PER_FETCH = len(PATHS)  # what reading one listener takes
SEARCHES_AT_ONCE = 16  # of all listeners together
SAVES_AT_ONCE = 16  # likewise; each sends one call at a time

_ON_DEMAND: Mapping[Endpoint, str] = MappingProxyType(
    {
        "playlist_items": "/playlists/{id}/items?limit=50",
        "playlist_tracks": "/playlists/{id}/tracks?limit=50",  # of apps from before 2026
        "search": "/search",
        "create_playlist": "/me/playlists",
        "add_items": "/playlists/{id}/items",
        "replace_items": "/playlists/{id}/items",
    }
)
_METHODS: Mapping[Endpoint, Literal["POST", "PUT"]] = MappingProxyType(
    {"create_playlist": "POST", "add_items": "POST", "replace_items": "PUT"}
)
_ID = re.compile(r"[0-9A-Za-z]{22}", re.ASCII)
_PLAYLIST = "spotify:playlist:"


def path_of(endpoint: Endpoint) -> str:
    """Return the endpoint's path below the API's address, with `{id}` where an id comes in.

    A search's query comes behind it.
    """
    return _ON_DEMAND.get(endpoint) or PATHS[endpoint]  # type: ignore[index]  # the rest are sections


def method_of(endpoint: Endpoint) -> Literal["GET", "POST", "PUT"]:
    """Return the endpoint's method. What is not a POST may be sent again."""
    return _METHODS.get(endpoint, "GET")


def fill_path(endpoint: Endpoint, playlist: str | None) -> str:
    """Return the endpoint's path with this playlist's id in it.

    Raises:
        ValueError: it is no id of a playlist; nothing else may become a part of a path.
    """
    if playlist is None:
        return path_of(endpoint)
    if not _ID.fullmatch(playlist):
        raise ValueError("not the id of a playlist")
    return path_of(endpoint).replace("{id}", playlist)


def playlist_id(uri: str) -> str | None:
    """Return the id in a playlist's address, None if this is no address of one."""
    identifier = uri.removeprefix(_PLAYLIST)
    return identifier if uri.startswith(_PLAYLIST) and _ID.fullmatch(identifier) else None
