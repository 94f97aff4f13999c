"""Details that processes share: sealed beside the entry, and forgotten with it."""

import asyncio

import pytest
from redis.asyncio import Redis

from lyra.errors import SpotifyTokenRejectedError
from lyra.listening.details import Detail, PlaylistTracks, TopItems, WantedDetail
from lyra.redis.listener_store import CAP_BYTES
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import Token
from tests.cache.conftest import ANNA, BORIS, OWN, PLAYLISTS, Clock, ScriptedSpotify
from tests.redis.conftest import BRISK, Open, Process, forgotten, until
from tests.support.redis_servers import RedisServer

SHORT = TopItems("top_tracks", "short_term")
LONG = TopItems("top_tracks", "long_term")
MINE = PlaylistTracks(OWN)


@pytest.fixture(autouse=True)
def with_playlists(spotify: ScriptedSpotify) -> None:
    spotify.bodies["playlists"] = PLAYLISTS


async def ask(process: Process, wanted: WantedDetail = SHORT, token: Token = ANNA) -> Detail:
    entry = await (await process.cache.lookup(token)).entry()
    return await process.cache.detail(token, entry, wanted)


async def names(admin: Redis, kind: str = "d") -> list[bytes]:
    return [name async for name in admin.scan_iter(f"lyra:v2:{kind}:*")]


async def test_what_one_process_read_the_other_does_not_ask_for(
    process: Open, spotify: ScriptedSpotify
) -> None:
    one, other = await process(), await process()
    first = [await ask(one, wanted) for wanted in (SHORT, MINE)]
    second = [await ask(other, wanted) for wanted in (SHORT, MINE)]
    await ask(other)

    assert first == second
    assert set(spotify.details.values()) == {1}
    assert len(spotify.asked) == 7
    stats = other.cache.stats()
    assert (stats["detail_shared_total"], stats["detail_hits_total"]) == (2, 1)


async def test_details_of_two_processes_stand_beside_each_other(
    process: Open, spotify: ScriptedSpotify
) -> None:
    one, other, third = await process(), await process(), await process()
    await asyncio.gather(ask(one, SHORT), ask(other, LONG), ask(one, MINE))
    for wanted in (SHORT, LONG, MINE):
        await ask(third, wanted)

    assert set(spotify.details.values()) == {1}
    assert third.cache.stats()["detail_shared_total"] == 3


async def test_two_processes_that_ask_at_once_cause_one_call(
    process: Open, spotify: ScriptedSpotify
) -> None:
    one, other = await process(timing=BRISK), await process(timing=BRISK)
    for each in (one, other):
        await each.ask()
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(ask(each)) for each in (one, other)]
        await until(lambda: spotify.details)
        spotify.gate.set()

    assert asking[0].result() == asking[1].result()
    assert spotify.details["top_tracks short_term"] == 1


async def test_a_leader_that_fails_lets_the_other_process_ask(
    process: Open, spotify: ScriptedSpotify
) -> None:
    one, other = await process(), await process()
    for each in (one, other):
        await each.ask()
    spotify.fails = {"top_tracks short_term": SpotifyFailure("server_error")}
    with pytest.raises(SpotifyFailure):
        await ask(one)
    spotify.fails = {}

    assert (await ask(other)).tracks


@pytest.mark.parametrize("everybody", [True, False])
async def test_a_clear_in_one_process_takes_the_details_of_all(
    process: Open, spotify: ScriptedSpotify, admin: Redis, everybody: bool
) -> None:
    one, other = await process(), await process()
    for each in (one, other):
        await ask(each)
    await one.cache.clear(None if everybody else ANNA)
    await forgotten(other)
    await ask(other)

    assert spotify.details["top_tracks short_term"] == 2
    if not everybody:
        await one.cache.clear(ANNA)
        assert await names(admin) == []


@pytest.mark.parametrize("everybody", [True, False])
@pytest.mark.parametrize("read_again", [True, False])
async def test_a_clear_here_beats_the_flight_that_runs_there(
    process: Open, spotify: ScriptedSpotify, everybody: bool, read_again: bool
) -> None:
    """Even where the notice comes late: the flight's ticket is gone."""
    one, other = await process(), await process()
    entry = await (await other.cache.lookup(ANNA)).entry()
    other.member.gateway.bus._invalidators.clear()  # it hears nothing
    spotify.detail_gate.clear()
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(other.cache.detail(ANNA, entry, SHORT))
        await until(lambda: spotify.details)
        await one.cache.clear(None if everybody else ANNA)
        if read_again:
            await one.ask()
        spotify.detail_gate.set()
    await until(lambda: not other.cache.stats()["flights"])
    await ask(one)

    assert asking.result().tracks
    assert spotify.details["top_tracks short_term"] == 2
    held = other.cache._memory.look_up(other.cache.key(ANNA))
    assert held is None or held.details == ()


async def test_without_an_entry_in_redis_no_detail_is_kept_there(
    process: Open, spotify: ScriptedSpotify, admin: Redis
) -> None:
    one = await process()
    entry = await (await one.cache.lookup(ANNA)).entry()
    await one.cache.clear(ANNA)
    detail = await one.cache.detail(ANNA, entry, SHORT)

    assert detail.tracks
    assert await names(admin) == []
    assert spotify.details["top_tracks short_term"] == 1


