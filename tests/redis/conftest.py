"""A server, processes' gateways to it, and processes' caches over it."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Protocol

import pytest
from redis.asyncio import Redis

from lyra.cache.listeners import ListenerCache
from lyra.cache.loader import Source
from lyra.cache.redis_tier import SharedTier
from lyra.metrics import Metrics
from lyra.redis.gateway import RedisGateway, open_redis
from lyra.redis.listener_store import SharedListeners
from lyra.redis.protocol import Timing
from lyra.settings import Settings
from lyra.spotify.token import Token
from tests.cache.conftest import ANNA, OFTEN, Clock, MiddleOfRange, ScriptedSpotify
from tests.support.redis_servers import RedisServer, stopped_redis

KEY = "0123456789abcdef0123456789abcdef01234567"
OTHER = "fedcba9876543210fedcba9876543210fedcba98"
TTL_MS = 600_000
SECRET = "one-secret-for-all-processes"

# Nothing here ends because time has passed, unless the test says so.
PATIENT = Timing(
    timeout_s=10,
    deadline_s=10,
    rest_s=0.01,
    lease_s=600,
    beat_s=300,
    recheck_s=600,
    silence_s=600,
    rejoin_first_s=0.01,
    rejoin_most_s=0.02,
)
HASTY = replace(PATIENT, timeout_s=0.2, deadline_s=0.4, rest_s=5)
LEASE_S = 0.3
BRISK = replace(PATIENT, lease_s=LEASE_S, beat_s=0.05, recheck_s=0.05)


class Member:
    """One process of several: its gateway, its tier, and what it was told."""

    def __init__(self, gateway: RedisGateway, metrics: Metrics) -> None:
        self.gateway = gateway
        self.metrics = metrics
        self.shared = SharedListeners(gateway)
        self.messages: list[tuple[str, str | None]] = []
        self._news = asyncio.Event()
        self.shared.on_invalidate(self._gone, replaced=self._kept)

    def _gone(self, key: str | None) -> None:
        self._note("gone", key)

    def _kept(self, key: str) -> None:
        self._note("kept", key)

    def _note(self, what: str, key: str | None) -> None:
        self.messages.append((what, key))
        self._news.set()

    async def until(self, enough: Callable[[list[tuple[str, str | None]]], bool]) -> None:
        """Returns when what it was told is enough."""
        while not enough(self.messages):
            self._news.clear()
            await self._news.wait()

    async def flushed(self, times: int = 1) -> None:
        """Returns when it was told so often that nothing in memory is sure."""
        await self.until(lambda messages: messages.count(("gone", None)) >= times)

    async def read(self, key: str) -> bytes | None:
        """The value kept for this key."""
        held = await self.shared.read(key)
        return held.blob if held else None

    async def keep(self, key: str, blob: bytes) -> bool:
        """Publish as after a fetch; whether it is kept."""
        generation = await self.shared.generation(key)
        return await self.shared.publish(key, blob, TTL_MS, generation) == "kept"


class Join(Protocol):
    async def __call__(
        self,
        url: str | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        timing: Timing = PATIENT,
        connections: int = 4,
        subscribed: bool = True,
    ) -> Member: ...


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a name short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="lyra-") as name:
        yield Path(name)


@pytest.fixture
async def down(folder: Path) -> AsyncIterator[RedisServer]:
    """A server that nobody has started yet."""
    async with stopped_redis(folder) as server:
        yield server


@pytest.fixture
async def server(down: RedisServer) -> RedisServer:
    await down.start()
    return down


@pytest.fixture
async def admin(server: RedisServer) -> AsyncIterator[Redis]:
    async with server.admin() as client:
        yield client


@pytest.fixture
async def join(server: RedisServer, join_early: Join) -> Join:
    """Opens gateways as processes would: `member = await join()`. Returns when it hears."""
    assert server.running
    return join_early


@pytest.fixture
async def join_early(down: RedisServer) -> AsyncIterator[Join]:
    """The same, while the server is still down."""
    async with AsyncExitStack() as stack:

        async def joining(
            url: str | None = None,
            *,
            clock: Callable[[], float] = time.monotonic,
            timing: Timing = PATIENT,
            connections: int = 4,
            subscribed: bool = True,
        ) -> Member:
            metrics = Metrics()
            gateway = await stack.enter_async_context(
                open_redis(
                    url or down.url,
                    metrics,
                    clock=clock,
                    rng=Random(7),
                    timing=timing,
                    connections=connections,
                )
            )
            member = Member(gateway, metrics)
            if subscribed:
                await member.flushed()
            return member

        yield joining


class Process:
    """One process of a service: its gateway to Redis and its cache."""

    def __init__(self, cache: ListenerCache, member: Member) -> None:
        self.cache = cache
        self.member = member

    async def ask(self, token: Token = ANNA) -> dict[str, Any]:
        """One caller's `cache` object."""
        visit = await self.cache.lookup(token)
        entry = await visit.entry()
        assert entry.top_artists_count == 1
        return visit.describe()

    async def state(self, token: Token = ANNA) -> str:
        return str((await self.ask(token))["state"])


class Open(Protocol):
    async def __call__(
        self,
        *,
        secret: str = SECRET,
        timing: Timing = PATIENT,
        subscribed: bool = True,
        ahead_s: float = 0,
        source: Source | None = None,
        url: str | None = None,
        **changes: Any,
    ) -> Process: ...


@pytest.fixture
async def spotify() -> ScriptedSpotify:
    return ScriptedSpotify()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def process(server: RedisServer, process_early: Open) -> Open:
    """Opens processes: `one = await process()`. The wall clock of one may be ahead."""
    assert server.running
    return process_early


@pytest.fixture
async def process_early(
    join_early: Join, spotify: ScriptedSpotify, clock: Clock
) -> AsyncIterator[Open]:
    """The same, while the server is still down."""
    caches: list[ListenerCache] = []

    async def begin(
        *,
        secret: str = SECRET,
        timing: Timing = PATIENT,
        subscribed: bool = True,
        ahead_s: float = 0,
        source: Source | None = None,
        url: str | None = None,
        **changes: Any,
    ) -> Process:
        def wall_clock() -> float:
            return clock.now + 1_795_000_000 + ahead_s

        member = await join_early(url, timing=timing, clock=clock, subscribed=subscribed)
        settings = Settings(secret=secret, **{**OFTEN, **changes})
        cache = ListenerCache(
            settings,
            source or spotify,
            Metrics(),
            rng=MiddleOfRange(),
            clock=clock,
            wall_clock=wall_clock,
            shared=SharedTier(
                member.shared,
                secret,
                level=settings.llm_context,
                clock=clock,
                wall_clock=wall_clock,
            ),
        )
        caches.append(cache)
        return Process(cache, member)

    yield begin
    for cache in caches:
        await cache.close()


async def until(true: Callable[[], object]) -> None:
    """Wait for what another task brings about; the test's own time limit ends it."""
    while not true():  # noqa: ASYNC110 - the cache rings no bell when it is told to forget
        await asyncio.sleep(0)


async def forgotten(process: Process) -> None:
    """Wait until nothing is held here: another process's word has arrived."""
    await until(lambda: not process.cache.stats()["entries"])
