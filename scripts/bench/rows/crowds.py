"""Very many open streams, and very many connections at rest: what they weigh, and whom they disturb."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median
from time import monotonic, perf_counter
from typing import NamedTuple

from bench.client import (
    Client,
    Reply,
    at_once,
    close_all,
    question,
    request,
    until_spoken,
    words_of,
)
from bench.harness import Harness
from bench.processes import Server
from bench.report import Figure, Finding, Table, at_most, exactly, format_number, percentile, times
from bench.service import Service

STREAMS = 300, 5000, 5000
IDLE = 500, 10_000, 10_000
IDLE_KIB = 10
OPENING = 50
OPENING_S = 60
LASTING_MS = 240_000  # an answer, so that none ends before the last one has begun
OF_PEER = 0.5
SPARE_FILES = 200
FILES_A_STREAM = 2  # the reader's connection and the model's
KIB = 1024
OK = 200

SLICES = 2, 20, 30
SLICE_S = 0.5
CALM_S = 1.0, 11.0, 11.0  # a timer of a new connection, for its first head, goes off after ten
ASKERS = 4
SLOWER = 1.1  # by how much of their own time the others may be


@dataclass(frozen=True)
class Held:
    """How many are open, and what they have cost while nothing opened or ended."""

    open: int
    words: int
    cpu_s: float
    seconds: float
    opening_s: float
    memory_bytes: int

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor for each token."""
        return self.cpu_s / max(1, self.words) * 1e6

    @property
    def busy(self) -> float:
        """The share of a core."""
        return self.cpu_s / self.seconds


@asynccontextmanager
async def hold(harness: Harness, server: Server, count: int, gap_ms: int) -> AsyncIterator[Held]:
    """Hold so many streams until the end of the block, each with a word every `gap_ms`."""
    token = harness.listener()
    first = await Client.connect(server.port)
    await first.ask(question(token, 0, "quick"))  # loads what is imported late
    clients, replies = [first], list[asyncio.Future[Reply]]()
    sent, began = question(token, 0, f"{LASTING_MS // gap_ms}x{gap_ms}"), monotonic()

    async def begin() -> None:
        client = await Client.connect(server.port)
        clients.append(client)
        reply = client.ask(sent)
        replies.append(reply)
        await until_spoken(client, reply)

    try:
        async with asyncio.timeout(OPENING_S):
            await at_once(OPENING, (begin() for _ in range(count)))
        opened_s, words, cpu_s = monotonic() - began, words_of(clients), server.cpu_s()
        steady_s = harness.pick(0.3, 6.0)
        await asyncio.sleep(steady_s)
        used_s, said, memory = (
            server.cpu_s() - cpu_s,
            words_of(clients) - words,
            server.memory_bytes,
        )
        still_open = sum(not reply.done() for reply in replies)
        yield Held(still_open, said, used_s, steady_s, opened_s, memory)
    finally:
        close_all(clients)


