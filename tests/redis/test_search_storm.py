"""Searches by several processes over one Redis: no order of events sends a query twice at once.

    pytest tests/cache tests/redis/test_search_storm.py --storms 500 -k search_storm

Callers and leavers, tokens that Spotify refuses, failures that pass, budgets that run out and answers
that are evicted, in random order over a real Redis; then the same while Redis goes and comes.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from random import Random
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from lyra.catalogue.budgets import AnswerBudget, SearchRefusedError
from lyra.catalogue.queries import Query
from lyra.settings import Settings
from lyra.spotify.failures import FailureCode, SpotifyFailure
from lyra.spotify.token import Token
from tests.cache.conftest import Clock
from tests.catalogue.conftest import token, track
from tests.redis.conftest import PATIENT
from tests.support.redis_servers import RedisServer
from tests.support.search_processes import SearchProcess, search_processes

FEW, STEPS, PROCESSES = 6, 150, 5
WELL_KNOWN, REFUSED = "abcdefgh", "xyz"  # Spotify refuses the tokens of the latter
PER_ANSWER, PER_HOUR, PER_DAY = 2, 6, 50
FAULTS: tuple[FailureCode, ...] = ("server_error", "timeout", "truncated", "not_found")
LIMIT_S = 30
STORMY = replace(PATIENT, recheck_s=0.05)
SHAKY = replace(STORMY, timeout_s=0.1, deadline_s=0.2, lease_s=0.3, beat_s=0.1)
Kind = Callable[[], Coroutine[Any, Any, None]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A tenth of the seeds that the command line asks for: these take a tenth of a second."""
    if "seed" in metafunc.fixturenames:
        storms = metafunc.config.getoption("--storms", default=0) // 10
        metafunc.parametrize("seed", range(max(FEW, storms)))


def exists(words: str) -> bool:
    """Whether there is a song of this name."""
    return int(words) % 3 > 0


class Ledger:
    """Spotify as searches see it, and what it was asked: at once, by whom, in all."""

    def __init__(self, rng: Random, pause: Kind) -> None:
        self.rng, self.pause = rng, pause
        self.running: Counter[str] = Counter()
        self.at_once = 0
        self.sent_by: Counter[str] = Counter()
        self.faults: list[FailureCode] = []

    def reader(self, whose: Token) -> "Reader":
        return Reader(self, whose.reveal()[-1])

    async def answer(self, listener: str, words: str) -> bytes:
        self.sent_by[listener] += 1
        self.running[words] += 1
        self.at_once = max(self.at_once, self.running[words])
        try:
            for _ in range(self.rng.randrange(6)):
                await self.pause()
        finally:
            self.running[words] -= 1
        if listener in REFUSED:
            raise SpotifyFailure(self.rng.choice(("token_rejected", "forbidden")))
        if self.faults:
            raise SpotifyFailure(self.faults.pop())
        shown = [track(words, "Velnora")] if exists(words) else []
        return orjson.dumps({"tracks": {"items": shown}})


class Reader:
    """Reads for one listener."""

    def __init__(self, ledger: Ledger, listener: str) -> None:
        self.ledger, self.listener = ledger, listener

    async def get(
        self, _: str, parse: Callable[[bytes], Any], params: Mapping[str, str] | None = None
    ) -> Any:
        assert params is not None
        return parse(await self.ledger.answer(self.listener, params["q"]))


