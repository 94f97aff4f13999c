"""The acceptance scenarios of several processes, by their numbers; docs/CACHE.md maps them all."""

import asyncio
from dataclasses import replace

from redis.asyncio import Redis

from tests.cache.conftest import ANNA, Clock, ScriptedSpotify
from tests.redis.conftest import HASTY, KEY, PATIENT, Join, Open, forgotten, until
from tests.support.leaders import leader
from tests.support.redis_servers import RedisServer


# Short with a server that hangs, and long enough for one that answers on a busy machine.
async def test_row33_two_processes_cold_at_once_cause_one_fetch(
    process: Open, spotify: ScriptedSpotify
) -> None:
    one, other = await process(), await process()
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(each.ask()) for each in (one, other) for _ in range(10)]
        await until(lambda: spotify.asked)
        spotify.gate.set()
    states = [caller.result() for caller in callers]

    assert len(spotify.asked) == 5
    assert sum(each["spotify_calls"] for each in states) == 5


async def test_row34_another_process_fetches_when_the_leader_is_killed(
    process: Open, server: RedisServer, admin: Redis, spotify: ScriptedSpotify
) -> None:
    one = await process(timing=replace(PATIENT, recheck_s=0.05))
    async with (
        leader(server.url, one.cache.key(ANNA), lease_s=0.3) as fetching,
        admin.monitor() as seen,
        asyncio.TaskGroup() as group,
    ):
        waiting = group.create_task(one.ask())
        while not (await seen.next_command())["command"].startswith("EXISTS lyra:v2:l:"):
            pass
        assert spotify.asked == []
        fetching.kill()

    assert waiting.result()["spotify_calls"] == len(spotify.asked) == 5


async def test_row35_a_clear_here_beats_the_fetch_that_runs_there(
    process: Open, spotify: ScriptedSpotify, admin: Redis
) -> None:
    one, other = await process(), await process()
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(other.state())
        await until(lambda: spotify.asked)
        await one.cache.clear(ANNA)
        spotify.gate.set()

    assert waiting.result() == "miss"
    await forgotten(other)
    assert (await one.cache.peek(ANNA), await other.cache.peek(ANNA)) == (None, None)
    assert [name async for name in admin.scan_iter("lyra:v2:e:*")] == []


async def test_row36_a_redis_down_at_the_start_is_joined_when_it_comes(
    process_early: Open, down: RedisServer, clock: Clock, spotify: ScriptedSpotify
) -> None:
    one = await process_early(subscribed=False)
    assert [await one.state(), await one.state()] == ["miss", "hit"]
    assert one.member.gateway.describe() == {"state": "degraded"}

    await down.start()
    clock.now += 1
    await one.member.flushed()
    other = await process_early()
    assert one.member.gateway.describe() == {"state": "ok"}
    assert [await one.state(), await other.state()] == ["miss", "hit"]
    assert len(spotify.asked) == 10


async def test_row36_a_redis_that_dies_costs_no_answer(
    process: Open, server: RedisServer, spotify: ScriptedSpotify
) -> None:
    one = await process()
    await server.kill()

    assert [await one.state(), await one.state()] == ["miss", "hit"]
    assert len(spotify.asked) == 5


async def test_row37_a_hung_redis_costs_no_answer_and_is_used_again(
    process: Open, server: RedisServer, clock: Clock, spotify: ScriptedSpotify
) -> None:
    one, other = await process(timing=HASTY), await process()
    server.hang()
    try:
        assert await one.state() == "miss"
        assert await one.state() == "hit"
    finally:
        server.go_on()
    await one.cache.clear()
    clock.now += HASTY.rest_s

    assert [await one.state(), await other.state()] == ["miss", "hit"]
    assert len(spotify.asked) == 10


async def test_row38_five_hundred_reads_share_sixteen_connections(join: Join, admin: Redis) -> None:
    one = await join(connections=16)
    await one.keep(KEY, b"a sealed listener")
    answers = await asyncio.gather(*(one.read(KEY) for _ in range(500)))

    assert answers == [b"a sealed listener"] * 500
    assert (await admin.info("stats"))["total_connections_received"] <= 16 + 2
