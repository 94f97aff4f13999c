"""Searches of the catalogue by several processes: one call, one count, and no more than speed lost."""

# ruff: noqa: F811 - a fixture that is imported
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from lyra.agent.facade import open_lyra
from lyra.cache.keys import KeyMaker
from lyra.catalogue.budgets import SearchRefusedError
from lyra.catalogue.queries import Query
from lyra.metrics import Metrics
from lyra.redis.protocol import Timing
from lyra.sandbox import Sandbox, sandbox_token
from lyra.settings import Settings
from lyra.spotify.client import open_spotify
from lyra.spotify.failures import SpotifyFailure
from tests.catalogue.conftest import Clock, FakeSearch, spotify, token, track  # noqa: F401
from tests.redis.conftest import BRISK, PATIENT, SECRET
from tests.spotify.conftest import NoJitter
from tests.support.leaders import leader
from tests.support.redis_servers import RedisServer, set_user
from tests.support.search_processes import SearchProcess, search_processes
from tests.support.waits import until

TOKEN = sandbox_token(7, "typical", "legacy")
TIDE = Query("track", 'track:"Tide" artist:"Velnora"')
SALT = Query("track", 'track:"Salt" artist:"Velnora"')
KEY_OF_TIDE = KeyMaker(SECRET).search(TIDE.cache_text)


@asynccontextmanager
async def processes(
    number: int,
    server: RedisServer,
    fake: FakeSearch,
    *,
    timing: Timing = BRISK,
    wait_s: float = 10,
    **settings: Any,
) -> AsyncIterator[list[SearchProcess]]:
    """So many processes' searches, over one Redis."""
    read = Settings(spotify_api_url=fake.url, **settings)
    async with (
        open_spotify(read, Metrics(), rng=NoJitter()) as client,
        search_processes(
            number, server.url, client, read, clock=Clock(), timing=timing, wait_s=wait_s
        ) as members,
    ):
        yield members


