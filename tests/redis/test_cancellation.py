"""Whoever is cancelled ends, whatever redis-py is doing at that moment.

Python 3.11's `asyncio.wait_for`, under which redis-py writes, loses a cancellation that comes as
the write ends (python/cpython#86296). So each of these is tried at every turn of the loop.
"""

import asyncio
import time
from dataclasses import replace
from random import Random

from redis.asyncio import Redis

from lyra.metrics import Metrics
from lyra.redis.gateway import open_redis
from tests.redis.conftest import KEY, PATIENT, Join
from tests.support.redis_servers import RedisServer

TURNS = 15  # a call on loopback takes fewer
AT_ONCE_S = 10  # one that lost its cancellation would go on for ever


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_caller_who_leaves_a_call_has_left(join: Join) -> None:
    one = await join()
    stayed = []
    for turn in range(TURNS):
        task = asyncio.get_running_loop().create_task(one.gateway.execute(("EXISTS", KEY)))
        await turns(turn)
        if task.cancel():
            await asyncio.wait([task])
            stayed += [turn] * (not task.cancelled())

    assert stayed == []
    assert await one.gateway.execute(("EXISTS", KEY)) == [0]


async def test_a_door_closes_at_whatever_moment_its_subscriber_is(server: RedisServer) -> None:
    for turn in range(TURNS):
        async with asyncio.timeout(AT_ONCE_S):
            async with open_redis(
                server.url, Metrics(), clock=time.monotonic, rng=Random(7), timing=PATIENT
            ):
                await turns(turn)


async def test_a_gateway_closes_while_its_subscriber_probes_redis(
    server: RedisServer,
) -> None:
    brisk = replace(PATIENT, silence_s=0)
    for turn in range(TURNS):
        async with asyncio.timeout(AT_ONCE_S):
            async with open_redis(
                server.url, Metrics(), clock=time.monotonic, rng=Random(7), timing=brisk
            ) as gateway:
                while not gateway.bus.subscribed:  # noqa: ASYNC110 - it rings no bell
                    await asyncio.sleep(0)
                await turns(turn)


async def test_a_lease_ends_at_whatever_moment_its_heart_beats(join: Join) -> None:
    one = await join(timing=replace(PATIENT, beat_s=0))
    for turn in range(TURNS):
        lease = await one.shared.acquire_lease(KEY)
        assert lease is not None
        async with asyncio.timeout(AT_ONCE_S), lease:
            await turns(turn)


async def test_a_caller_who_leaves_as_a_lease_is_granted_leaves_none_behind(
    join: Join, admin: Redis
) -> None:
    one = await join()
    for turn in range(TURNS):
        asking = asyncio.get_running_loop().create_task(one.shared.acquire_lease(KEY))
        await turns(turn)
        asking.cancel()
        await asyncio.wait([asking])
        if not asking.cancelled() and (lease := asking.result()):
            lease.abandon()
        async with asyncio.timeout(AT_ONCE_S):
            await no_lease(admin)


async def test_a_lease_is_given_back_by_a_caller_who_leaves_meanwhile(
    join: Join, admin: Redis
) -> None:
    one = await join()

    async def hold() -> None:
        lease = await one.shared.acquire_lease(KEY)
        assert lease is not None
        async with lease:
            held.set()

    for turn in range(TURNS):
        held = asyncio.Event()
        holding = asyncio.get_running_loop().create_task(hold())
        await held.wait()
        await turns(turn)
        holding.cancel()
        await asyncio.wait([holding])
        async with asyncio.timeout(AT_ONCE_S):
            await no_lease(admin)


async def no_lease(admin: Redis) -> None:
    """Return once there is no lease in Redis."""
    while [name async for name in admin.scan_iter("lyra:v2:l:*")]:
        pass
