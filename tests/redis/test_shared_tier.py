"""Two processes' caches over one Redis: one fetch for both, and a clear that reaches both."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from lyra.cache.listeners import ListenerCache
from lyra.cache.shared import SharedTier
from lyra.metrics import Metrics
from lyra.redis.timing import Timing
from lyra.settings import Settings
from lyra.spotify.failures import SpotifyFailure
from tests.cache.conftest import ANNA, BODIES, BORIS, Clock, MiddleOfRange, ScriptedSpotify
from tests.redis.conftest import PATIENT, Join, Member
from tests.redis.servers import RedisServer

SECRET = "one-secret-for-all-processes"
DOWN = dict.fromkeys(BODIES, SpotifyFailure("server_error"))


class Process:
    """One process: its door to Redis and its cache."""

    def __init__(self, cache: ListenerCache, member: Member) -> None:
        self.cache = cache
        self.member = member

    async def ask(self, token: Any = ANNA) -> dict[str, Any]:
        """One caller's `cache` object."""
        visit = await self.cache.visit(token)
        entry = await visit.entry()
        assert entry.top_artists_count == 1
        return visit.describe()

    async def state(self, token: Any = ANNA) -> str:
        return str((await self.ask(token))["state"])


Open = Callable[..., Any]


@pytest.fixture
async def spotify() -> ScriptedSpotify:
    return ScriptedSpotify()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def process(join: Join, spotify: ScriptedSpotify, clock: Clock) -> AsyncIterator[Open]:
    """Opens processes: `one = await process()`. They share the wall clock, as machines do."""
    caches: list[ListenerCache] = []

    async def begin(*, secret: str = SECRET, timing: Timing = PATIENT, **changes: Any) -> Process:
        member = await join(timing=timing)
        settings = Settings(secret=secret, **changes)
        shared = SharedTier(
            member.shared,
            secret,
            level=settings.llm_context,
            clock=clock,
            wall_clock=lambda: clock.now + 1_795_000_000,
        )
        cache = ListenerCache(
            settings,
            spotify,
            Metrics(),
            rng=MiddleOfRange(),
            clock=clock,
            wall_clock=lambda: clock.now + 1_795_000_000,
            shared=shared,
        )
        caches.append(cache)
        return Process(cache, member)

    yield begin
    for cache in caches:
        await cache.close()


async def until(true: Callable[[], object]) -> None:
    """Wait for what another task brings about; the test's own time limit ends it."""
    while not true():  # noqa: ASYNC110 - the cache rings no bell when it is told to forget
        await asyncio.sleep(0)


async def forgotten(process: Process) -> None:
    """Wait until nothing is held here: another process's word has arrived."""
    await until(lambda: not process.cache.stats()["entries"])


async def test_row33_two_processes_cold_at_once_cause_one_fetch(
    process: Open, spotify: ScriptedSpotify
) -> None:
    one, other = await process(), await process()
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(each.ask()) for each in (one, other) for _ in range(10)]
        await until(lambda: spotify.asked)
        spotify.gate.set()
    told = [caller.result() for caller in callers]

    assert len(spotify.asked) == 5
    assert sum(each["spotify_calls"] for each in told) == 5


async def test_what_one_process_fetched_is_a_hit_in_the_other(
    process: Open, spotify: ScriptedSpotify
) -> None:
    one, other = await process(), await process()
    first = await one.ask()
    second = await other.ask()

    assert (first["state"], second["state"]) == ("miss", "hit")
    assert (second["spotify_calls"], len(spotify.asked)) == (0, 5)
    assert other.cache.stats()["shared_total"] == 1
    assert await other.cache.peek(ANNA) is not None


async def test_another_secret_reads_nothing_and_breaks_nothing(process: Open) -> None:
    one, stranger = await process(), await process(secret="another-secret-entirely")
    await one.ask()

    assert await stranger.state() == "miss"


async def test_row35_a_clear_here_beats_the_fetch_that_runs_there(
    process: Open, spotify: ScriptedSpotify
) -> None:
    one, other = await process(), await process()
    spotify.gate.clear()
    waiting = asyncio.create_task(other.state())  # noqa: TID251 - outlives the clear below
    await until(lambda: spotify.asked)
    await one.cache.clear(ANNA)
    spotify.gate.set()

    assert await waiting == "miss"
    await forgotten(other)
    assert (await one.cache.peek(ANNA), await other.cache.peek(ANNA)) == (None, None)


