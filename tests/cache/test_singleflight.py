"""One fetch per token, whoever comes, leaves or clears meanwhile."""

import asyncio
from itertools import pairwise
from random import Random

import pytest

from lyra.cache.listeners import ListenerCache
from lyra.cache.singleflight import log as flights_log
from lyra.errors import DrainingError, OverloadedError, SpotifyUnavailableError
from lyra.listening.models import Section
from lyra.loop_throttle import LoopThrottle
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import Token
from tests.cache.conftest import ANNA, BODIES, BORIS, CacheMaker, Clock, ScriptedSpotify


async def ask(cache: ListenerCache, token: Token = ANNA) -> str:
    """One caller: look up, wait, tell how it went."""
    visit = await cache.lookup(token)
    entry = await visit.entry()
    assert entry.top_artists_count == 1
    return visit.state


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_hundred_callers_cause_one_fetch(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(ask(cache)) for _ in range(100)]
        await turns()
        spotify.gate.set()

    assert spotify.fetches == 1
    assert sorted(caller.result() for caller in callers) == ["joined"] * 99 + ["miss"]


@pytest.mark.parametrize("leavers", [1, 25, 50])
async def test_callers_who_leave_cost_nobody_anything(
    cache: ListenerCache, spotify: ScriptedSpotify, leavers: int
) -> None:
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(ask(cache)) for _ in range(50)]
        await turns()
        for caller in callers[:leavers]:
            caller.cancel()
        await turns()
        spotify.gate.set()

    assert [caller.cancelled() for caller in callers] == [True] * leavers + [False] * (50 - leavers)
    assert await ask(cache) in ("hit", "joined")
    assert spotify.fetches == 1


