"""What every row of the fault table also asserts: nothing is left over, and others are served.

That no key and no token leaks is asserted for every service that `start` starts.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from lyra.sandbox import sandbox_token
from tests.conftest import Service, Start
from tests.support.calls import chat, init
from tests.support.redis_servers import RedisServer, running_redis
from tests.support.stream_grammar import read_stream

OTHER = sandbox_token(4242)
SECRET = "a-secret-of-this-service"


def _open_files() -> set[str]:
    """The open files and sockets of this process, each by its number and what it is."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the folder's own descriptor is closed by now
            found.add(f"{descriptor.name} {descriptor.readlink()}")
    return found


def _tasks() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """Tasks and descriptors are back to where they were, once the service is down."""
    files = _open_files()
    yield
    for _ in range(100):  # transports close a few turns of the loop after they are told to
        if not _tasks() and _open_files() <= files:
            return
        await asyncio.sleep(0.01)
    assert _tasks() == set()
    assert _open_files() <= files


@asynccontextmanager
async def others_served(start: Start, **settings: Any) -> AsyncIterator[Service]:
    """A service with a listener who was there before the fault, and is served after it."""
    service = await start(rate_per_minute=10_000, **settings)
    assert (await init(service, OTHER)).status == 200
    yield service
    answer = await init(service, OTHER)
    assert answer.json["cache"]["spotify_calls"] == 0
    await service.stop()


async def answered(service: Service) -> None:
    """Another listener asks, and gets a whole answer."""
    assert read_stream(await chat(service, OTHER)).ending == "stop"


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    with tempfile.TemporaryDirectory() as folder:
        async with running_redis(Path(folder)) as server:
            yield server