async def streams(harness: Harness) -> Finding:
    """Five thousand answers open at once, a word every two seconds each, beside the peer's."""
    wanted, gap_ms = harness.count(*STREAMS), harness.pick(50, 2_000)
    count = min(wanted, (harness.files - SPARE_FILES) // FILES_A_STREAM)
    held = {}
    async with harness.lyra() as lyra:
        token = harness.listener()
        await lyra.warm([token])
        async with hold(harness, lyra, count, gap_ms) as held["Lyra"]:
            calls = await harness.open_calls()
            bystander = await lyra.init(token)
        left = await harness.until_open(0)
        after = await lyra.settled(lambda metrics: not metrics["lyra_streams"])
    if harness.has_peers:
        async with (
            harness.peer("--sdk", "aiohttp") as peer,
            hold(harness, peer, count, gap_ms) as held["peer: sse-starlette, the SDK on aiohttp"],
        ):
            pass
    of_peer = [held["Lyra"].cpu_us / each.cpu_us for each in list(held.values())[1:]]
    aim = "open streams, CPU against sse-starlette's"
    return Finding(
        f"{wanted:,} open streams on one process, a token in {gap_ms:,} ms each",
        [
            exactly("streams open", held["Lyra"].open, wanted),
            exactly("model calls held open by them", calls, count),
            exactly("another request meanwhile", bystander.status, OK),
            exactly(
                "streams and model calls after all have left",
                round(after["lyra_streams"]) + left,
                0,
            ),
            *(at_most(aim, share, OF_PEER, "x") for share in of_peer),
        ],
        ["What a stream weighs: `memory`.", *_few_files(harness, count, wanted)],
        Table(
            ("", "held", "CPU us/token", "of Lyra", "busy", "opening, s", "MiB"),
            [(name, *_cells(each, held["Lyra"])) for name, each in held.items()],
        ),
    )


def _cells(one: Held, lyra: Held) -> tuple[str, ...]:
    return (
        f"{one.open:,}",
        format_number(one.cpu_us),
        times([one.cpu_us], [lyra.cpu_us]),
        f"{one.busy:.0%}",
        f"{one.opening_s:.1f}",
        f"{one.memory_bytes / 2**20:.0f}",
    )


def _few_files(harness: Harness, count: int, wanted: int) -> Iterator[str]:
    if count < wanted:
        yield f"Only {count:,} fit: this process may not have more than {harness.files:,} open files."


class Turns(NamedTuple):
    """Seconds of warm requests, by turns, to the process without the connections and to the other."""

    alone: list[list[float]]
    beside: list[list[float]]

    def percentiles_ms(self, share: float) -> tuple[float, float]:
        """The median over the turns of what this share of each turn is below."""
        alone, beside = (median(percentile(turn, share) for turn in turns) * 1000 for turns in self)
        return alone, beside


async def idle(harness: Harness) -> Finding:
    """Ten thousand connections at rest: their weight, and how others fare with and without them.

    They are at rest once the timer for a head that each of them came with has gone off and was set
    for their rest. All came within seconds, and so do these timers, in bursts of a millisecond: who
    asks meanwhile is told of an arrival, and not of a rest.
    """
    wanted = harness.count(*IDLE)
    count = min(wanted, harness.files - SPARE_FILES)
    calm_s = harness.pick(*CALM_S)
    async with harness.service("without") as without, harness.service("with") as crowded:
        token = harness.token()
        for service in (without, crowded):
            await service.warm([token])
            await _timed(service, token)
        equal = await _in_turns(without, crowded, token, harness.count(*SLICES) // 2)
        before = crowded.memory_bytes
        resting = await _rest(crowded, count)
        weight = (crowded.memory_bytes - before) / count / KIB
        await asyncio.sleep(calm_s)
        turns = await _in_turns(without, crowded, token, harness.count(*SLICES))
        lost = sum(each.lost for each in resting)
        for each in resting:
            each.close()
    return Finding(
        f"{wanted:,} connections at rest",
        [
            exactly("connections at rest", count, wanted),
            exactly("of them closed meanwhile", lost, 0),
            at_most("memory of a connection", weight, IDLE_KIB, "KiB"),
            *_compared("a warm POST /lyra/init of others, p50", equal, turns, 0.5),
            *_compared("a warm POST /lyra/init of others, p99", equal, turns, 0.99),
        ],
        notes=[
            f"Two equal processes take turns of {SLICE_S:g} s, {ASKERS} connections that ask without a pause; medians of the turns.",
            "The yardstick: the same two before the connections came. What they differ by then is the machine's.",
            *_few_files(harness, count, wanted),
        ],
    )


async def _in_turns(without: Service, crowded: Service, token: str, count: int) -> Turns:
    """The times of both, who begin in turn."""
    turns = Turns([], [])
    for number in range(count):
        pairs = [(without, turns.alone), (crowded, turns.beside)]
        for service, seconds in pairs if number % 2 else reversed(pairs):
            seconds.append(await _timed(service, token))
    return turns


async def _rest(service: Service, count: int) -> list[Client]:
    """Connections that have asked once, and stay."""
    clients: list[Client] = []

    async def come() -> None:
        client = await service.connect()
        await client.ask(request("GET", "/healthz"))
        clients.append(client)

    await at_once(OPENING, (come() for _ in range(count)))
    return clients


async def _timed(service: Service, token: str) -> list[float]:
    """The times of warm requests, asked one after another over a few connections."""
    seconds: list[float] = []
    until, sent = perf_counter() + SLICE_S, request("POST", "/lyra/init", token)

    async def keep_asking() -> None:
        client = await service.connect()
        while perf_counter() < until:
            reply = await client.ask(sent)
            if reply.status != OK:
                raise RuntimeError(f"a warm request was refused: status {reply.status}")
            seconds.append(reply.seconds)
        client.close()

    await at_once(ASKERS, (keep_asking() for _ in range(ASKERS)))
    return seconds


def _compared(what: str, equal: Turns, turns: Turns, share: float) -> Iterator[Figure]:
    first, second = equal.percentiles_ms(share)
    yield Figure(f"{what}: yardstick", f"{first:.2f} / {second:.2f} ms")
    without, with_ = turns.percentiles_ms(share)
    found, aim = f"{without:.2f} / {with_:.2f} ms, {with_ / without:.2f} x", f"<= {SLOWER:g} x"
    yield Figure(f"{what}: without / with them", found, aim, with_ <= SLOWER * without)
