"""The sandbox's listeners as Lyra reads them, without a server."""

from collections.abc import Callable
from typing import TypeVar

from lyra.listening.fetch import fetch_listening
from lyra.listening.models import Listening, SectionName
from lyra.sandbox.listeners import build_listener
from lyra.sandbox.pages import Endpoint, render
from lyra.spotify.failures import SpotifyFailure

T = TypeVar("T")
NOW = 1_795_348_800.0
ENDPOINTS: dict[SectionName, Endpoint] = {
    "profile": "me",
    "top_artists": "artists",
    "top_tracks": "tracks",
    "recently_played": "recent",
    "playlists": "playlists",
}
WITHOUT: dict[str, tuple[SectionName, ...]] = {
    "no_scope_top": ("top_artists", "top_tracks"),
    "no_scope_recent": ("recently_played",),
    "no_scope_playlists": ("playlists",),
}


class InventedSpotify:
    """Answers the five calls about one listener of the sandbox."""

    calls = 0

    def __init__(self, seed: int, persona: str, regime: str) -> None:
        self._listener = build_listener(seed, persona)
        self._regime = regime
        self._refused = WITHOUT.get(persona, ())

    async def get(self, endpoint: SectionName, parse: Callable[[bytes], T]) -> T:
        self.calls += 1
        if endpoint in self._refused:
            raise SpotifyFailure("missing_scope")
        query = {"limit": "50"}
        return parse(render(ENDPOINTS[endpoint], query, self._listener, self._regime))


async def read_invented(seed: int, persona: str, regime: str = "legacy") -> Listening:
    """All that Lyra knows of this listener."""
    spotify = InventedSpotify(seed, persona, regime)
    return await fetch_listening(spotify, now=NOW, report=lambda _: None)
