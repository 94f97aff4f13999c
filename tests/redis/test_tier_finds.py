"""Faults of several processes over one Redis that reading for them has found: a small test each."""

import asyncio

import pytest
from redis.asyncio import Redis

from lyra.errors import SpotifyTokenRejectedError
from lyra.redis.listener_store import Generation
from lyra.spotify.failures import SpotifyFailure
from tests.cache.conftest import ANNA, Clock, ScriptedSpotify
from tests.redis.conftest import HASTY, Open, until
from tests.support.redis_servers import RedisServer, set_user

REJECTED = SpotifyFailure("token_rejected")


async def test_who_asks_while_a_clear_is_under_way_brings_nothing_back(
    process: Open, admin: Redis, spotify: ScriptedSpotify
) -> None:
    """What is read from Redis a moment before it is deleted there is not kept in memory."""
    one, other = await process(), await process()
    await other.ask()
    await admin.client_pause(20_000, all=False)  # writes wait, reads do not
    async with asyncio.TaskGroup() as group:
        group.create_task(one.cache.clear(ANNA))
        while not (await admin.info("clients"))["blocked_clients"]:
            pass
        assert await one.state() == "hit"
        await admin.client_unpause()

    assert await one.state() == "miss"
    assert len(spotify.asked) == 10


async def test_a_gap_is_filled_in_nothing_that_was_cleared_meanwhile(
    process: Open, admin: Redis, clock: Clock, spotify: ScriptedSpotify
) -> None:
    """The clear comes between the look at the old data and the fetch, and goes unheard."""
    one, other = await process(), await process()
    spotify.fails = {"playlists": SpotifyFailure("server_error")}
    await one.ask()
    clock.now += 61
    await set_user(admin, "default", "resetchannels", "-subscribe")
    await admin.client_kill_filter(_type="pubsub")
    await until(lambda: not one.member.gateway.bus.subscribed)
    read = one.member.shared.generation

    async def cleared_first(key: str) -> Generation:
        await other.cache.clear(ANNA)
        return await read(key)

    one.member.shared.generation = cleared_first  # type: ignore[method-assign]
    spotify.fails, spotify.bodies["profile"] = {}, b'{"id": "vesna", "display_name": "new"}'
    spotify.asked.clear()
    await one.ask()

    assert len(spotify.asked) == 5


async def test_a_value_that_is_dead_by_ones_own_clock_is_fetched_anew(
    process: Open, spotify: ScriptedSpotify
) -> None:
    """It is there all the same, so nobody may lead for want of it, and waiting is in vain."""
    one, ahead = await process(), await process(ahead_s=86_400)
    await one.ask()

    before = ahead.member.gateway.calls["ok"]
    assert await ahead.state() == "miss"
    assert len(spotify.asked) == 10
    assert ahead.member.gateway.calls["ok"] < before + 10


async def test_a_value_lives_no_longer_where_the_clock_is_behind(
    process: Open, admin: Redis, clock: Clock, spotify: ScriptedSpotify
) -> None:
    one = await process(cache_ttl_s=100, cache_stale_s=600)
    behind = await process(cache_ttl_s=100, cache_stale_s=600, ahead_s=-3000)
    await one.ask()
    (name,) = [name async for name in admin.scan_iter("lyra:v2:e:*")]
    clock.now += 101
    await admin.pexpire(name, 599_000)  # its clock goes on too

    assert await behind.state() == "miss"
    assert len(spotify.asked) == 10


async def test_a_value_that_never_expires_is_none_of_ours(process: Open, admin: Redis) -> None:
    one, other = await process(), await process()
    await one.ask()
    (name,) = [name async for name in admin.scan_iter("lyra:v2:e:*")]
    await admin.persist(name)

    assert await other.state() == "miss"
    assert other.member.gateway.discarded["poisoned"] == 1


async def test_a_full_redis_leaves_every_process_its_memory(
    process: Open, admin: Redis, spotify: ScriptedSpotify
) -> None:
    one = await process()
    await admin.config_set("maxmemory", "1")

    assert [await one.state(), await one.state()] == ["miss", "hit"]
    assert len(spotify.asked) == 5


async def test_a_token_rejected_in_an_outage_leaves_redis_later(
    process: Open, server: RedisServer, clock: Clock, spotify: ScriptedSpotify
) -> None:
    one, other = await process(timing=HASTY), await process()
    await other.ask()
    server.hang()
    spotify.fails = {"profile": REJECTED}
    with pytest.raises(SpotifyTokenRejectedError):
        await one.ask()
    server.go_on()
    clock.now += 31  # the rejection is not remembered any more

    with pytest.raises(SpotifyTokenRejectedError):
        await one.ask()
    assert spotify.asked.count("profile") == 3


async def test_the_tokens_hour_goes_on_when_notices_may_have_been_lost(
    process: Open, admin: Redis, clock: Clock
) -> None:
    """Data have to be read anew then; when the token was first accepted is still known."""
    one = await process(cache_ttl_s=900, cache_stale_s=0)
    first = await (await one.cache.lookup(ANNA)).entry()
    await admin.client_kill_filter(_type="pubsub")
    await one.member.flushed(times=3)
    clock.now += 3000
    entry = await (await one.cache.lookup(ANNA)).entry()

    assert entry.fetched_at == clock.now
    assert entry.token_seen_at == first.token_seen_at
