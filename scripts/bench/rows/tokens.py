"""What a token costs from the model through the service to the reader, 200 streams at once."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from statistics import median
from time import perf_counter, process_time

from bench.harness import Place
from bench.report import Aim, Table, aim, ratio, times
from bench.slices import Slice, Slices, Take, take_turns, told
from bench.streams import (
    MODEL_WORD,
    Load,
    Stream,
    all_ended,
    ask_all,
    leave_all,
    model_call,
    question,
)

STREAMS, TOKENS, GAP_MS, SLICES = 200, 150, 20, 3
SPREAD_S = 0.5  # between the first question and the last
QUICK_STREAMS, QUICK_TOKENS, QUICK_SLICES = 20, 40, 1
OF_LEAN, OF_PEER = 1.3, 3.0
LYRA, LEAN = "Lyra", "lean pipeline"
PEER, PEER_AIOHTTP = "peer", "peer, the SDK on its aiohttp transport"
LOAD = "no service: what the load itself costs, model and readers"


async def measure(place: Place) -> list[Table]:
    """Whole answers, paced; processor of the service for each token."""
    streams, tokens = (QUICK_STREAMS, QUICK_TOKENS) if place.quick else (STREAMS, TOKENS)
    wanted = QUICK_SLICES if place.quick else SLICES
    async with AsyncExitStack() as stack:
        loads = await _loads(place, stack, tokens)
        lasting_s = tokens * GAP_MS / 1000
        takes = {name: _take(load, streams, lasting_s) for name, load in loads.items()}
        for load in loads.values():
            await _answers(load, 4, 0)
        found = await take_turns(place, takes, wanted)
    return [
        Table(
            f"Model to reader, {streams} streams, {tokens} tokens each, one in {GAP_MS} ms",
            (
                f"median of {wanted} slices",
                "CPU us/token",
                "of lean",
                "tokens/s a core",
                "all running",
                "busy",
            ),
            [(name, *_cells(each, found[LEAN])) for name, each in found.items()],
            notes=[
                told(found),
                "CPU of whole answers, their requests counted in; all running: between those, by token.",
            ],
            aims=_aims(found),
            measured={"token_us": median(found[LYRA].cpu_us)},
        )
    ]


async def _loads(place: Place, stack: AsyncExitStack, tokens: int) -> dict[str, Load]:
    ask = question(tokens, GAP_MS, place.token())
    upstream = place.upstream.url
    lean = await stack.enter_async_context(place.yardstick("relay", upstream))
    loads = {
        LEAN: Load(lean, ask),
        LYRA: Load(await stack.enter_async_context(place.lyra()), ask),
        LOAD: Load(place.upstream, model_call(tokens, GAP_MS), MODEL_WORD),
    }
    if place.has_peers:
        loads[PEER] = Load(await stack.enter_async_context(place.peer()), ask)
        quicker = await stack.enter_async_context(place.peer("--sdk", "aiohttp"))
        loads[PEER_AIOHTTP] = Load(quicker, ask)
    return loads


def _take(load: Load, streams: int, lasting_s: float) -> Take:
    return lambda: _answers(load, streams, lasting_s)


async def _answers(load: Load, count: int, lasting_s: float) -> Slice:
    """So many answers from the first question to the last end; and the part when all run."""
    streams = await load.open(count)
    cpu_s, began = _cpu_s(load), perf_counter()
    await ask_all(streams, SPREAD_S)
    all_run_s, words = _cpu_s(load), _words(streams)
    await asyncio.sleep(max(0.0, lasting_s - SPREAD_S - 0.1))
    steady_us = (_cpu_s(load) - all_run_s) / max(1, _words(streams) - words) * 1e6
    await all_ended(streams)
    used, took = _cpu_s(load) - cpu_s, perf_counter() - began
    leave_all(streams)
    return Slice(_words(streams), took, used, steady_us)


def _cpu_s(load: Load) -> float:
    """The subject's processor time; of the load alone, the model's and the readers'."""
    return load.server.cpu_s() + (process_time() if load.word == MODEL_WORD else 0.0)


def _words(streams: Sequence[Stream]) -> int:
    return sum(stream.words for stream in streams)


def _cells(one: Slices, lean: Slices) -> tuple[str, ...]:
    cpu_us = median(one.cpu_us)
    return (
        f"{cpu_us:.1f}",
        times(one.cpu_us, lean.cpu_us),
        f"{1e6 / cpu_us:,.0f}",
        f"{median(one.steady_us):.1f} us",
        f"{one.busy:.0%}",
    )


def _aims(found: dict[str, Slices]) -> list[Aim]:
    lyra = found[LYRA].cpu_us
    of_lean = ratio(lyra, found[LEAN].cpu_us)
    aims = [aim("CPU per token against the lean pipeline", of_lean, OF_LEAN, "x")]
    for name in (PEER, PEER_AIOHTTP):
        if name in found:
            of_peer = ratio(found[name].cpu_us, lyra)
            what = f"tokens/s a core against the {name}"
            aims.append(aim(what, of_peer, OF_PEER, "x", least=True))
    return aims
