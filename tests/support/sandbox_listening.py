"""A listener of the sandbox as Lyra reads them, without a server."""

import asyncio
from collections.abc import Callable, Collection
from functools import cache
from typing import TypeVar

from lyra.listening.fetch import fetch_listening
from lyra.listening.models import Listening, SectionName
from lyra.sandbox.listeners import build_listener
from lyra.sandbox.pages import Endpoint, render
from lyra.sandbox.plays import SANDBOX_NOW
from lyra.spotify.failures import SpotifyFailure

T = TypeVar("T")

_ENDPOINTS: dict[SectionName, Endpoint] = {
    "profile": "me",
    "top_artists": "artists",
    "top_tracks": "tracks",
    "recently_played": "recent",
    "playlists": "playlists",
}


class _Reader:
    """Reads the pages of one invented listener; what is refused lacks its scope."""

    calls = 0

    def __init__(
        self, seed: int, persona: str, regime: str, refused: Collection[SectionName]
    ) -> None:
        self._listener = build_listener(seed, persona)
        self._regime = regime
        self._refused = refused

    async def get(self, endpoint: SectionName, parse: Callable[[bytes], T]) -> T:
        if endpoint in self._refused:
            raise SpotifyFailure("missing_scope")
        query = {} if endpoint == "profile" else {"limit": "50"}
        return parse(render(_ENDPOINTS[endpoint], query, self._listener, self._regime))


@cache
def sandbox_listening(
    seed: int, persona: str, regime: str = "legacy", refused: frozenset[SectionName] = frozenset()
) -> Listening:
    """Return this listener, read at the sandbox's own now."""
    reader = _Reader(seed, persona, regime, refused)
    return asyncio.run(fetch_listening(reader, now=SANDBOX_NOW.timestamp(), report=lambda _: None))
