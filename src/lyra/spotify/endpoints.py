"""The five endpoints of a listener, each one page and never more, and the catalogue's search."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

SectionEndpoint = Literal["profile", "top_artists", "top_tracks", "recently_played", "playlists"]
Endpoint = SectionEndpoint | Literal["search"]

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


def path_of(endpoint: Endpoint) -> str:
    """Return the endpoint's path below the API's address; a search's query comes behind it."""
    return "/search" if endpoint == "search" else PATHS[endpoint]