class SearchStorm:
    """Several processes, one Spotify; every caller's end is looked at."""

    def __init__(self, rng: Random, ledger: Ledger, processes: list[SearchProcess]) -> None:
        self.rng, self.ledger, self.processes = rng, ledger, processes
        self.callers: list[asyncio.Task[None]] = []
        self.ends: Counter[str] = Counter()
        self.answers: list[AnswerBudget] = []
        self.newest = 0

    async def run(self, *more: Kind) -> None:
        kinds: list[Kind] = [self.crowd] + [self.call] * 6 + [self.leave] * 2 + [self.fail, *more]
        for _ in range(STEPS):
            await self.rng.choice(kinds)()
            for _ in range(self.rng.randrange(4)):
                await self.ledger.pause()
        async with asyncio.timeout(LIMIT_S):  # or a waiter is lost
            ends = await asyncio.gather(*self.callers, return_exceptions=True)
        broken = [end for end in ends if isinstance(end, Exception)]
        assert not broken, broken

    async def crowd(self) -> None:
        """Every process is asked at once for what nobody has asked for yet."""
        self.newest += 1
        for process in self.processes:
            self.begin(process, self.newest)

    async def call(self) -> None:
        number = self.rng.randint(max(0, self.newest - 2), self.newest)
        self.begin(self.rng.choice(self.processes), number)

    def begin(self, process: SearchProcess, number: int) -> None:
        listener = self.rng.choice(WELL_KNOWN + REFUSED)
        asking = self.ask(process, listener, Query("track", f"{number}"))
        self.callers.append(asyncio.get_running_loop().create_task(asking))

    async def ask(self, process: SearchProcess, listener: str, query: Query) -> None:
        budget = process.budget(listener)
        self.answers.append(budget)
        try:
            items = await process.search.search(token(listener), query, budget)
        except SearchRefusedError as refusal:
            self.ends[refusal.bound] += 1
        except SpotifyFailure as failure:
            if listener not in REFUSED and failure.code not in FAULTS:
                raise  # another's token was refused
            self.ends[failure.kind] += 1
        else:
            assert [item.name for item in items] == [query.words] * exists(query.words)
            self.ends["found"] += 1

    async def leave(self) -> None:
        running = [caller for caller in self.callers if not caller.done()]
        if running:
            self.rng.choice(running).cancel()

    async def fail(self) -> None:
        self.ledger.faults.append(self.rng.choice(FAULTS))


def storm_settings(**changes: int) -> Settings:
    bounds = {
        "searches_per_answer": PER_ANSWER,
        "searches_per_hour": PER_HOUR,
        "searches_per_day": PER_DAY,
    }
    return Settings(**{**bounds, **changes})  # type: ignore[arg-type]


async def test_no_storm_among_processes_sends_a_query_twice_at_once(
    server: RedisServer, admin: Redis, clock: Clock, seed: int
) -> None:
    async def pause() -> None:
        await admin.ping()  # as long as a call of the others to Redis

    async def evict() -> None:
        """What was found, and the generations of what is running; no lease, and no count."""
        names = [name async for name in admin.scan_iter("lyra:v2:[eg]:*")]
        if names:
            await admin.delete(*names)

    rng = Random(seed)
    ledger = Ledger(rng, pause)
    before = asyncio.all_tasks()
    async with search_processes(
        PROCESSES, server.url, ledger, storm_settings(), clock=clock, timing=STORMY
    ) as processes:
        storm = SearchStorm(rng, ledger, processes)
        await storm.run(evict)
        assert not any(process.search.stats()["flights"] for process in processes)

    assert asyncio.all_tasks() == before
    assert storm.ends["found"]
    assert ledger.at_once == 1
    assert max(ledger.sent_by.values()) <= PER_HOUR
    assert ledger.sent_by.total() <= PER_DAY
    assert all(0 <= answer.sent <= PER_ANSWER for answer in storm.answers)
    assert not [name async for name in admin.scan_iter("lyra:v2:l:*")]  # every lease was given back


async def test_no_storm_in_which_redis_goes_and_comes_loses_a_waiter_or_a_task(
    server: RedisServer, seed: int
) -> None:
    """Each process counts for itself meanwhile: no bound of one process is passed."""

    async def pause() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def kill_or_start() -> None:
        await (server.kill() if server.running else server.start())

    async def hang() -> None:
        if server.running:
            server.hang()
            await pause()
            server.go_on()

    rng = Random(seed)
    ledger = Ledger(rng, pause)
    before = asyncio.all_tasks()
    async with search_processes(
        PROCESSES, server.url, ledger, storm_settings(), clock=time.monotonic, timing=SHAKY
    ) as processes:
        storm = SearchStorm(rng, ledger, processes)
        await storm.run(kill_or_start, hang)
        assert not any(process.search.stats()["flights"] for process in processes)

    assert asyncio.all_tasks() == before
    assert storm.ends["found"]
    assert max(ledger.sent_by.values()) <= PER_HOUR * PROCESSES
    assert ledger.sent_by.total() <= PER_DAY * PROCESSES
    assert all(0 <= answer.sent <= PER_ANSWER for answer in storm.answers)
