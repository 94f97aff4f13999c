"""Five hundred listeners log in at once; what each costs, and whether running streams stutter."""

import asyncio
import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from time import monotonic

from bench.client import Client, ask_evenly, close_all, connect_all, question, request
from bench.closed_loop import Countdown, connect
from bench.harness import Harness, settle
from bench.processes import Server
from bench.report import Finding, Table, at_most, format_number, percentile

LOW_MS, HIGH_MS = 80, 400
PEER_LISTENERS = 40  # its threads take ten times as long for each
RUNS = 3
STREAMS, GAP_MS = 50, 20
LONGEST_S = 60
OF_LEAN, STUTTER = 1.5, 2  # lean keeps and analyses nothing


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


async def storm(harness: Harness) -> list[Finding]:
    """Storms alone, for the processor; then one beside running streams, for their gaps."""
    count = harness.pick(10, 500)
    async with harness.lyra() as lyra, harness.server("lean", harness.upstream.url) as lean:
        storms = await _storms(harness, lyra, count)
        lean_storms = await _storms(harness, lean, count)
        gaps = await _beside_streams(harness, lyra, count)
    rows = [
        ("Lyra", f"{count}", *_cells(storms)),
        ("lean: five calls gathered, decoded by orjson", f"{count}", *_cells(lean_storms)),
    ]
    if harness.has_peers:
        rows.append(("peer: spotipy in threads", *await _peer(harness)))
    cpu_ms, lean_ms = (median(each.cpu_ms for each in found) for found in (storms, lean_storms))
    return [
        Finding(
            f"Listeners who log in at once, Spotify at {LOW_MS} to {HIGH_MS} ms",
            [at_most(f"{count} cold listeners, CPU each, of lean", cpu_ms / lean_ms, OF_LEAN, "x")],
            table=Table(
                ("", "listeners", "all, s", "p50 ms", "p99 ms", "CPU ms each", "refused"), rows
            ),
            measured={"cold_ms": cpu_ms},
        ),
        _gap_finding(count, *gaps),
    ]


async def _peer(harness: Harness) -> tuple[str, ...]:
    count = harness.pick(10, PEER_LISTENERS)
    async with harness.peer() as peer:
        await _storm(harness, peer, 2)
        return str(count), *_cells([await _storm(harness, peer, count)])


async def _storms(harness: Harness, server: Server, count: int) -> list[Storm]:
    await _storm(harness, server, 10)
    return [await _storm(harness, server, count) for _ in range(RUNS)]


async def _storm(harness: Harness, server: Server, count: int) -> Storm:
    listeners = [harness.listener(LOW_MS, HIGH_MS) for _ in range(count)]
    answers = Countdown(count)
    sent = [request("POST", "/lyra/init", token) for token in listeners]
    wires = await connect(server, sent, answers.note)
    cpu_s, began = server.cpu_s(), monotonic()
    for wire in wires:
        wire.send()
    await answers.wait(LONGEST_S)
    took, used_s = monotonic() - began, server.cpu_s() - cpu_s
    late = [wire.last_at - began for wire in wires if wire.served]
    for wire in wires:
        wire.close()
    await settle()
    return Storm(late, count - len(late), took, used_s)


async def _beside_streams(
    harness: Harness, lyra: Server, listeners: int
) -> tuple[list[float], list[float]]:
    """The seconds between two tokens of running streams, before a storm and in it."""
    quiet_s = harness.pick(0.3, 2.0)
    pace = f"{int((quiet_s + 10) * 1000 / GAP_MS)}x{GAP_MS}"
    async with AsyncExitStack() as stack:
        clients = await connect_all(lyra.port, STREAMS)
        stack.callback(close_all, clients)
        for client in clients:
            client.times = []
        await ask_evenly(clients, question(harness.listener(), 0, pace), spread_s=0.5)
        await asyncio.sleep(0.5)
        began = monotonic()
        await asyncio.sleep(quiet_s)
        storm_at = monotonic()
        await _storm(harness, lyra, listeners)
        return _gaps(clients, began, storm_at), _gaps(clients, storm_at, monotonic())


def _gaps(clients: Sequence[Client], since: float, until: float) -> list[float]:
    return [
        after - before
        for client in clients
        for before, after in pairwise(client.times or ())
        if since <= after < until
    ]


def _gap_finding(listeners: int, quiet: list[float], storm: list[float]) -> Finding:
    stutter = percentile(storm, 0.99) / percentile(quiet, 0.99)
    return Finding(
        f"{STREAMS} running streams, a token in {GAP_MS} ms, while {listeners} log in",
        [at_most("token gap in a storm, p99, of its quiet value", stutter, STUTTER, "x")],
        table=Table(
            ("ms between two tokens", "p50", "p99", "longest"),
            [
                (
                    name,
                    *(format_number(percentile(gaps, share) * 1000) for share in (0.5, 0.99, 1.0)),
                )
                for name, gaps in (("before the storm", quiet), ("in the storm", storm))
            ],
        ),
    )


def _cells(storms: Sequence[Storm]) -> tuple[str, ...]:
    def middle(share: float) -> str:
        return f"{median(percentile(storm.late_s, share) for storm in storms) * 1000:,.0f}"

    return (
        f"{median(storm.seconds for storm in storms):.2f}",
        middle(0.5),
        middle(0.99),
        format_number(median(storm.cpu_ms for storm in storms)),
        str(max(storm.refused for storm in storms)),
    )
