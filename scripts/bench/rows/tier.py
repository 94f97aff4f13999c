"""Two processes over one Redis: a hit, a race, a dead leader, a dead Redis, a hung Redis."""

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter

from redis.asyncio import Redis

from bench.client import OK
from bench.harness import Harness
from bench.redis_process import SECRET, RedisProcess, open_redis
from bench.report import Figure, Finding, Table, at_most, exactly, format_number
from bench.service import Service
from lyra.agent import open_lyra
from lyra.settings import Settings
from lyra.spotify.token import Token

OF_PLAIN_GET = 10.0
SECOND_OF_FETCH = 0.33
LEADER_S, HUNG_S = 5.0, 0.6  # the deadlines of Lyra's own that these are made of
OF_USUAL = 1.5
FETCH_MS = 40, 150
ENTRY_BYTES = 8_000


@dataclass(frozen=True)
class Pair:
    """Two services that share a Redis, and what was found with them."""

    harness: Harness
    redis: RedisProcess
    first: Service
    second: Service
    rows: list[tuple[str, ...]] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)

    def note(self, what: str, seconds: list[float]) -> None:
        """A row of the table."""
        self.rows.append((what, *(format_number(value(seconds) * 1000) for value in (median, max))))

    def slow_token(self, low_ms: int, high_ms: int) -> str:
        """A listener never seen before, whose five answers take `low_ms` to `high_ms`."""
        return self.harness.token(f"lat-{low_ms}-{high_ms}")


async def tier(harness: Harness) -> Finding:
    """Every case with services of its own, so that none sees what another left behind."""
    rows, figures = [], []
    async with open_redis() as redis:
        for case in CASES:
            async with AsyncExitStack() as stack:
                first, second = [
                    await stack.enter_async_context(harness.service(name, **redis.settings))
                    for name in ("first", "second")
                ]
                pair = Pair(harness, redis, first, second)
                await case(pair)
            rows += pair.rows
            figures += pair.figures
    return Finding("The Redis tier", figures, table=Table(("ms", "median", "worst"), rows))


async def _hit(pair: Pair) -> None:
    """A listener whom another process has read, and this one has not; beside a plain GET."""
    tokens = pair.harness.tokens(pair.harness.pick(20, 200))
    await pair.first.warm(tokens)
    settings = Settings(
        spotify_api_url=f"{pair.harness.sandbox.url}/v1", redis_url=pair.redis.url, secret=SECRET
    )
    looks, loads, gets = [], [], []
    async with open_lyra(settings) as lyra, Redis.from_url(pair.redis.url) as plain:
        await plain.set("plain", bytes(ENTRY_BYTES))
        for bearer in map(Token, tokens):
            gets.append(await _timed(plain.get("plain")))
            looks.append(await _timed(lyra.listeners.peek(bearer)))
            began = perf_counter()
            await (await lyra.listeners.lookup(bearer)).entry()
            loads.append(perf_counter() - began)
        shared = lyra.listeners.stats()["shared_total"]
    pair.note("yardstick: a plain GET of 8 kB", gets)
    pair.note("a look at Redis, with unsealing and unpacking", looks)
    pair.note("a first visit that Redis answers", loads)
    of_get = median(looks) / median(gets)
    pair.figures.extend(
        [
            at_most("a look at Redis, of a plain GET", of_get, OF_PLAIN_GET, "x"),
            exactly("found in Redis", shared, len(tokens)),
        ]
    )


async def _timed(work: Awaitable[object]) -> float:
    began = perf_counter()
    await work
    return perf_counter() - began


async def _race(pair: Pair) -> None:
    """Both processes are asked for one cold listener in the same instant."""
    behind, fetches, calls = [], [], set()
    for _ in range(pair.harness.pick(3, 15)):
        token, before = pair.slow_token(*FETCH_MS), await pair.harness.sandbox_calls()
        replies = await asyncio.gather(pair.first.init(token), pair.second.init(token))
        took = sorted(reply.seconds for reply in replies)
        behind.append(took[1] - took[0])
        fetches.append(took[0])
        calls.add(await pair.harness.sandbox_calls() - before)
    pair.note("cold in two processes: the second answer behind the first", behind)
    of_fetch = median(behind) / median(fetches)
    pair.figures.extend(
        [
            at_most(
                "the second answer behind the first, of the fetch", of_fetch, SECOND_OF_FETCH, "x"
            ),
            Figure("Spotify calls of both", f"{sorted(calls)}", "[5]", calls == {5}, promise=True),
        ]
    )


