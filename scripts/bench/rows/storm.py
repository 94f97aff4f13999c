"""Five hundred listeners log in at once; what each costs, and whether running streams stutter."""

import asyncio
import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from time import perf_counter

from bench.closed_loop import Wire, connect_each, post
from bench.harness import Place, settle
from bench.processes import Server
from bench.report import Table, aim, number, percentile
from bench.streams import Load, Stream, ask_all, leave_all, question

LOW_MS, HIGH_MS = 80, 400
LISTENERS, QUICK_LISTENERS = 500, 10
PEER_LISTENERS = 40  # its threads take ten times as long for each
RUNS = 3
STREAMS, GAP_MS = 50, 20
QUIET_S, QUICK_QUIET_S = 2.0, 0.3
LONGEST_S = 60
CPU_MS, STUTTER = 6, 2


@dataclass(frozen=True)
class Storm:
    """One storm: how long each waited, how long all took, and what they cost."""

    late_s: list[float]
    refused: int
    seconds: float
    cpu_s: float

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of processor for each listener who was answered."""
        return self.cpu_s / len(self.late_s) * 1000 if self.late_s else math.inf


async def measure(place: Place) -> list[Table]:
    """Storms alone, for the processor; then one beside running streams, for their gaps."""
    listeners = QUICK_LISTENERS if place.quick else LISTENERS
    rows = []
    async with place.lyra() as lyra:
        await _storm(place, lyra, 10)
        storms = [await _storm(place, lyra, listeners) for _ in range(RUNS)]
        rows.append(("Lyra", f"{listeners}", *_cells(storms)))
        gaps = await _beside_streams(place, lyra, listeners)
    for name, library in (("spotipy in threads", "spotipy"), ("tekore", "tekore")):
        if place.has_peers:
            rows.append((f"peer: {name}", *await _peer(place, library)))
    cpu_ms = median(storm.cpu_ms for storm in storms)
    return [
        Table(
            f"Listeners who log in at once, Spotify at {LOW_MS} to {HIGH_MS} ms",
            ("", "listeners", "all, s", "p50 ms", "p99 ms", "CPU ms each", "refused"),
            rows,
            aims=[aim(f"{listeners} cold listeners at once, CPU each", cpu_ms, CPU_MS, "ms")],
            measured={"cold_ms": cpu_ms},
        ),
        _gap_table(listeners, *gaps),
    ]


async def _peer(place: Place, library: str) -> tuple[str, ...]:
    count = QUICK_LISTENERS if place.quick else PEER_LISTENERS
    async with place.peer("--spotify", library) as peer:
        await _storm(place, peer, 2)
        return str(count), *_cells([await _storm(place, peer, count)])


async def _storm(place: Place, server: Server, count: int) -> Storm:
    requests = [post("/lyra/init", place.token(LOW_MS, HIGH_MS)) for _ in range(count)]
    missing, complete = count, asyncio.Event()

    def note(_: Wire) -> None:
        nonlocal missing
        missing -= 1
        if not missing:
            complete.set()

    wires = await connect_each(server, requests, note)
    cpu_s, began = server.cpu_s(), perf_counter()
    for wire in wires:
        wire.send()
    async with asyncio.timeout(LONGEST_S):
        await complete.wait()
    took, used = perf_counter() - began, server.cpu_s() - cpu_s
    late = [wire.last_at - began for wire in wires if wire.served]
    for wire in wires:
        wire.leave()
    await settle()
    return Storm(late, count - len(late), took, used)


async def _beside_streams(
    place: Place, lyra: Server, listeners: int
) -> tuple[list[float], list[float]]:
    """The seconds between two tokens of running streams, before a storm and in it."""
    quiet_s = QUICK_QUIET_S if place.quick else QUIET_S
    tokens = int((quiet_s + 10) * 1000 / GAP_MS)
    load = Load(lyra, question(tokens, GAP_MS, place.token()), timed=True)
    async with AsyncExitStack() as stack:
        streams = await load.open(STREAMS)
        stack.callback(leave_all, streams)
        await ask_all(streams, spread_s=0.5)
        await asyncio.sleep(0.5)
        began = perf_counter()
        await asyncio.sleep(quiet_s)
        storm_at = perf_counter()
        await _storm(place, lyra, listeners)
        return _gaps(streams, began, storm_at), _gaps(streams, storm_at, perf_counter())


def _gaps(streams: Sequence[Stream], since: float, until: float) -> list[float]:
    return [
        after - before
        for stream in streams
        for before, after in pairwise(stream.times)
        if since <= after < until
    ]


def _gap_table(listeners: int, quiet: list[float], storm: list[float]) -> Table:
    rows = [
        (name, *(f"{percentile(gaps, share) * 1000:.1f}" for share in (0.5, 0.99, 1.0)))
        for name, gaps in (("before the storm", quiet), ("in the storm", storm))
    ]
    stutter = percentile(storm, 0.99) / percentile(quiet, 0.99)
    return Table(
        f"{STREAMS} running streams, a token in {GAP_MS} ms, while {listeners} log in",
        ("ms between two tokens", "p50", "p99", "longest"),
        rows,
        aims=[
            aim("token gap in a storm of log-ins, p99, of its quiet value", stutter, STUTTER, "x")
        ],
    )


def _cells(storms: Sequence[Storm]) -> tuple[str, ...]:
    def middle(share: float) -> str:
        return f"{median(percentile(storm.late_s or [0.0], share) for storm in storms) * 1000:,.0f}"

    return (
        f"{median(storm.seconds for storm in storms):.2f}",
        middle(0.5),
        middle(0.99),
        number(median(storm.cpu_ms for storm in storms)),
        str(max(storm.refused for storm in storms)),
    )
