"""Redis behind a bad network: answers are slower, never fewer and never another listener's."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from lyra.cache.loader import MEMORY_TTL_S
from lyra.redis.gateway import CONNECTIONS
from lyra.sandbox import sandbox_token
from tests.cache.conftest import Clock
from tests.conftest import LONG_S, Service, Start
from tests.faults.conftest import OTHER, SECRET, answered, others_served
from tests.support.calls import call, init
from tests.support.fault_kit import Toxic, toxic
from tests.support.redis_servers import RedisServer

LISTENERS = [sandbox_token(seed) for seed in range(1, CONNECTIONS + 5)]  # more than connections


def shared_through(port: int) -> dict[str, Any]:
    """The settings of a process that shares its cache; here Redis is the one that is slow."""
    url = f"redis://127.0.0.1:{port}"
    return {"redis_url": url, "secret": SECRET, "spotify_timeout_s": LONG_S}


@asynccontextmanager
async def behind_a_network(
    start: Start, server: RedisServer
) -> AsyncIterator[tuple[Service, Toxic]]:
    async with (
        toxic(server.port) as network,
        others_served(start, **shared_through(network.port)) as service,
    ):
        assert service.services.lyra.redis is not None
        while not service.services.lyra.redis.bus.subscribed:  # noqa: ASYNC110 - rings no bell
            await asyncio.sleep(0.01)
        # What was fetched while it heard nothing may not be kept; this is.
        assert (await init(service, OTHER)).status == 200
        yield service, network


async def joined(start: Start, network: Toxic, **given: Any) -> Service:
    """One more process."""
    return await start(**shared_through(network.port), **given)


async def loaded(service: Service, token: str) -> Any:
    answer = await init(service, token)
    assert answer.status == 200
    return answer.json


async def names(service: Service, tokens: Sequence[str] = LISTENERS) -> list[str]:
    """The names of these listeners, asked for at once."""
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(loaded(service, token)) for token in tokens]
    return [each.result()["profile"]["display_name"] for each in asking]


async def test_a_redis_that_is_not_there_is_degraded_and_ready(
    start: Start, unused_tcp_port: int
) -> None:
    async with others_served(start, **shared_through(unused_tcp_port)) as service:
        ready = await call(service, "GET", "/readyz")
        await answered(service)

    assert (ready.status, ready.json["dependencies"]["redis"]) == (200, {"state": "degraded"})


async def test_a_black_hole_costs_no_answer_and_few_connections(
    start: Start, redis: RedisServer
) -> None:
    """Redis takes everything and answers nothing."""
    async with behind_a_network(start, redis) as (service, network):
        network.hole, before = True, network.connections
        assert len(await names(service)) == len(LISTENERS)
        opened = network.connections - before
        metrics = service.services.metrics.render().decode()
        await answered(service)

    assert "lyra_redis_breaker_open 1.0" in metrics
    assert opened <= 2 * len(LISTENERS) + 1  # each call is tried twice; and the subscriber


async def test_the_metrics_are_there_while_redis_and_spotify_are_not(
    start: Start, redis: RedisServer
) -> None:
    operator = {"Authorization": "Bearer an-admin-token-0001"}
    async with toxic(redis.port, hole=True) as network:
        url = f"redis://127.0.0.1:{network.port}"
        service = await start(redis_url=url, secret=SECRET, admin_token="an-admin-token-0001")
        hanging = sandbox_token(7, "typical", "restricted", "hang")
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(init(service, hanging))
            scrapes = [await call(service, "GET", "/metrics", headers=operator) for _ in range(5)]
            done = waiting.done()
            waiting.cancel()

    assert not done
    assert {scrape.status for scrape in scrapes} == {200}
    assert b"lyra_redis_breaker_open" in scrapes[-1].body


async def test_a_cut_before_a_reply_gives_nobody_anothers_data(
    start: Start, redis: RedisServer
) -> None:
    """One of many connections is cut: before, in and behind the head of a reply, and in values."""
    few, clock = LISTENERS[:8], Clock()
    async with behind_a_network(start, redis) as (service, network):
        expected = await names(service, few)
        other = await joined(start, network, clock=clock)
        for cut_after in (0, 1, 4, 9_000, 60_000, 100_000):
            clock.now += MEMORY_TTL_S  # so that all is read from Redis
            network.cut_after = network.passed + cut_after
            assert await names(other, few) == expected
        metrics = other.services.metrics.render().decode()
        await answered(service)

    assert network.cuts == 6
    assert (
        'lyra_redis_discarded_total{reason="poisoned"} 0.0' in metrics
    )  # no reply was another command's


async def test_a_redis_that_comes_in_small_pieces_and_late_is_read(
    start: Start, redis: RedisServer
) -> None:
    async with behind_a_network(start, redis) as (service, network):
        network.slice_bytes = 2048
        await loaded(service, LISTENERS[0])
        other = await joined(start, network)
        told = await loaded(other, LISTENERS[0])
        network.slice_bytes = 65_536

    assert told["cache"]["spotify_calls"] == 0


async def test_newcomers_that_redis_resets_are_served(start: Start, redis: RedisServer) -> None:
    async with behind_a_network(start, redis) as (service, network):
        network.refuse = True
        await redis.kill()
        assert len(await names(service)) == len(LISTENERS)
        await answered(service)