async def test_an_entry_that_is_gone_from_redis_takes_its_details_along(
    process: Open, admin: Redis, clock: Clock
) -> None:
    one = await process()
    await ask(one)
    assert len(await names(admin)) == 1
    await admin.delete(*await names(admin, "e"))
    clock.now += 60  # memory in front is kept no longer
    await one.ask()

    assert await names(admin) == []


async def test_a_renewed_entry_takes_its_details_over(
    process: Open, spotify: ScriptedSpotify, clock: Clock
) -> None:
    one = await process(cache_ttl_s=100)
    await one.ask()
    clock.now += 70
    await ask(one)
    clock.now += 20
    await one.ask()  # found in Redis, and due for renewal
    await one.ask()
    await until(lambda: not one.cache.stats()["flights"])
    assert one.cache.stats()["refreshes_total"] == 1
    clock.now += 70
    await ask(one)
    assert spotify.details["top_tracks short_term"] == 1
    clock.now += 10
    await ask(one)

    assert spotify.details["top_tracks short_term"] == 2


async def test_a_process_whose_clock_is_ahead_shows_it_no_longer(
    process: Open, spotify: ScriptedSpotify, clock: Clock
) -> None:
    one, other = await process(cache_ttl_s=100), await process(cache_ttl_s=100, ahead_s=-500)
    await ask(one)
    await ask(other)
    held = other.cache._memory.look_up(other.cache.key(ANNA))

    assert held is not None
    assert 0 < held.details[0].expires_at - clock.now <= 100
    assert spotify.details["top_tracks short_term"] == 1


async def test_nothing_in_redis_can_be_read_or_moved(
    process: Open, spotify: ScriptedSpotify, admin: Redis
) -> None:
    one, other = await process(), await process()
    await ask(one, MINE, ANNA)
    await ask(one, MINE, BORIS)
    listed = await names(admin)
    values = [await admin.get(name) or b"" for name in listed]
    dump = repr([*listed, *values, *await names(admin, "l")]).encode()
    for secret in (b"playlist", OWN.encode(), b"oooo", ANNA.reveal().encode()):
        assert secret not in dump
    for name, value in zip(listed, reversed(values), strict=True):
        await admin.set(name, value, keepttl=True)
    await ask(other, MINE, ANNA)

    assert spotify.details["playlist_items " + "o" * 22] == 3
    assert other.member.gateway.discarded["poisoned"] == 1


async def test_details_do_not_pass_for_an_entry(process: Open, admin: Redis) -> None:
    one, other = await process(), await process()
    await ask(one)
    (details,), (entry,) = await names(admin), await names(admin, "e")
    await admin.set(entry, await admin.get(details) or b"", keepttl=True)

    assert await other.state() == "miss"


@pytest.mark.parametrize("rubbish", [b"rubbish", b"\x01" + b"x" * 60, b"x" * (CAP_BYTES + 1)])
async def test_rubbish_is_a_counted_miss_and_is_replaced(
    process: Open, spotify: ScriptedSpotify, admin: Redis, rubbish: bytes
) -> None:
    one, other = await process(), await process()
    await ask(one)
    (name,) = await names(admin)
    await admin.set(name, rubbish, px=60_000)
    await ask(other)
    third = await process()
    await ask(third)

    assert spotify.details["top_tracks short_term"] == 2
    discarded = other.member.gateway.discarded
    assert discarded["poisoned"] + discarded["oversized"] == 1


async def test_a_value_of_a_wrong_type_costs_no_answer(
    process: Open, spotify: ScriptedSpotify, admin: Redis
) -> None:
    one, other = await process(), await process()
    await ask(one)
    (name,) = await names(admin)
    await admin.delete(name)
    await admin.lpush(name, b"x")

    assert (await ask(other)).tracks
    assert spotify.details["top_tracks short_term"] == 2


async def test_what_was_forgotten_and_is_put_back_is_not_shown(
    process: Open, spotify: ScriptedSpotify, admin: Redis
) -> None:
    one = await process()
    await ask(one)
    (name,) = await names(admin)
    old = await admin.get(name) or b""
    await one.cache.clear(ANNA)
    await one.ask()
    await admin.set(name, old, px=60_000)
    await ask(one)

    assert spotify.details["top_tracks short_term"] == 2


async def test_a_rejected_token_takes_the_details_of_all_processes(
    process: Open, spotify: ScriptedSpotify, admin: Redis
) -> None:
    one, other = await process(), await process()
    await ask(one, MINE)
    await ask(other, MINE)
    refused = SpotifyFailure("token_rejected")
    spotify.fails = {"top_tracks short_term": refused, "profile": refused}
    with pytest.raises(SpotifyTokenRejectedError):
        await ask(one)
    await forgotten(other)

    assert await names(admin) == await names(admin, "e") == []


async def test_a_redis_that_dies_costs_no_answer(
    process: Open, spotify: ScriptedSpotify, server: RedisServer
) -> None:
    one = await process()
    entry = await (await one.cache.lookup(ANNA)).entry()
    await server.kill()
    first = await one.cache.detail(ANNA, entry, SHORT)

    assert first.tracks
    assert spotify.details["top_tracks short_term"] == 1
