"""The cache beside five others: six cases of a shared fetch, the price of a hit, memory, hit rates.

The peers are no dependencies of Lyra; `make bench` puts them into .venv/peers. Those that are not
installed are left out. Each is used as its own documentation says, its protection against stampedes on.
"""

import asyncio
import gc
import logging
import os
import sys
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import cache as memoised
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from msgspec.structs import replace

from bench import cache_cases as cases, cores
from bench.cache_subjects import SUBJECTS, Lyra, Make, Upstream
from bench.harness import Harness
from bench.report import Figure, Finding, Table, at_most, times
from lyra.cache.expiry import Life
from lyra.cache.listeners import ListenerCache
from lyra.cache.store import BoundedMemoryCache
from lyra.errors import SpotifyTokenRejectedError
from lyra.spotify.token import Token

PEERS = Path(__file__).parents[3] / ".venv" / "peers"
OF_AIOCACHE, GROWTH, FLAT_MIB = 1.0, 1.2, 10.0
ROUNDS, LOOK_UPS, TOGETHER = 3, 20_000, 100
LISTENERS, WAITING, LONGEST_SESSION = 100_000, 2_000, 12  # of the invented loads


async def cache(harness: Harness) -> list[Finding]:
    """On asyncio's own loop, in a thread: a case counts the timers that a cache leaves in it."""
    if PEERS.exists() and str(PEERS) not in sys.path:
        sys.path.append(str(PEERS))
    return await asyncio.to_thread(_measured, harness)


def _measured(harness: Harness) -> list[Finding]:
    logging.disable()  # several peers log every error of the upstream's
    try:
        # Memory first: later measures leave a large heap behind.
        memory = _memory(harness.count(2_000, 20_000, 1_000_000))
        sizes = harness.pick((100, 1_000), (1_000, 100_000, 1_000_000))
        requests = harness.pick(20_000, 300_000)
        return [_cases(), _hits(), _hits_by_size(sizes), _hit_rates(requests), memory]
    finally:
        logging.disable(logging.NOTSET)


def _installed() -> dict[str, Make]:
    return {name: make for name, (package, make) in SUBJECTS.items() if _version(package)}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _cases() -> Finding:
    subjects, rows, figures = _installed(), [], []
    for case, (_, best) in cases.CASES.items():
        outcomes = {name: _run(case, make) for name, make in subjects.items()}
        rows.append((case, *map(str, outcomes.values())))
        lyra = outcomes["Lyra"]
        kept = (lyra.calls, lyra.wrong, lyra.left) == (best.calls, best.wrong, best.left)
        figures.append(Figure(case, str(lyra), str(best), kept, promise=True))
    packages = {package: _version(package) for package, _ in SUBJECTS.values()}
    return Finding(
        "The cache beside others: six cases of a shared fetch",
        figures,
        [
            "; ".join(
                f"{package} {found or 'is not installed'}" for package, found in packages.items()
            )
        ],
        Table(("case", *subjects), rows),
    )


def _run(case: str, make: Make) -> cases.Outcome:
    with asyncio.Runner() as runner:
        # What a peer never retrieves is in the table, not a traceback.
        runner.get_loop().set_exception_handler(lambda _loop, _context: None)
        outcome = runner.run(cases.run(case, make))
        gc.collect()
        return outcome


def _hits() -> Finding:
    took = {name: asyncio.run(_hit_s(make)) for name, make in _installed().items()}
    lyra = [took["Lyra"]]
    of_aiocache = took["Lyra"] / took["aiocache cached_stampede"]
    return Finding(
        "The cache beside others: a hit, through the same interface",
        [at_most("a hit, of aiocache's", of_aiocache, OF_AIOCACHE, "x")],
        ["Lyra's is keyed by a hash, counted, bounded, and decoded from bytes to typed data."],
        Table(
            ("processor", "us", "of Lyra"),
            [(name, f"{each * 1e6:.1f}", times([each], lyra)) for name, each in took.items()],
        ),
    )


