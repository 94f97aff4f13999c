"""What a token costs from the model through the service to the reader, 200 streams at once."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median
from time import monotonic, process_time

from bench.client import (
    MODEL_WORD,
    WORD,
    all_served,
    ask_evenly,
    close_all,
    connect_all,
    model_call,
    question,
    words_of,
)
from bench.harness import Harness
from bench.processes import Server
from bench.report import Figure, Finding, Table, at_least, at_most, ratio, times
from bench.slices import Slice, Slices, Take, disturbance, take_turns

GAP_MS = 20
SPREAD_S = 0.5  # between the first question and the last
LIMIT_S = 120
OF_LEAN, OF_PEER = 1.3, 3.0
LYRA, LEAN = "Lyra", "lean pipeline"
PEER, PEER_AIOHTTP = "peer", "peer, the SDK on its aiohttp transport"
LOAD = "no service: what the load itself costs, model and readers"


@dataclass(frozen=True)
class Answers:
    """Answers to be read from one server."""

    server: Server
    sent: bytes
    word: bytes = WORD

    async def read(self, count: int, lasting_s: float) -> Slice:
        """So many answers from the first question to the last end; and the part when all run."""
        clients = await connect_all(self.server.port, count, self.word)
        cpu_s, began = self._cpu_s(), monotonic()
        replies = await ask_evenly(clients, self.sent, SPREAD_S)
        all_run_s, words = self._cpu_s(), words_of(clients)
        await asyncio.sleep(max(0.0, lasting_s - SPREAD_S - 0.1))
        steady_us = (self._cpu_s() - all_run_s) / max(1, words_of(clients) - words) * 1e6
        await all_served(replies, LIMIT_S)
        used_s, took = self._cpu_s() - cpu_s, monotonic() - began
        close_all(clients)
        return Slice(words_of(clients), took, used_s, steady_us)

    def take(self, count: int, lasting_s: float) -> Take:
        """The same, to be taken in turns."""
        return lambda: self.read(count, lasting_s)

    def _cpu_s(self) -> float:
        """The subject's processor time; of the load alone, the model's and the readers'."""
        return self.server.cpu_s() + (process_time() if self.word == MODEL_WORD else 0.0)


async def tokens(harness: Harness) -> list[Finding]:
    """Whole answers, paced; processor of the service for each token."""
    streams, words, wanted = harness.pick((20, 40, 1), (200, 150, 3))
    async with AsyncExitStack() as stack:
        subjects = await _subjects(harness, stack, f"{words}x{GAP_MS}")
        for each in subjects.values():
            await each.read(4, 0)
        lasting_s = words * GAP_MS / 1000
        takes = {name: each.take(streams, lasting_s) for name, each in subjects.items()}
        slices = await take_turns(harness.watch, takes, wanted)
    return [
        Finding(
            f"Model to reader, {streams} streams, {words} tokens each, one in {GAP_MS} ms",
            _figures(slices),
            [
                disturbance(slices),
                "CPU of whole answers, their requests counted in; all running: between those, by token.",
            ],
            Table(
                (
                    *(f"median of {wanted} slices", "CPU us/token", "of lean"),
                    *("tokens/s a core", "all running", "busy"),
                ),
                [(name, *_cells(each, slices[LEAN])) for name, each in slices.items()],
            ),
            measured={"token_us": median(slices[LYRA].cpu_us)},
        )
    ]


async def _subjects(harness: Harness, stack: AsyncExitStack, pace: str) -> dict[str, Answers]:
    ask = question(harness.listener(), 0, pace)
    lean = await stack.enter_async_context(harness.server("lean", harness.upstream.url))
    subjects = {
        LEAN: Answers(lean, ask),
        LYRA: Answers(await stack.enter_async_context(harness.lyra()), ask),
        LOAD: Answers(harness.upstream, model_call(0, pace), MODEL_WORD),
    }
    if harness.has_peers:
        for name, options in ((PEER, ()), (PEER_AIOHTTP, ("--sdk", "aiohttp"))):
            subjects[name] = Answers(await stack.enter_async_context(harness.peer(*options)), ask)
    return subjects


def _cells(one: Slices, lean: Slices) -> tuple[str, ...]:
    cpu_us = median(one.cpu_us)
    return (
        f"{cpu_us:.1f}",
        times(one.cpu_us, lean.cpu_us),
        f"{1e6 / cpu_us:,.0f}",
        f"{median(one.steady_us):.1f} us",
        f"{one.busy:.0%}",
    )


def _figures(slices: dict[str, Slices]) -> list[Figure]:
    lyra = slices[LYRA].cpu_us
    of_lean = ratio(lyra, slices[LEAN].cpu_us)
    return [
        at_most("CPU per token against the lean pipeline", of_lean, OF_LEAN, "x"),
        *(
            at_least(
                f"tokens/s a core against the {name}",
                ratio(slices[name].cpu_us, lyra),
                OF_PEER,
                "x",
            )
            for name in (PEER, PEER_AIOHTTP)
            if name in slices
        ),
    ]