@pytest.mark.parametrize("everybody", [True, False])
async def test_a_clear_reaches_the_memory_of_every_process(process: Open, everybody: bool) -> None:
    one, other = await process(), await process()
    await one.ask()
    await other.ask()
    await one.cache.clear(None if everybody else ANNA)
    await forgotten(other)

    assert await other.state() == "miss"


async def test_a_process_that_ends_leaves_the_others_their_data(process: Open) -> None:
    one, other = await process(), await process()
    await one.ask()
    await one.cache.close()

    assert await other.state() == "hit"


async def test_a_dump_of_redis_tells_nothing(process: Open, admin: Redis) -> None:
    one = await process()
    await one.ask()
    keys = [key async for key in admin.scan_iter()]
    kept = b"".join([key + (await admin.dump(key) or b"") for key in keys])

    assert keys
    for secret in (b"vesna", b"Vesna", b"Kalorda", b"dream pop", ANNA.reveal().encode()):
        assert secret not in kept


async def test_a_value_under_another_listeners_key_is_a_counted_miss(
    process: Open, admin: Redis, spotify: ScriptedSpotify
) -> None:
    one, other = await process(), await process()
    await one.ask(ANNA)
    await one.ask(BORIS)
    entries = [key async for key in admin.scan_iter("*:e:*")]
    values = [await admin.get(key) for key in entries]
    for key, value in zip(entries, reversed(values), strict=True):
        await admin.set(key, value or b"")

    assert await other.state(ANNA) == "miss"
    assert len(spotify.asked) == 15


async def test_row36_a_redis_that_dies_costs_no_answer(
    process: Open, server: RedisServer, spotify: ScriptedSpotify
) -> None:
    one = await process()
    await server.kill()

    assert [await one.state(), await one.state()] == ["miss", "hit"]
    assert len(spotify.asked) == 5


async def test_row37_a_redis_that_hangs_costs_no_answer(process: Open, server: RedisServer) -> None:
    one = await process(timing=replace(PATIENT, timeout_s=0.05, deadline_s=0.05))
    server.hang()
    try:
        assert await one.state() == "miss"
    finally:
        server.go_on()


async def test_old_data_of_another_process_stands_in_when_spotify_fails(
    process: Open, spotify: ScriptedSpotify, clock: Clock
) -> None:
    one, other = await process(cache_ttl_s=100), await process(cache_ttl_s=100)
    await one.ask()
    spotify.fails = DOWN
    clock.now += 110
    told = await other.ask()

    assert (told["state"], told["reason"], told["age_s"]) == ("stale", "spotify_unavailable", 110)


async def test_memory_in_front_is_kept_a_minute_at_most(
    process: Open, spotify: ScriptedSpotify, clock: Clock
) -> None:
    one = await process()
    await one.ask()
    clock.now += 60

    assert one.cache.stats()["entries"] == 1
    assert await one.state() == "hit"
    assert (one.cache.stats()["shared_total"], len(spotify.asked)) == (1, 5)


async def test_each_process_tells_the_model_what_its_own_settings_allow(process: Open) -> None:
    full, minimal = await process(), await process(llm_context="minimal")
    await full.ask()
    entry = await (await minimal.cache.visit(ANNA)).entry()

    assert "Kalorda" not in entry.context
    assert "dream pop" in entry.context


async def test_a_renewal_in_one_process_replaces_the_others_memory(
    process: Open, spotify: ScriptedSpotify, clock: Clock
) -> None:
    one, other = await process(cache_ttl_s=100), await process(cache_ttl_s=100)
    await one.ask()
    await other.ask()
    spotify.bodies["profile"] = b'{"id": "vesna", "display_name": "new"}'
    clock.now += 85
    await other.ask()
    await one.ask()
    await one.ask()  # found in Redis, now in memory and due for renewal
    await until(lambda: not one.cache.stats()["flights"])
    entry = await (await other.cache.visit(ANNA)).entry()

    assert entry.listening().profile.display_name == "new"
    assert len(spotify.asked) == 10