async def _hit_s(make: Make) -> float:
    upstream = Upstream()
    upstream.gate.set()
    subject = make(upstream)
    await subject.get("hit-token-0001")

    async def hits() -> None:
        for _ in range(LOOK_UPS // ROUNDS):
            await subject.get("hit-token-0001")

    took = min([await _thread_s(hits()) for _ in range(ROUNDS)])
    await subject.close()
    return took / (LOOK_UPS // ROUNDS)


async def _thread_s(work: Awaitable[None]) -> float:
    began = time.thread_time()
    await work
    return time.thread_time() - began


class Hit(NamedTuple):
    """Microseconds of a hit, and of finding its key in a plain dict of as many keys."""

    hit_us: float
    plain_us: float


def _hits_by_size(sizes: tuple[int, ...]) -> Finding:
    hits = {size: asyncio.run(_hit_among(size)) for size in sizes}
    small, large = hits[sizes[0]], hits[sizes[-1]]
    what = f"hit cost at {sizes[-1]:,} entries, of {sizes[0]:,}"
    return Finding(
        "A hit in the cache, by the number of entries, listeners asked for at random",
        [at_most(what, large.hit_us / small.hit_us, GROWTH, "x")],
        ["What a whole request notices: A warm POST /lyra/init, by the number of entries."],
        Table(
            (f"us, best of {ROUNDS}", *(f"{size:,} entries" for size in sizes)),
            [
                (name, *(f"{getattr(hit, key):.2f}" for hit in hits.values()))
                for name, key in (("a hit", "hit_us"), ("the key in a plain dict", "plain_us"))
            ],
        ),
    )


async def _hit_among(entries: int) -> Hit:
    upstream = Upstream()
    upstream.gate.set()
    store = Lyra(upstream, cache_max_entries=entries + 1).cache
    plain = await _filled(store, entries)

    async def look_up(tokens: list[Token]) -> None:
        for token in tokens:
            await (await store.lookup(token)).entry()

    async def find(keys: list[Any]) -> None:
        for key in keys:
            assert key in plain  # noqa: S101 - what is measured

    gc.collect()
    hit = Hit(
        await _at_random_us(entries, _listener, look_up),
        await _at_random_us(entries, lambda number: store.key(_listener(number)), find),
    )
    await store.close()
    return hit


def _listener(number: int) -> Token:
    return Token(f"listener-{number:07}")


async def _filled(store: ListenerCache, entries: int) -> dict[Any, None]:
    """Put so many in directly, each with times of its own: to fetch a million is another measure."""
    one = await (await store.lookup(Token("seed-token-0001"))).entry()
    keys = [store.key(_listener(number)) for number in range(entries)]
    memory = store._memory.entries  # noqa: SLF001
    for number, key in enumerate(keys):
        apart = {name: getattr(one, name) + number * 1e-6 for name in Life._fields}
        memory._put(key, replace(one, **apart), 3600)  # noqa: SLF001
    return dict.fromkeys(keys)


async def _at_random_us(
    entries: int,
    make: Callable[[int], Any],
    look_up: Callable[[list[Any]], Coroutine[Any, Any, None]],
) -> float:
    """Microseconds of a look-up. What is asked for is made just before, untimed: a request brings it."""
    rng, rounds = Random(2), []  # noqa: S311 - who is asked for
    for _ in range(ROUNDS):
        used_s = 0.0
        for _ in range(LOOK_UPS // TOGETHER):
            wanted = [make(number) for number in rng.choices(range(entries), k=TOGETHER)]
            used_s += await _thread_s(look_up(wanted))
        rounds.append(used_s / LOOK_UPS)
    return min(rounds) * 1e6


def _hit_rates(requests: int) -> Finding:
    """Second chance (CLOCK) beside an exact order of use (LRU), on invented loads."""
    loads = {
        f"Zipf, exponent {exponent}": _by_zipf(exponent, requests) for exponent in (0.7, 0.9, 1.1)
    }
    loads["sessions of 1 to 12 requests"] = _in_sessions(requests)
    return Finding(
        "Requests that find their listener: Lyra's store beside an exact LRU",
        notes=[f"{requests:,} requests of {LISTENERS:,} listeners."],
        table=Table(
            ("load", "kept", "Lyra", "exact LRU"),
            [
                (
                    name,
                    f"{kept:,}",
                    f"{asyncio.run(_found_by_lyra(load, kept)):.1%}",
                    f"{_found_by_lru(load, kept):.1%}",
                )
                for name, load in loads.items()
                for kept in (1_000, 10_000)
            ],
        ),
    )


@memoised
def _by_zipf(exponent: float, requests: int) -> list[str]:
    """Everybody by themselves, the known ones more often."""
    weights = list(accumulate((rank + 1) ** -exponent for rank in range(LISTENERS)))
    names = [str(number) for number in range(LISTENERS)]
    return Random(1).choices(names, cum_weights=weights, k=requests)  # noqa: S311 - who comes


def _in_sessions(requests: int) -> list[str]:
    """Hundreds of listeners talk at a time; when they end, others come."""
    rng = Random(1)  # noqa: S311 - who comes
    coming, waiting, load = iter(_by_zipf(0.8, requests)), list[str](), list[str]()
    while len(load) < requests:
        if len(waiting) < WAITING:
            waiting += [next(coming)] * rng.randint(1, LONGEST_SESSION)
        at = rng.randrange(len(waiting))
        waiting[at], waiting[-1] = waiting[-1], waiting[at]
        load.append(waiting.pop())
    return load


async def _found_by_lyra(load: list[str], kept: int) -> float:
    store = BoundedMemoryCache(
        max_entries=kept, max_weight=kept, weigh=lambda _: 1, clock=lambda: 0.0
    )
    hits = 0
    for key in load:
        if store.peek(key):
            hits += 1
        else:
            await store.set(key, value=True)
    return hits / len(load)


def _found_by_lru(load: list[str], kept: int) -> float:
    held: OrderedDict[str, None] = OrderedDict()
    hits = 0
    for key in load:
        if key in held:
            hits += 1
            held.move_to_end(key)
            continue
        held[key] = None
        if len(held) > kept:
            held.popitem(last=False)
    return hits / len(load)


def _memory(tokens: int) -> Finding:
    """Distinct tokens, half of them rejected: memory follows what is kept, not what was seen."""
    bound = max(1_000, tokens // 100)
    points = asyncio.run(_seen(tokens, bound))
    grown_mib = (points[-1][1] - points[1][1]) / 2**20
    what = "memory grown between a quarter of the tokens and all"
    return Finding(
        f"Memory of the cache, {bound:,} kept of {tokens:,} tokens, half of them rejected",
        [at_most(what, grown_mib, FLAT_MIB, "MiB")],
        table=Table(
            ("tokens seen", "resident MiB", "entries"),
            [(f"{seen:,}", f"{size / 2**20:.1f}", f"{held:,}") for seen, size, held in points],
        ),
    )


async def _seen(tokens: int, bound: int) -> list[tuple[int, int, int]]:
    upstream = Upstream(rejects=lambda token: token[-1] in "13579")
    upstream.gate.set()
    lyra, pid = Lyra(upstream, cache_max_entries=bound), os.getpid()
    points: list[tuple[int, int, int]] = []
    for number in range(tokens):
        with suppress(SpotifyTokenRejectedError):
            await (await lyra.cache.lookup(_listener(number))).entry()
        if (number + 1) % (tokens // 8) == 0:
            points.append((number + 1, cores.resident(pid), lyra.cache.stats()["entries"]))
    await lyra.close()
    return points
