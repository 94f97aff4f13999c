"""A connection to Redis is cut within a reply to something that must not stay half done."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from tests.conftest import APP, Start
from tests.support.calls import Answer
from tests.support.fault_kit import Toxic, toxic
from tests.support.redis_servers import RedisServer
from tests.support.service_pair import until_subscribed
from tests.support.visitors import OWN, Visitor

SECRET = "a-secret-of-this-service"
PARTS = 12  # of all that comes back: each is cut at its beginning
Step = Callable[[Visitor], Awaitable[Answer]]


@asynccontextmanager
async def behind_a_network(
    start: Start, server: RedisServer
) -> AsyncIterator[tuple[Visitor, Toxic]]:
    """Somebody's browser, and the network between Lyra and Redis."""
    async with toxic(server.port) as network:
        url = f"redis://127.0.0.1:{network.port}"
        service = await start(redis_url=url, secret=SECRET, spotify_client_id=APP)
        await until_subscribed(service)
        async with Visitor(service) as visitor:
            yield visitor, network


async def in_use(visitor: Visitor) -> None:
    """Log in, agree, and have everything read."""
    await visitor.ready()
    assert (await visitor.init()).status == 200


async def log_out(visitor: Visitor) -> Answer:
    return await visitor.post("/auth/logout")


async def forget(visitor: Visitor) -> Answer:
    return await visitor.go("DELETE", "/lyra/session", headers=OWN)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("step", [log_out, forget])
async def test_who_is_told_that_all_is_forgotten_is_forgotten(
    start: Start, server: RedisServer, admin: Redis, step: Step, part: int
) -> None:
    """Who is told to try again is forgotten then, though the session be gone by now."""
    async with behind_a_network(start, server) as (visitor, network):
        await in_use(visitor)
        before = network.passed
        await step(visitor)
        all_of_it = network.passed - before
        await in_use(visitor)
        network.cut_after = network.passed + part * all_of_it // PARTS
        answer = await step(visitor)
        if answer.status == 503:
            answer = await step(visitor)

    assert network.cuts == 1
    assert answer.status in (204, 401)
    assert not await admin.keys("lyra:v2:e:*")
    if step is log_out:
        assert not await admin.keys("lyra:v2:session:*")


@pytest.mark.parametrize("part", range(PARTS))
async def test_a_log_in_is_whole_or_begun_anew(
    start: Start, server: RedisServer, part: int
) -> None:
    async with behind_a_network(start, server) as (visitor, network):
        here = await visitor.back(await visitor.to_spotify())
        before = network.passed
        await visitor.go("GET", here)
        all_of_it = network.passed - before
        here = await visitor.back(await visitor.to_spotify())
        network.cut_after = network.passed + part * all_of_it // PARTS
        ended = (await visitor.go("GET", here)).headers["Location"]
        assert ended in ("/", "/?login=expired", "/?login=busy")
        assert (await visitor.session())["signed_in"] == (ended == "/")
        assert await visitor.log_in() == "/"

    assert network.cuts == 1
