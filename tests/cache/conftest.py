"""A cache over a scripted Spotify, a clock that stands still, and a fixed random source."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from random import Random
from typing import Any, TypeVar

import orjson
import pytest

from lyra.cache.listeners import ListenerCache
from lyra.cache.store import BoundedMemoryCache
from lyra.listening.models import SectionName
from lyra.loop_throttle import LoopThrottle
from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.endpoints import Endpoint
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import Token

T = TypeVar("T")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest tests/cache/test_storm.py --storms 20000` runs that many seeds."""
    parser.addoption("--storms", type=int, default=60, help="seeds for the cache's storm")


BODIES: dict[SectionName, bytes] = {
    "profile": b'{"id": "vesna", "display_name": "Vesna K.", "images": []}',
    "top_artists": b'{"items": [{"id": "a1", "name": "Kalorda Wenmi", "genres": ["dream pop"]}]}',
    "top_tracks": b'{"items": []}',
    "recently_played": b'{"items": [], "cursors": null}',
    "playlists": b'{"items": []}',
}
OWN, OTHERS = "spotify:playlist:" + "o" * 22, "spotify:playlist:" + "x" * 22
PLAYLISTS = (
    b'{"items": [{"name": "Mine", "uri": "%b", "owner": {"id": "vesna"}},'
    b' {"name": "Theirs", "uri": "%b", "owner": {"id": "boris"}}]}'
) % (OWN.encode(), OTHERS.encode())


# Clocks stand still here: a listener may be read as often as a test needs, unless it says how often.
OFTEN: dict[str, object] = {"fetches_per_minute": 1_000_000}


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class ScriptedSpotify:
    """Answers from `BODIES` once `gate` is open; `fails` says which requests do not.

    A detail is `top_artists short_term` or `playlist_items <id>`; of those without a body of their
    own the one row names them, and `details` counts them all by name.
    """

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.detail_gate = asyncio.Event()  # behind the other, for details alone
        self.detail_gate.set()
        self.fails: dict[Any, SpotifyFailure] = {}  # by the name of the request
        self.fetches = 0
        self.asked: list[str] = []
        self.details: Counter[str] = Counter()
        self.live = 0
        self.most_live = 0
        self.bodies: dict[str, bytes] = dict(BODIES.items())

    def reader(self, token: Token) -> "ScriptedReader":
        assert token.reveal()
        self.fetches += 1
        return ScriptedReader(self)


class ScriptedReader:
    def __init__(self, spotify: ScriptedSpotify) -> None:
        self._spotify = spotify
        self._bodies = dict(spotify.bodies)  # as Spotify was when the fetch began
        self.calls = 0

    async def get(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], T],
        params: Mapping[str, str] | None = None,
        *,
        playlist: str | None = None,
    ) -> T:
        self.calls += 1
        which = playlist or (params or {}).get("time_range")
        name = f"{endpoint} {which}" if which else endpoint
        self._spotify.asked.append(name)
        self._spotify.details.update([name] if which else [])
        if endpoint == "profile":
            self._spotify.live += 1
            self._spotify.most_live = max(self._spotify.most_live, self._spotify.live)
        try:
            await self._spotify.gate.wait()
            if which:
                await self._spotify.detail_gate.wait()
        finally:
            if endpoint == "profile":
                self._spotify.live -= 1
        if name in self._spotify.fails:
            raise self._spotify.fails[name].copy()
        if name not in self._bodies and which:
            row = {"name": name}
            return parse(orjson.dumps({"items": [{"item": row} if playlist else row], "total": 1}))
        return parse(self._bodies[name])


class MiddleOfRange(Random):
    """No jitter to reckon with."""

    def random(self) -> float:
        return 0.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def spotify() -> ScriptedSpotify:
    return ScriptedSpotify()


CacheMaker = Callable[..., ListenerCache]


@pytest.fixture
async def make_cache(clock: Clock, spotify: ScriptedSpotify) -> AsyncIterator[CacheMaker]:
    made: list[ListenerCache] = []

    def make(
        *, rng: Random | None = None, turns: LoopThrottle | None = None, **changes: object
    ) -> ListenerCache:
        cache = ListenerCache(
            Settings(**{**OFTEN, **changes}),  # type: ignore[arg-type]
            spotify,
            Metrics(),
            rng=rng or MiddleOfRange(),
            clock=clock,
            wall_clock=lambda: 1_795_000_000.0,
            throttle=turns,
        )
        made.append(cache)
        return cache

    yield make
    for cache in made:
        await cache.close()


def make_store(clock: Clock, *, entries: int = 100, weight: int = 1000) -> BoundedMemoryCache:
    return BoundedMemoryCache(max_entries=entries, max_weight=weight, weigh=len, clock=clock)


@pytest.fixture
def cache(make_cache: CacheMaker) -> ListenerCache:
    return make_cache()


ANNA = Token("anna-token-0001")
BORIS = Token("boris-token-0002")
