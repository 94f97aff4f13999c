"""Searches of the catalogue by several processes: one call, one count, and no more than speed lost."""

# ruff: noqa: F811 - a fixture that is imported
import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import Any

import pytest
from redis.asyncio import Redis

from lyra.cache.keys import KeyMaker
from lyra.catalogue.budgets import SearchBudgets, SearchRefusedError
from lyra.catalogue.queries import Query
from lyra.catalogue.search import CatalogueSearch
from lyra.catalogue.shared_results import SharedResults
from lyra.metrics import Metrics
from lyra.redis.counters import SharedCounters
from lyra.redis.gateway import open_redis
from lyra.redis.listener_store import SharedListeners
from lyra.settings import Settings
from lyra.spotify.client import open_spotify
from tests.catalogue.conftest import Clock, FakeSearch, Searches, spotify, token, track  # noqa: F401
from tests.redis.conftest import BRISK, SECRET
from tests.spotify.conftest import NoJitter
from tests.support.redis_servers import RedisServer
from tests.support.waits import until

TIDE = Query("track", 'track:"Tide" artist:"Velnora"')
SALT = Query("track", 'track:"Salt" artist:"Velnora"')


@asynccontextmanager
async def processes(
    number: int, server: RedisServer, fake: FakeSearch, **settings: Any
) -> AsyncIterator[list[Searches]]:
    """So many processes' searches, over one Redis."""
    read = Settings(spotify_api_url=fake.url, **settings)
    clock = Clock()
    async with AsyncExitStack() as stack:
        members = []
        for _ in range(number):
            metrics = Metrics()
            client = await stack.enter_async_context(open_spotify(read, metrics, rng=NoJitter()))
            gateway = await stack.enter_async_context(
                open_redis(server.url, metrics, clock=clock, rng=Random(1), timing=BRISK)
            )
            budgets = SearchBudgets(
                read, entries=100, wall_clock=clock, shared=SharedCounters(gateway)
            )
            search = CatalogueSearch(
                client,
                KeyMaker(SECRET),
                budgets,
                clock=clock,
                shared=SharedResults(SharedListeners(gateway), SECRET),
                shared_wait_s=10,
            )
            stack.push_async_callback(search.close)
            members.append(Searches(search, budgets))
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


@pytest.mark.parametrize("refusal", ["away", "readonly", "full"])
async def test_without_redis_each_process_searches_alone(
    server: RedisServer,
    admin: Redis,
    spotify: FakeSearch,
    refusal: str,
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    async with processes(2, server, spotify) as (one, other):
        if refusal == "away":
            await server.kill()
        elif refusal == "full":
            await admin.config_set("maxmemory", 1)
        else:
            await admin.replicaof("127.0.0.1", 1)
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


async def test_a_process_that_dies_in_a_search_blocks_the_others_for_a_lease(
    server: RedisServer,
    spotify: FakeSearch,
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    spotify.gate.clear()
    async with processes(2, server, spotify) as (one, other):
        first = one.start("a", TIDE)
        await spotify.wait_asked(1)
        first.cancel()
        await until(lambda: not one.search.stats()["flights"])
        second = other.start("b", TIDE)
        await spotify.wait_asked(2)
        spotify.gate.set()
        found = await second

    assert [item.name for item in found] == ["Tide"]
