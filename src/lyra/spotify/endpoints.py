"""The five endpoints that Lyra reads, each one page and never more."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Endpoint = Literal["profile", "top_artists", "top_tracks", "recently_played", "playlists"]

# 50 is the most that Spotify gives in one page; `next` is never followed.
PATHS: Mapping[Endpoint, str] = MappingProxyType(
    {
        "profile": "/me",
        "top_artists": "/me/top/artists?limit=50&time_range=medium_term",
        "top_tracks": "/me/top/tracks?limit=50&time_range=medium_term",
        "recently_played": "/me/player/recently-played?limit=50",
        "playlists": "/me/playlists?limit=50",
    }
)
CALLS_PER_FETCH = len(PATHS)  # what reading one listener takes
