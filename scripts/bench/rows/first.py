"""How much later the first word comes through the service than from the model itself.

Alone, beside open streams on a core with time to spare, and beside as many as fill 85 % of it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from statistics import median

from bench.client import (
    MODEL_WORD,
    WORD,
    Client,
    all_served,
    ask_evenly,
    close_all,
    connect_all,
    model_call,
    question,
)
from bench.harness import Harness, settle
from bench.processes import Server
from bench.report import Figure, Finding, Table, at_most, format_number, ms, percentile

GAP_MS = 20
ARRIVALS_A_S = 20
SHORT = "2x5"  # the answers whose first word is timed
OPENING_S = 1.0
BUSY, NEAR = 0.85, 0.02  # of the subject's core
LOOK_S, LOOKS, LEAST = 1.0, 12, 5
MOST = 2_000  # streams
LOAD_FULL = 0.9  # of the load's core
LIMIT_S = 30
OF_LEAN, BESIDE_OF_LEAN, BUSY_OF_LEAN = 2.2, 1.5, 2.5
LYRA, PEER, DIRECT, LEAN = "Lyra", "peer", "the model itself", "lean pipeline"


@dataclass
class Subject:
    """One way to the model, and the times to the first word that were measured with it."""

    server: Server
    token: str = ""  # of a listener; none where it is the model
    alone: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)

    def ask(self, pace: str) -> bytes:
        """A question whose answer has this pace."""
        return question(self.token, 0, pace) if self.token else model_call(0, pace)

    @property
    def word(self) -> bytes:
        return WORD if self.token else MODEL_WORD

    @asynccontextmanager
    async def streams(self, count: int, lasting_s: float) -> AsyncIterator[list[Client]]:
        """So many open answers, a token every `GAP_MS`; the list may be added to."""
        clients: list[Client] = []
        try:
            await self.add(clients, count, lasting_s)
            yield clients
        finally:
            close_all(clients)

    async def add(self, clients: list[Client], count: int, lasting_s: float) -> None:
        """Open so many more."""
        more = await connect_all(self.server.port, count, self.word)
        clients += more
        await ask_evenly(more, self.ask(f"{int(lasting_s * 1000 / GAP_MS)}x{GAP_MS}"), OPENING_S)

    async def arrivals(self, lasting_s: float) -> list[float]:
        """Seconds to the first word from when each question was due; questions wait for nobody."""
        rng, due, moments = Random(7), 0.0, []  # noqa: S311 - the same arrivals for everybody
        while due < lasting_s:
            due += rng.expovariate(ARRIVALS_A_S)
            moments.append(due)
        clients = await connect_all(self.server.port, len(moments), self.word)
        loop, sent = asyncio.get_running_loop(), self.ask(SHORT)
        began, late, replies = loop.time(), [], []
        for moment, client in zip(moments, clients, strict=True):
            await asyncio.sleep(began + moment - loop.time())
            replies.append(client.ask(sent))
            late.append(loop.time() - began - moment)
        served = await all_served(replies, LIMIT_S)
        close_all(clients)
        return [reply.first_s + waited for reply, waited in zip(served, late, strict=True)]


@dataclass(frozen=True)
class Busy:
    """First words beside streams that keep a core busy, and what was busy."""

    streams: int
    busy: float
    load_busy: float
    seconds: list[float]


async def first(harness: Harness) -> list[Finding]:
    """One question at a time; then arrivals beside open streams, few and many."""
    async with AsyncExitStack() as stack:
        subjects = await _subjects(harness, stack)
        await _alone(subjects, harness.pick(10, 200))
        opened, lasting_s = harness.pick((10, 0.5), (200, 10.0))
        for name, subject in subjects.items():
            if name != PEER:  # it cannot keep up with as many: its times would be those of a queue
                async with subject.streams(opened, lasting_s + 2 * OPENING_S):
                    subject.beside.extend(await subject.arrivals(lasting_s))
                await settle()
        share = harness.pick(0.2, BUSY)
        busy = {name: await _busy(harness, subjects[name], share) for name in (LYRA, LEAN)}
        count = busy[LYRA].streams
        busy["lean pipeline, as many as Lyra"] = await _with(harness, subjects[LEAN], count)
        busy[DIRECT] = await _with(harness, subjects[DIRECT], count)
    return [_finding(subjects, opened), _busy_finding(busy, share)]


async def _subjects(harness: Harness, stack: AsyncExitStack) -> dict[str, Subject]:
    token = harness.listener()
    lean = await stack.enter_async_context(harness.server("lean", harness.upstream.url))
    subjects = {
        DIRECT: Subject(harness.upstream),
        LYRA: Subject(await stack.enter_async_context(harness.lyra()), token),
        LEAN: Subject(lean, token),
    }
    if harness.has_peers:
        subjects[PEER] = Subject(await stack.enter_async_context(harness.peer()), token)
    return subjects


async def _alone(subjects: dict[str, Subject], count: int) -> None:
    """One question at a time, each way in its turn."""
    clients = {
        name: await Client.connect(each.server.port, word=each.word)
        for name, each in subjects.items()
    }
    for number in range(-5, count):
        for name, client in clients.items():
            (reply,) = await all_served([client.ask(subjects[name].ask(SHORT))], LIMIT_S)
            if number >= 0:  # the first ones load the listener and open connections
                subjects[name].alone.append(reply.first_s)
    close_all(list(clients.values()))


async def _busy(harness: Harness, subject: Subject, share: float) -> Busy:
    """Open streams until this share of the subject's core is used; then arrivals."""
    lasting_s = harness.pick(0.5, 15.0)
    long_s = lasting_s + LOOKS * (LOOK_S + OPENING_S) + 5
    async with subject.streams(harness.pick(10, 200), long_s) as clients:
        for _ in range(LOOKS):
            load = harness.watch()
            used = await _used(harness, subject.server)
            # Where the load's own core is full, more streams would only wait there.
            if abs(used - share) <= NEAR or len(clients) >= MOST or load.load_busy() > LOAD_FULL:
                break
            wanted = round(len(clients) * (share - used) / used)
            if wanted > 0:
                more = min(max(LEAST, wanted), MOST - len(clients))
                await subject.add(clients, more, long_s)
            else:
                fewer = min(max(LEAST, -wanted), len(clients) // 2)
                close_all(clients[-fewer:])
                del clients[-fewer:]
                await settle()
        found = await _measured(harness, subject, len(clients), lasting_s)
    await settle()
    return found


async def _with(harness: Harness, subject: Subject, count: int) -> Busy:
    lasting_s = harness.pick(0.5, 15.0)
    async with subject.streams(count, lasting_s + 5 * OPENING_S):
        found = await _measured(harness, subject, count, lasting_s)
    await settle()
    return found


async def _measured(harness: Harness, subject: Subject, count: int, lasting_s: float) -> Busy:
    loop, load = asyncio.get_running_loop(), harness.watch()
    began, before = loop.time(), subject.server.cpu_s()
    seconds = await subject.arrivals(lasting_s)
    took = loop.time() - began
    return Busy(count, (subject.server.cpu_s() - before) / took, load.load_busy(), seconds)


async def _used(harness: Harness, server: Server) -> float:
    loop = asyncio.get_running_loop()
    before, began = server.cpu_s(), loop.time()
    await asyncio.sleep(harness.pick(0.2, LOOK_S))
    return (server.cpu_s() - before) / (loop.time() - began)


def _finding(subjects: dict[str, Subject], opened: int) -> Finding:
    lyra, lean, direct = subjects[LYRA], subjects[LEAN], subjects[DIRECT]
    added, lean_added = (median(each.alone) - median(direct.alone) for each in (lyra, lean))
    return Finding(
        f"First word of a warm listener; {ARRIVALS_A_S} arrivals/s beside {opened} open streams",
        [
            at_most(
                "added to the first word, one at a time, median, of lean",
                added / lean_added,
                OF_LEAN,
                "x",
            ),
            _of_lean("beside open streams", lyra.beside, lean.beside, BESIDE_OF_LEAN),
        ],
        [
            f"{len(lyra.alone)} questions alone, {len(lyra.beside)} arrivals.",
            f"The open streams get a token in {GAP_MS} ms each. Arrivals wait for nobody.",
        ],
        Table(
            ("ms", "alone: median", "p99", f"{opened} open: median", "p99"),
            [
                (name, *_shares(each.alone), *_shares(each.beside))
                for name, each in subjects.items()
            ],
        ),
    )


def _busy_finding(busy: dict[str, Busy], share: float) -> Finding:
    full = any(busy[name].busy < share - 2 * NEAR for name in (LYRA, LEAN))
    return Finding(
        f"First word of a warm listener, {share:.0%} of its core busy with streams",
        [_of_lean("on a busy core", busy[LYRA].seconds, busy[LEAN].seconds, BUSY_OF_LEAN)],
        [
            f"Streams of a token in {GAP_MS} ms each are opened until the core is as busy as that.",
            f"Then there are {ARRIVALS_A_S} arrivals/s, {len(busy[LYRA].seconds)} in all.",
            "The other core has the model, the readers and whoever asks.",
            *(["DISTURBED: the other core was full before, so it is less busy."] if full else []),
        ],
        Table(
            ("ms", "streams", "its core busy", "the other", "median", "p99"),
            [
                (
                    name,
                    f"{each.streams:,}",
                    f"{each.busy:.0%}",
                    f"{each.load_busy:.0%}",
                    *_shares(each.seconds),
                )
                for name, each in busy.items()
            ],
        ),
    )


def _of_lean(where: str, lyra: Sequence[float], lean: Sequence[float], limit: float) -> Figure:
    times = percentile(lyra, 0.99) / percentile(lean, 0.99)
    return at_most(f"first word {where}, p99 of the lean pipeline's", times, limit, "x")


def _shares(seconds: list[float]) -> tuple[str, str]:
    return (ms(seconds), format_number(percentile(seconds, 0.99) * 1000)) if seconds else ("-", "-")
