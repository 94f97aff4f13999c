"""What a request costs as entries grow, and a token as streams grow; and two processes for one."""

import os
from contextlib import AsyncExitStack
from itertools import cycle
from random import Random
from statistics import median
from time import process_time

from bench.client import request
from bench.closed_loop import CONNECTIONS, ClosedLoop, Wire
from bench.harness import Harness
from bench.processes import Server
from bench.report import Finding, Table, at_most, format_number, ratio, times
from bench.rows.crowds import Held, hold
from bench.servers.filled import token_of
from bench.slices import Slice, Slices, Take, disturbance, take_turns

ENTRIES, QUICK_ENTRIES = (1, 1_000, 100_000, 1_000_000), (1, 100)
STREAMS, QUICK_STREAMS = (1, 10, 100, 1_000, 5_000), (1, 10)
TOKENS_A_S, LEAST_GAP_MS = 2_500, 20
ASKED_FOR = 5_000  # different tokens, so that no two look-ups of one follow each other
GROWTH = 1.2


async def scale(harness: Harness) -> list[Finding]:
    """Entries, streams, processes."""
    return [await _by_entries(harness), await _by_streams(harness), await _by_workers(harness)]


def _slices(harness: Harness) -> tuple[int, float]:
    return harness.pick((1, 0.2), (4, 1.0))


async def _by_entries(harness: Harness) -> Finding:
    sizes = harness.pick(QUICK_ENTRIES, ENTRIES)
    wanted, seconds = _slices(harness)
    async with AsyncExitStack() as stack:
        loops = {}
        for size in sizes:
            server = await stack.enter_async_context(
                harness.server("filled", str(size), settings=harness.roomy_settings)
            )
            loops[size] = _at_random(server, size)
        takes = {f"{size:,}": loop.take(seconds) for size, loop in loops.items()}
        slices = await take_turns(harness.watch, takes, wanted)
        memory = {f"{size:,}": loop.server.memory_bytes for size, loop in loops.items()}
    first, last = slices[f"{sizes[0]:,}"].cpu_us, slices[f"{sizes[-1]:,}"].cpu_us
    what = f"warm init at {sizes[-1]:,} entries, CPU of one at {sizes[0]:,}"
    return Finding(
        "A warm POST /lyra/init, by the number of entries, listeners asked for at random",
        [at_most(what, ratio(last, first), GROWTH, "x")],
        [disturbance(slices), "All entries share one listener's bytes; a kept one is in Memory."],
        Table(
            ("entries", "CPU us/request", "of one entry", "requests/s", "resident MiB"),
            [
                (
                    name,
                    format_number(median(each.cpu_us)),
                    times(each.cpu_us, first),
                    f"{median(each.rates):,.0f}",
                    f"{memory[name] / 2**20:,.0f}",
                )
                for name, each in slices.items()
            ],
        ),
    )


def _at_random(server: Server, entries: int) -> ClosedLoop:
    """Requests for listeners at random."""
    rng = Random(3)  # noqa: S311 - which listeners
    tokens = [token_of(rng.randrange(entries)) for _ in range(ASKED_FOR)]
    requests = cycle([request("POST", "/lyra/init", token) for token in tokens])

    def again(wire: Wire) -> None:
        wire.request = next(requests)
        wire.send()

    return ClosedLoop(server, [next(requests) for _ in range(CONNECTIONS)], again)


async def _by_streams(harness: Harness) -> Finding:
    found: dict[int, tuple[int, Held]] = {}
    async with harness.lyra() as lyra:
        for count in harness.pick(QUICK_STREAMS, STREAMS):
            gap_ms = max(LEAST_GAP_MS, count * 1000 // TOKENS_A_S)
            async with hold(harness, lyra, count, gap_ms) as held:
                found[count] = gap_ms, held
    return Finding(
        "A token from model to reader, by the number of open streams",
        notes=["One stream alone wakes the process for every token; many share its turns."],
        table=Table(
            ("open streams", "a token in, ms", "CPU us/token", "busy", "held"),
            [
                (
                    f"{count:,}",
                    f"{gap_ms:,}",
                    format_number(held.cpu_us),
                    f"{held.busy:.0%}",
                    f"{held.open:,}",
                )
                for count, (gap_ms, held) in found.items()
            ],
        ),
    )


async def _by_workers(harness: Harness) -> Finding:
    wanted, seconds = _slices(harness)
    every = harness.cores.subject | harness.cores.load
    async with AsyncExitStack() as stack:
        # Subject and load share all cores here: there are not enough for both.
        stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
        os.sched_setaffinity(0, every)
        sent = request("POST", "/lyra/init", harness.listener())
        one, two = [
            ClosedLoop.of(await stack.enter_async_context(harness.lyra(*options, on=every)), sent)
            for options in ((), ("--workers", "2"))
        ]
        loads: list[float] = []
        for loop in (one, two):
            await loop.slice(seconds)  # each process loads the listener
        takes = {"1": one.take(seconds), "2": _with_load(two, seconds, loads)}
        slices = await take_turns(harness.watch, takes, wanted)
    return Finding(
        "A warm POST /lyra/init by worker processes, all cores for subject and load",
        notes=[
            disturbance(slices),
            f"The load takes {median(loads):.1f} us a request of the same cores.",
        ],
        table=Table(
            ("workers", "requests/s", "of one", "CPU us/request", "of one", "cores used"),
            [(name, *_cells(each, slices["1"])) for name, each in slices.items()],
        ),
    )


def _with_load(loop: ClosedLoop, seconds: float, loads: list[float]) -> Take:
    """A slice that also notes what the load itself costs for each request."""

    async def take() -> Slice:
        before = process_time()
        one = await loop.slice(seconds)
        loads.append((process_time() - before) / one.units * 1e6)
        return one

    return take


def _cells(one: Slices, first: Slices) -> tuple[str, ...]:
    return (
        f"{median(one.rates):,.0f}",
        times(one.rates, first.rates),
        format_number(median(one.cpu_us)),
        times(one.cpu_us, first.cpu_us),
        f"{one.busy:.2f}",
    )