async def _dead_leader(pair: Pair) -> None:
    """The process that fetches is killed in the middle; another one waits for it."""
    took, statuses = [], []
    for turn in range(pair.harness.pick(1, 3)):
        leading = pair.harness.service(f"leader-{turn}", **pair.redis.settings)
        async with leading as leader:
            token, before = pair.slow_token(400, 800), await pair.harness.sandbox_calls()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(leader.init(token))
                while await pair.harness.sandbox_calls() < before + 5:  # noqa: ASYNC110 - it is in another process
                    await asyncio.sleep(0.01)
                waiting = tasks.create_task(pair.second.init(token))
                await asyncio.sleep(0.1)
                began = perf_counter()
                leader.process.send_signal(signal.SIGKILL)
                statuses.append((await waiting).status)
                took.append(perf_counter() - began)
    pair.note("leader killed in mid-fetch: until the other one answers", took)
    pair.figures.extend(
        [
            at_most("leader killed: until the other one answers", max(took), LEADER_S, "s"),
            exactly("answers after that", statuses.count(OK), len(statuses)),
        ]
    )


async def _dead_redis(pair: Pair) -> None:
    """Redis is killed while requests of both kinds are running; then it comes back."""
    known = pair.harness.tokens(20)
    await pair.first.warm(known)
    clients, over = pair.harness.pick(20, 200), asyncio.Event()
    statuses: Counter[int] = Counter()

    async def keep_asking(turn: int) -> None:
        service = (pair.first, pair.second)[turn % 2]
        while not over.is_set():
            token = known[turn % 20] if turn % 4 else pair.slow_token(20, 60)
            statuses[(await service.init(token)).status] += 1

    async with asyncio.TaskGroup() as tasks:
        for turn in range(clients):
            tasks.create_task(keep_asking(turn))
        await asyncio.sleep(1)
        await pair.redis.kill()
        await asyncio.sleep(2)
        await pair.redis.start()
        await asyncio.sleep(1)
        over.set()
    what = f"Redis killed under {clients} running requests: failed of {statuses.total():,}"
    pair.figures.append(exactly(what, statuses.total() - statuses[OK], 0))


async def _hung_redis(pair: Pair) -> None:
    """Redis keeps its connections and answers nobody; every listener is new.

    It hangs for longer than the breaker stays open, so that the looks whether it is back are in it.
    """
    usual = [(await pair.first.init(token)).seconds for token in pair.harness.tokens(20)]
    pair.redis.send_signal(signal.SIGSTOP)
    replies, until = [], perf_counter() + pair.harness.pick(2, 8)
    try:
        while perf_counter() < until:
            replies.append(await pair.first.init(pair.harness.token()))
    finally:
        pair.redis.send_signal(signal.SIGCONT)
    first, later = [[each.seconds for each in some] for some in (replies[:6], replies[6:])]
    pair.note("a cold listener", usual)
    pair.note("Redis hung: the first requests", first)
    pair.note("Redis hung: the requests after them", later)
    slowest_s, of_usual = max(first) - median(usual), median(later) / median(usual)
    pair.figures.extend(
        [
            at_most("Redis hung: the slowest of the first, later", slowest_s, HUNG_S, "s"),
            at_most("Redis hung: those after them, of the usual", of_usual, OF_USUAL, "x"),
            exactly("requests that failed", sum(each.status != OK for each in replies), 0),
        ]
    )


CASES: tuple[Callable[[Pair], Awaitable[None]], ...] = (
    _hit,
    _race,
    _dead_leader,
    _dead_redis,
    _hung_redis,
)
