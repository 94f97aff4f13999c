"""What a request costs as entries grow, and a token as streams grow; and two processes for one."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import cycle
from random import Random
from statistics import median
from time import perf_counter, process_time

from bench.closed_loop import Wire, connect_each, post
from bench.harness import Place
from bench.processes import Server
from bench.report import Curve, Table, number, times
from bench.rows.many import hold
from bench.rows.warm import CONNECTIONS, Asking
from bench.servers.filled import token_of
from bench.slices import Slice, Slices, Take, take_turns, told

ENTRIES, QUICK_ENTRIES = (1, 1_000, 100_000, 1_000_000), (1, 100)
STREAMS, QUICK_STREAMS = (1, 10, 100, 1_000, 5_000), (1, 10)
TOKENS_A_S, LEAST_GAP_MS = 2_500, 20
ASKED_FOR = 5_000  # different tokens, so that no two look-ups of one follow each other
SLICES, SLICE_S = 4, 1.0
QUICK_SLICES, QUICK_SLICE_S = 1, 0.2


async def measure(place: Place) -> list[Table]:
    """Entries, streams, processes."""
    return [await _by_entries(place), await _by_streams(place), await _by_workers(place)]


def _slices(place: Place) -> tuple[int, float]:
    return (QUICK_SLICES, QUICK_SLICE_S) if place.quick else (SLICES, SLICE_S)


async def _by_entries(place: Place) -> Table:
    sizes = QUICK_ENTRIES if place.quick else ENTRIES
    wanted, seconds = _slices(place)
    async with AsyncExitStack() as stack:
        takes = {}
        for size in sizes:
            server = await stack.enter_async_context(place.filled(size))
            takes[f"{size:,}"] = _AtRandom(server, size, seconds)
        found = await take_turns(place, takes, wanted)
        memory = {name: each.server.resident() for name, each in takes.items()}
    first = next(iter(found.values()))
    points = [(size, median(found[f"{size:,}"].cpu_us)) for size in sizes]
    return Table(
        "A warm POST /lyra/init, by the number of entries, listeners asked for at random",
        ("entries", "CPU us/request", "of one entry", "requests/s", "resident MiB"),
        [
            (
                name,
                number(median(each.cpu_us)),
                times(each.cpu_us, first.cpu_us),
                f"{median(each.rates):,.0f}",
                f"{memory[name] / 2**20:,.0f}",
            )
            for name, each in found.items()
        ],
        notes=[told(found), "All entries share one listener's bytes; a kept one is in Memory."],
        curve=Curve("entries", "CPU us a warm request", points),
    )


class _AtRandom:
    """Requests for listeners at random, for so long; called for each slice."""

    def __init__(self, server: Server, entries: int, seconds: float) -> None:
        rng = Random(3)  # noqa: S311 - which listeners
        wanted = (token_of(rng.randrange(entries)) for _ in range(ASKED_FOR))
        self.server = server
        self._seconds = seconds
        self._requests: Iterator[bytes] = cycle([post("/lyra/init", each) for each in wanted])

    async def __call__(self) -> Slice:
        wires = await connect_each(
            self.server, [next(self._requests) for _ in range(CONNECTIONS)], self._again
        )
        cpu_s, began = self.server.cpu_s(), perf_counter()
        for wire in wires:
            wire.send()
        await asyncio.sleep(self._seconds)
        used, took = self.server.cpu_s() - cpu_s, perf_counter() - began
        served = sum(wire.served for wire in wires)
        for wire in wires:
            wire.leave()
        return Slice(served, took, used)

    def _again(self, wire: Wire) -> None:
        wire.request = next(self._requests)
        wire.send()


async def _by_streams(place: Place) -> Table:
    found = {}
    async with place.lyra() as lyra:
        for count in QUICK_STREAMS if place.quick else STREAMS:
            gap_ms = max(LEAST_GAP_MS, count * 1000 // TOKENS_A_S)
            found[count] = gap_ms, await hold(place, lyra, count, gap_ms)
    return Table(
        "A token from model to reader, by the number of open streams",
        ("open streams", "a token in, ms", "CPU us/token", "busy", "held"),
        [
            (
                f"{n:,}",
                f"{gap_ms:,}",
                number(held.cpu_us),
                f"{held.busy:.0%}",
                f"{held.held:,}",
            )
            for n, (gap_ms, held) in found.items()
        ],
        notes=["One stream alone wakes the process for every token; many share its turns."],
        curve=Curve(
            "open streams", "CPU us a token", [(n, held.cpu_us) for n, (_, held) in found.items()]
        ),
    )


async def _by_workers(place: Place) -> Table:
    wanted, seconds = _slices(place)
    every = place.cores.subject | place.cores.load
    async with AsyncExitStack() as stack:
        # Subject and load share all cores here: there are not enough for both.
        stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
        os.sched_setaffinity(0, every)
        request = post("/lyra/init", place.token())
        one = Asking(await stack.enter_async_context(place.lyra(on=every)), request)
        two = Asking(
            await stack.enter_async_context(place.lyra("--workers", "2", on=every)), request
        )
        loads: list[float] = []
        for asking in (one, two):
            await asking.slice(seconds)  # each process loads the listener
        found = await take_turns(
            place,
            {"1": one.take(seconds), "2": _with_load(two, seconds, loads)},
            wanted,
        )
    return Table(
        "A warm POST /lyra/init by worker processes, all cores for subject and load",
        ("workers", "requests/s", "of one", "CPU us/request", "of one", "cores used"),
        [(name, *_cells(each, found["1"])) for name, each in found.items()],
        notes=[told(found), f"The load takes {median(loads):.1f} us a request of the same cores."],
    )


def _with_load(asking: Asking, seconds: float, loads: list[float]) -> Take:
    """A slice that also notes what the load itself costs for each request."""

    async def take() -> Slice:
        before = process_time()
        one = await asking.slice(seconds)
        loads.append((process_time() - before) / one.units * 1e6)
        return one

    return take


def _cells(one: Slices, first: Slices) -> tuple[str, ...]:
    return (
        f"{median(one.rates):,.0f}",
        times(one.rates, first.rates),
        number(median(one.cpu_us)),
        times(one.cpu_us, first.cpu_us),
        f"{one.busy:.2f}",
    )