async def test_what_one_process_has_found_another_finds_without_a_call(
    server: RedisServer,
    spotify: FakeSearch,
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    async with processes(2, server, spotify) as (one, other):
        first = await one.start("a", TIDE)
        second = await other.start("b", TIDE)

    assert second == first
    assert len(spotify.asked) == 1
    assert other.search.stats()["shared_total"] == 1


async def test_nothing_found_is_shared_as_well(
    server: RedisServer,
    spotify: FakeSearch,
) -> None:
    async with processes(2, server, spotify) as (one, other):
        assert await one.start("a", TIDE) == ()
        assert await other.start("b", TIDE) == ()

    assert len(spotify.asked) == 1


async def test_processes_that_ask_at_once_send_one_search(
    server: RedisServer,
    spotify: FakeSearch,
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    spotify.gate.clear()
    async with processes(4, server, spotify) as members:
        asking = [member.start(f"{n}", TIDE) for n, member in enumerate(members)]
        await spotify.wait_asked(1)
        spotify.gate.set()
        found = await asyncio.gather(*asking)

    assert {items[0].name for items in found} == {"Tide"}
    assert len(spotify.asked) == 1


async def test_only_the_process_that_sends_it_pays_for_a_search(
    server: RedisServer,
    spotify: FakeSearch,
) -> None:
    async with processes(2, server, spotify) as (one, other):
        paying, free = one.budget("a"), other.budget("b")
        await one.search.search(token("a"), TIDE, paying)
        await other.search.search(token("b"), TIDE, free)

    assert (paying.sent, free.sent) == (1, 0)


async def test_a_refusal_of_one_token_is_not_shared(
    server: RedisServer,
    spotify: FakeSearch,
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    spotify.refused = {"token-of-listener-a"}
    async with processes(2, server, spotify) as (one, other):
        with pytest.raises(Exception, match="token"):
            await one.start("a", TIDE)
        found = await other.start("b", TIDE)

    assert [item.name for item in found] == ["Tide"]


async def test_the_hour_of_a_listener_and_the_day_of_the_app_are_counted_together(
    server: RedisServer,
    spotify: FakeSearch,
) -> None:
    async with processes(2, server, spotify, searches_per_hour=3, searches_per_day=4) as members:
        bounds: list[str] = []
        for number, (listener, member) in enumerate(
            [("a", 0), ("a", 1), ("a", 0), ("a", 1), ("b", 0), ("c", 1)]
        ):
            try:
                await members[member].start(listener, Query("track", f"words {number}"))
            except SearchRefusedError as refusal:
                bounds.append(refusal.bound)

    assert bounds == ["listener", "app"]
    assert len(spotify.asked) == 4


@pytest.mark.parametrize("refusal", ["away", "hung", "readonly", "full", "noperm"])
async def test_without_redis_each_process_searches_alone(
    server: RedisServer,
    admin: Redis,
    spotify: FakeSearch,
    refusal: str,
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    timing = replace(BRISK, timeout_s=0.1, deadline_s=0.2)
    async with processes(2, server, spotify, timing=timing) as (one, other):
        match refusal:
            case "away":
                await server.kill()
            case "hung":
                server.hang()
            case "full":
                await admin.config_set("maxmemory", 1)
            case "noperm":
                await set_user(admin, "default", "-eval")
            case _:
                await admin.replicaof("127.0.0.1", 1)
        async with asyncio.timeout(5):  # half of what one waits for another's search
            first, second = await one.start("a", TIDE), await other.start("b", TIDE)

    assert [item.name for item in (*first, *second)] == ["Tide", "Tide"]
    assert len(spotify.asked) == 2


async def test_a_value_that_somebody_else_has_put_there_is_not_read(
    server: RedisServer,
    admin: Redis,
    spotify: FakeSearch,
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    async with processes(2, server, spotify) as (one, other):
        await one.start("a", TIDE)
        for name in await admin.keys("lyra:v2:e:*"):
            await admin.set(name, b"forged", px=60_000)
        found = await other.start("b", TIDE)

    assert [item.name for item in found] == ["Tide"]
    assert len(spotify.asked) == 2


async def test_nothing_of_a_query_can_be_read_in_redis(
    server: RedisServer,
    admin: Redis,
    spotify: FakeSearch,
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    async with processes(1, server, spotify) as (one,):
        await one.start("a", TIDE)
        names = await admin.keys("*")
        values = [await admin.dump(name) for name in names]

    held = repr((names, values))
    assert names
    assert not any(word in held for word in ("Tide", "Velnora", "token-of"))


async def test_a_search_that_is_given_up_is_another_processs_at_once(
    server: RedisServer,
    spotify: FakeSearch,
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    spotify.gate.clear()
    async with processes(2, server, spotify, timing=PATIENT) as (one, other):
        first = one.start("a", TIDE)
        await spotify.wait_asked(1)
        first.cancel()
        await until(lambda: not one.search.stats()["flights"])
        second = other.start("b", TIDE)
        await spotify.wait_asked(2)
        spotify.gate.set()
        found = await second

    assert [item.name for item in found] == ["Tide"]


async def test_a_process_that_dies_in_a_search_blocks_the_others_for_a_lease(
    server: RedisServer,
    spotify: FakeSearch,
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    async with (
        processes(1, server, spotify, wait_s=600) as (one,),
        leader(server.url, KEY_OF_TIDE, lease_s=1) as process,
    ):
        waiting = one.start("a", TIDE)
        await until(lambda: one.gateway.calls["ok"] > 3)
        assert not spotify.asked
        process.kill()
        found = await waiting

    assert [item.name for item in found] == ["Tide"]


async def test_who_has_waited_long_enough_for_another_searches_alone(
    server: RedisServer,
    spotify: FakeSearch,
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    async with processes(2, server, spotify, timing=PATIENT, wait_s=0.1) as (one, other):
        lease = await one.shared.acquire_lease(KEY_OF_TIDE)
        assert lease is not None
        async with lease:
            found = await other.start("b", TIDE)

    assert [item.name for item in found] == ["Tide"]


async def test_any_number_of_refused_tokens_is_tried_one_at_a_time(
    server: RedisServer,
    spotify: FakeSearch,
) -> None:
    """However many were refused before, who waits does not search beside the others."""
    listeners = "abcdefgh"
    spotify.refused = {f"token-of-listener-{each}" for each in listeners}
    async with processes(len(listeners), server, spotify, timing=PATIENT) as members:
        asking = [member.start(each, TIDE) for member, each in zip(members, listeners, strict=True)]
        ends = await asyncio.gather(*asking, return_exceptions=True)

    assert {type(end) for end in ends} == {SpotifyFailure}
    assert len(spotify.asked) == len(listeners)
    assert spotify.at_once == 1


async def test_a_search_takes_a_few_calls_to_redis_and_a_known_one_takes_one(
    server: RedisServer,
    spotify: FakeSearch,
) -> None:
    async with processes(2, server, spotify, timing=PATIENT, searches_per_day=10) as (one, other):
        for member in (one, other):  # each learns the epoch
            await member.start("a", SALT)
        before = one.gateway.calls["ok"], other.gateway.calls["ok"]
        await one.start("a", TIDE)
        await other.start("b", TIDE)
        after = one.gateway.calls["ok"], other.gateway.calls["ok"]

    # It looks, leads, takes a generation, counts for the hour and the day, publishes, and releases.
    assert (after[0] - before[0], after[1] - before[1]) == (7, 1)


async def test_a_value_that_cannot_be_read_or_removed_costs_a_few_calls(
    server: RedisServer,
    admin: Redis,
    spotify: FakeSearch,
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    async with processes(2, server, spotify, timing=PATIENT) as (one, other):
        await one.start("a", TIDE)
        (name,) = [name async for name in admin.scan_iter("lyra:v2:e:*")]
        await admin.set(name, b"forged", px=60_000)
        await set_user(admin, "default", "-unlink")
        found = await other.start("b", TIDE)
        calls = sum(other.gateway.calls[how] for how in ("ok", "refused"))

    assert [item.name for item in found] == ["Tide"]
    assert calls < 25


async def test_a_count_that_is_none_is_written_over(
    server: RedisServer, admin: Redis, spotify: FakeSearch
) -> None:
    async with processes(2, server, spotify, searches_per_hour=1) as (one, other):
        await one.start("a", TIDE)
        (name,) = [name async for name in admin.scan_iter("lyra:v2:n:*")]
        await admin.delete(name)
        await admin.lpush(name, b"rubbish")
        await other.start("a", SALT)
        with pytest.raises(SearchRefusedError, match="listener"):
            await one.start("a", Query("track", "Glass"))

        assert other.gateway.discarded["poisoned"] == 1


async def test_two_lyras_on_one_redis_look_music_up_once(
    server: RedisServer, sandbox: Sandbox
) -> None:
    settings = Settings(spotify_api_url=sandbox.api_url, redis_url=server.url, secret=SECRET)
    wanted = [{"artist": "Velnora", "title": "Salt Road"}]
    async with open_lyra(settings) as one, open_lyra(settings) as other:
        first = await one.find_music(TOKEN, wanted)
        second = await other.find_music(TOKEN, wanted)
        counts = [each.catalogue.stats() for each in (one, other)]

    assert first["items"] == second["items"]
    assert (first["searches"], second["searches"]) == (counts[0]["sent_total"], 0)
    assert counts[1]["sent_total"] == 0
    assert counts[1]["shared_total"] == first["searches"] > 0
