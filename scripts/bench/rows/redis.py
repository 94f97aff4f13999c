"""A Redis that is full, read-only, resets its connections, or speaks TLS, beside one that is well."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from statistics import median

from tests.support.certificates import self_signed

from bench.bystander import look_on
from bench.harness import Harness
from bench.redis_process import SECRET, RedisProcess, open_redis
from bench.report import Figure, Finding, exactly
from bench.service import Service

TURNS = 1, 5, 15
COLD = 3  # listeners of each turn, one after the other
CROWD = 60
SPOTIFY_S = 0.2
LATER_S = 0.6
SLOWER = 2.0
LOOKING_S = 2.0
BEFORE_S = 0.5  # until whoever looks on is at it
OK = 200


@dataclass
class Turns:
    """What the turns of one service took: the slowest cold listener, the longest look meanwhile."""

    cold_s: list[float] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    wrong: int = 0


@dataclass(frozen=True)
class _Pair:
    """A service whose Redis is not as it should be, and one whose Redis is well."""

    how: str
    sick: Service
    plain: Service
    found: Turns = field(default_factory=Turns)
    beside: Turns = field(default_factory=Turns)


async def redis(harness: Harness) -> Finding:
    """Cold listeners, and one at hand beside a crowd of them: four kinds of Redis, and a well one."""
    turns = harness.count(*TURNS)
    async with _pairs(harness) as pairs:
        for turn in range(turns):
            for pair in pairs:
                both = [(pair.plain, pair.beside), (pair.sick, pair.found)]
                # Which of two comes first must not tell.
                for service, found in both if turn % 2 else reversed(both):
                    await _take(harness, service, found)
    return Finding(
        "A Redis that is full, read-only, resets or speaks TLS",
        [figure for pair in pairs for figure in _figures(pair)],
        [
            f"{turns} turns, each beside one of an equal process whose Redis is well: {COLD} cold listeners one after the other, whose five calls Spotify answers after {SPOTIFY_S * 1000:g} ms; then {CROWD} at once, during which a process of its own asks for a listener at hand every 5 ms.",
            "The slowest of all cold listeners is judged; of the longest waits of the turns their median, and in brackets the worst.",
            "TLS and the resets, after every four replies, are a process before a Redis that is well.",
        ],
    )


@asynccontextmanager
async def _pairs(harness: Harness) -> AsyncIterator[Sequence[_Pair]]:
    async with AsyncExitStack() as stack:

        async def started() -> RedisProcess:
            return await stack.enter_async_context(open_redis())

        async def front(*arguments: str) -> int:
            opened = harness.server("redis_front", str(well.port), *arguments)
            return (await stack.enter_async_context(opened)).port

        async def service(name: str, url: str) -> Service:
            settings = {"LYRA_REDIS_URL": url, "LYRA_SECRET": SECRET}
            return await stack.enter_async_context(harness.service(name, **settings))

        well, full, read_only = [await started() for _ in range(3)]
        pem = await asyncio.to_thread(self_signed, harness.folder)
        tls = f"rediss://127.0.0.1:{await front(str(pem))}?ssl_ca_certs={pem}"
        urls = {
            "full": full.url,
            "read-only": read_only.url,
            "resets": f"redis://127.0.0.1:{await front()}",
            "over TLS": tls,
        }
        plain = await service("plain", well.url)
        pairs = [_Pair(how, await service(how, url), plain) for how, url in urls.items()]
        for each in (plain, *(pair.sick for pair in pairs)):
            await each.warm(harness.tokens(3))
        await full.execute("CONFIG SET maxmemory 1")
        await read_only.execute("REPLICAOF 127.0.0.1 1")
        yield pairs


async def _take(harness: Harness, service: Service, found: Turns) -> None:
    """One turn of this service."""
    cold = [
        await service.init(harness.token(f"lat-{1000 * SPOTIFY_S:g}-{1000 * SPOTIFY_S + 1:g}"))
        for _ in range(COLD)
    ]
    known = harness.token()
    at_hand = await service.init(known)
    looking = asyncio.get_running_loop().create_task(look_on(service.port, known, LOOKING_S))
    await asyncio.sleep(BEFORE_S)
    crowd = await asyncio.gather(
        *(service.init(harness.token("lat-100-300")) for _ in range(CROWD))
    )
    seen = await looking
    found.cold_s.append(max(reply.seconds for reply in cold))
    found.waits_s.append(seen.longest_s)
    found.wrong += seen.wrong + sum(reply.status != OK for reply in (*cold, at_hand, *crowd))


def _figures(pair: _Pair) -> list[Figure]:
    how, found, beside = pair.how, pair.found, pair.beside
    slowest, aim = max(found.cold_s), SPOTIFY_S + LATER_S
    wait, plain = median(found.waits_s), median(beside.waits_s)
    return [
        Figure(
            f"{how}: the slowest cold listener",
            f"{slowest * 1000:.0f} ms",
            f"<= {aim * 1000:g} ms",
            slowest <= aim,
        ),
        Figure(f"{how}: the same with one that is well", f"{max(beside.cold_s) * 1000:.0f} ms"),
        Figure(
            f"{how}: one at hand waits beside a crowd",
            _longest(found),
            f"<= {SLOWER:g} x",
            wait <= SLOWER * plain,
        ),
        Figure(f"{how}: the same with one that is well", _longest(beside)),
        exactly(f"{how}: answers that were none", found.wrong + beside.wrong, 0),
    ]


def _longest(turns: Turns) -> str:
    return f"{median(turns.waits_s) * 1000:.1f} ms ({max(turns.waits_s) * 1000:.1f})"