async def test_a_newcomer_joins_the_fetch_that_everybody_left(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(ask(cache))
        await turns()
        gone.cancel()
        await turns()
        newcomer = group.create_task(ask(cache))
        await turns()
        spotify.gate.set()

    assert (newcomer.result(), spotify.fetches) == ("joined", 1)


async def test_a_failure_reaches_every_waiter_as_an_error_of_its_own(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    spotify.fails = dict.fromkeys(BODIES, SpotifyFailure("server_error"))
    spotify.gate.clear()
    waiters = asyncio.gather(*(ask(cache) for _ in range(20)), return_exceptions=True)
    await turns()
    spotify.gate.set()
    errors = await waiters

    assert {type(error) for error in errors} == {SpotifyUnavailableError}
    assert len({id(error) for error in errors}) == 20
    assert spotify.fetches == 1


async def test_a_clear_beats_the_fetch_that_is_running(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        before = group.create_task(ask(cache))
        await turns()
        await cache.clear(ANNA)
        after = group.create_task(ask(cache))
        await turns()
        spotify.gate.set()

    assert (before.result(), after.result(), spotify.fetches) == ("miss", "miss", 2)


async def test_nothing_is_kept_of_a_fetch_that_was_cleared(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        waiters = [group.create_task(ask(cache, token)) for token in (ANNA, BORIS)]
        await turns()
        await cache.clear()
        spotify.gate.set()

    assert [waiter.result() for waiter in waiters] == ["miss", "miss"]
    assert (await cache.peek(ANNA), await cache.peek(BORIS)) == (None, None)


async def test_a_fenced_fetch_that_ends_late_leaves_the_newer_one(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    """The bug of Go's issue 31420: removing the table's entry without asking whose it is."""
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        old = group.create_task(ask(cache))
        await turns()
        held, spotify.gate = spotify.gate, asyncio.Event()
        await cache.clear(ANNA)
        newer = group.create_task(ask(cache))
        await turns()
        held.set()
        await turns(20)
        joiner = group.create_task(ask(cache))
        await turns()
        spotify.gate.set()

    assert (old.result(), newer.result(), joiner.result()) == ("miss", "miss", "joined")
    assert spotify.fetches == 2


async def test_locks_and_flights_vanish_with_their_last_user(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    for number in range(200):
        await ask(cache, Token(f"listener-{number:04}"))
    stats = cache.stats()

    assert (stats["locks"], stats["flights"], stats["entries"]) == (0, 0, 200)
    assert spotify.fetches == 200


async def test_early_and_late_followers_get_each_section_as_it_ends(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    async def follow() -> list[Section]:
        visit = await cache.lookup(ANNA)
        return [section async for section in visit.sections()]

    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        early = group.create_task(follow())
        await turns()
        spotify.gate.set()
    late = await follow()

    assert {section.name for section in early.result()} == set(BODIES)
    assert sorted(early.result(), key=repr) == sorted(late, key=repr)


async def test_waiters_but_no_leavers_learn_of_a_fetch_before_any_awakes(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    happened: list[str] = []

    async def wait(name: str) -> None:
        visit = await cache.lookup(ANNA)
        with visit.on_fetched(lambda _: happened.append(f"told {name} {visit.state}")):
            await visit.entry()
        happened.append("awake")

    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        for name in ("anna", "twin"):
            group.create_task(wait(name))
        leaver = group.create_task(wait("leaver"))
        await turns()
        leaver.cancel()
        await turns()
        spotify.gate.set()

    assert happened == ["told anna miss", "told twin joined", "awake", "awake"]


async def test_a_landing_that_fails_tells_nobody(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    reported: list[object] = []
    spotify.gate.clear()
    visit = await cache.lookup(ANNA)
    async with asyncio.TaskGroup() as group:
        group.create_task(cache.close())
        with visit.on_fetched(reported.append), pytest.raises(DrainingError):
            await visit.entry()

    assert reported == []


class NobodyBegins(LoopThrottle):
    """The loop is busy for ever with those who came before."""

    async def admit(self) -> None:
        await asyncio.Event().wait()


async def test_a_flight_that_cannot_begin_in_time_frees_its_slot(
    make_cache: CacheMaker, spotify: ScriptedSpotify
) -> None:
    cache = make_cache(turns=NobodyBegins(), spotify_timeout_s=0.01)
    with pytest.raises(OverloadedError):
        await ask(cache)

    assert cache.stats()["flights"] == 0
    assert spotify.asked == []


async def test_a_client_that_clears_and_loads_in_turn_takes_no_slots(
    make_cache: CacheMaker, spotify: ScriptedSpotify
) -> None:
    cache = make_cache(spotify_max_fetches=10)
    spotify.gate.clear()
    refused = 0
    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            try:
                await cache.lookup(ANNA)
            except OverloadedError:
                refused += 1
            await cache.clear(ANNA)
        other = group.create_task(ask(cache, BORIS))
        await turns()
        spotify.gate.set()

    assert other.result() == "miss"
    assert refused > 0
    assert await ask(cache) == "miss"  # once those have ended


async def test_a_shutdown_tells_the_waiters_so(
    make_cache: CacheMaker, spotify: ScriptedSpotify
) -> None:
    cache = make_cache()
    spotify.gate.clear()
    waiter = asyncio.gather(ask(cache), return_exceptions=True)
    await turns()
    await cache.close()

    assert [type(error) for error in await waiter] == [DrainingError]


async def test_a_drain_lets_what_runs_end_and_begins_no_more(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        waiter = group.create_task(ask(cache))
        await turns()
        group.create_task(cache.drain(within_s=600))
        await turns()
        spotify.gate.set()
    with pytest.raises(DrainingError):
        await ask(cache, BORIS)

    assert waiter.result() == "miss"
    assert await ask(cache) == "hit"
    assert len(spotify.asked) == 5


async def test_a_waiter_with_a_deadline_of_its_own_leaves_alone(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    spotify.gate.clear()
    visit = await cache.lookup(ANNA)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await visit.entry()
    spotify.gate.set()

    assert await ask(cache) == "joined"
    assert spotify.fetches == 1


async def test_a_bug_in_a_fetch_is_logged_once_and_reaches_the_waiters(
    cache: ListenerCache,
    spotify: ScriptedSpotify,
    caplog: pytest.LogCaptureFixture,
) -> None:
    spotify.bodies.pop("playlists")
    results = await asyncio.gather(*(ask(cache) for _ in range(3)), return_exceptions=True)
    await turns()

    assert [type(result) for result in results] == [KeyError] * 3
    assert [record.name for record in caplog.records] == [flights_log.name]


@pytest.mark.parametrize("seed", range(150))
async def test_no_interleaving_breaks_the_invariants(
    make_cache: CacheMaker, spotify: ScriptedSpotify, clock: Clock, seed: int
) -> None:
    """Callers, leavers, clears, failures and expiries in a random order.

    One fetch at a time that newcomers may join; nothing comes back after a clear; nothing is
    served past its time; nobody hangs; nothing is left over; only upstream's own errors appear.
    """
    hunt = Hunt(make_cache(cache_ttl_s=50), spotify, clock, Random(seed))
    await hunt.run(steps=120)
    await hunt.check_the_end()


class Hunt:
    """A seeded storm over one cache and two tokens."""

    def __init__(
        self, cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock, rng: Random
    ) -> None:
        self.cache, self.spotify, self.clock, self.rng = cache, spotify, clock, rng
        self.callers: set[asyncio.Task[None]] = set()
        self.cleared_at = {ANNA: 0, BORIS: 0}
        self.outcomes: list[str] = []
        self._number_bodies()

    async def run(self, steps: int) -> None:
        moves = [self.call] * 6 + [self.leave, self.clear, self.toggle, self.fail, self.age]
        async with asyncio.TaskGroup() as group:
            self.group = group
            for _ in range(steps):
                await self.rng.choice(moves)()
                await turns(self.rng.randrange(4))
            self.spotify.gate.set()

    async def call(self) -> None:
        token = self.rng.choice((ANNA, BORIS))
        self.callers.add(self.group.create_task(self._caller(token)))

    async def _caller(self, token: Token) -> None:
        asked_after = self.cleared_at[token]
        try:
            visit = await self.cache.lookup(token)
            entry = await visit.entry()
        except SpotifyUnavailableError:
            self.outcomes.append("error")
            return
        born = int(entry.listening().profile.display_name or "0")
        assert born >= asked_after, "an entry from before a clear came back"
        if visit.state == "hit":
            assert self.clock.now < entry.expires_at, "an entry was served past its time"
        self.outcomes.append(visit.state)

    async def leave(self) -> None:
        if self.callers:
            self.callers.pop().cancel()

    async def clear(self) -> None:
        # Fetches that begin from now on carry a higher number than any clear before.
        self.cleared_at = dict.fromkeys(self.cleared_at, self.spotify.fetches + 1)
        self._number_bodies()
        await self.cache.clear()

    def _number_bodies(self) -> None:
        number = str(self.spotify.fetches + 1).encode()
        self.spotify.bodies["profile"] = b'{"id": "vesna", "display_name": "%b"}' % number

    async def toggle(self) -> None:
        if self.spotify.gate.is_set():
            self.spotify.gate.clear()
        else:
            self.spotify.gate.set()

    async def fail(self) -> None:
        broken = dict.fromkeys(BODIES, SpotifyFailure("server_error"))
        self.spotify.fails = {} if self.spotify.fails else broken

    async def age(self) -> None:
        self.clock.now += self.rng.choice((1, 20, 60))

    async def check_the_end(self) -> None:
        await turns()
        stats = self.cache.stats()
        assert (stats["locks"], stats["flights"]) == (0, 0)
        assert self.spotify.live == 0
        assert self.outcomes


async def test_a_crowd_of_newcomers_begins_one_after_another(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    """One in each turn of the loop, so that what else runs on it gets its turns; all are served."""
    tokens = [Token(f"newcomer-{number:04}") for number in range(40)]
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(cache, token)) for token in tokens]
        begun = []
        for _ in range(2 * len(tokens)):
            await asyncio.sleep(0)
            begun.append(spotify.live)
        spotify.gate.set()

    assert begun[-1] == len(tokens)
    assert max(after - before for before, after in pairwise(begun)) == 1
    assert [each.result() for each in tasks] == ["miss"] * len(tokens)
    assert cache.stats()["flights"] == 0
