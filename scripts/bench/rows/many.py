"""Five thousand open streams on one process, beside the peer on the same load."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import perf_counter

from bench.harness import Place
from bench.processes import Server
from bench.report import Aim, Promise, Table, aim, number, times
from bench.streams import Load, Stream, begin_many, leave_all, question

STREAMS, QUICK_STREAMS = 5_000, 50
GAP_MS, QUICK_GAP_MS = 2_000, 50
AT_ONCE = 50  # questions whose first word is waited for
STEADY_S, QUICK_STEADY_S = 6.0, 0.3
LONGEST_S = 60
LASTING_MS = 240_000  # an answer, so that none ends before the last one has begun
OF_PEER = 0.5
LYRA, PEER = "Lyra", "peer: sse-starlette, the SDK on aiohttp"


@dataclass(frozen=True)
class Held:
    """How many were open to the end, and what they have cost while nothing opened or ended."""

    held: int
    words: int
    cpu_s: float
    seconds: float
    opening_s: float
    resident: int

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor for each token."""
        return self.cpu_s / self.words * 1e6

    @property
    def busy(self) -> float:
        """The share of a core."""
        return self.cpu_s / self.seconds


async def measure(place: Place) -> list[Table]:
    """Open them, and watch them while nothing opens or ends."""
    count = QUICK_STREAMS if place.quick else STREAMS
    found = {}
    async with place.lyra() as lyra:
        found[LYRA] = await hold(place, lyra, count)
    if place.has_peers:
        async with place.peer("--sdk", "aiohttp") as peer:
            found[PEER] = await hold(place, peer, count)
    gap_ms = QUICK_GAP_MS if place.quick else GAP_MS
    return [
        Table(
            f"{count:,} open streams on one process, a token in {gap_ms:,} ms each",
            ("", "held", "CPU us/token", "of Lyra", "busy", "opening, s", "MiB"),
            [(name, *_cells(each, found[LYRA])) for name, each in found.items()],
            promises=[
                Promise(
                    f"{count:,} streams are held without an error (found {found[LYRA].held:,})",
                    found[LYRA].held == count,
                )
            ],
            aims=_aims(found),
        )
    ]


async def hold(place: Place, server: Server, count: int, gap_ms: int | None = None) -> Held:
    """Hold so many streams for a while."""
    gap_ms = gap_ms or (QUICK_GAP_MS if place.quick else GAP_MS)
    steady_s = QUICK_STEADY_S if place.quick else STEADY_S
    tokens = LASTING_MS // gap_ms
    async with AsyncExitStack() as stack:
        await _first(Load(server, question(1, 0, place.token())))
        streams: list[Stream] = []
        stack.callback(leave_all, streams)
        began = perf_counter()
        await _begin(Load(server, question(tokens, gap_ms, place.token())), count, streams)
        opened_s, words, cpu_s = perf_counter() - began, _words(streams), server.cpu_s()
        await asyncio.sleep(steady_s)
        used, said, resident = server.cpu_s() - cpu_s, _words(streams) - words, server.resident()
        held = sum(map(_held, streams))
    return Held(held, said, used, steady_s, opened_s, resident)


async def _first(load: Load) -> None:
    """Load what is imported late."""
    stream = await load.one()
    stream.ask()
    async with asyncio.timeout(LONGEST_S):
        await stream.ended
    stream.leave()


def _words(streams: Sequence[Stream]) -> int:
    return sum(stream.words for stream in streams)


async def _begin(load: Load, count: int, opened: list[Stream]) -> None:
    """Wait until each has had a word, or is lost; not for ever, since a silent one is a result."""
    try:
        async with asyncio.timeout(LONGEST_S):
            await begin_many(load, count, AT_ONCE, opened)
    except TimeoutError:
        return


def _held(stream: Stream) -> bool:
    return stream.served and stream.words > 0 and not stream.ended.done()


def _cells(one: Held, lyra: Held) -> tuple[str, ...]:
    return (
        f"{one.held:,}",
        number(one.cpu_us),
        times([one.cpu_us], [lyra.cpu_us]),
        f"{one.busy:.0%}",
        f"{one.opening_s:.1f}",
        f"{one.resident / 2**20:.0f}",
    )


def _aims(found: dict[str, Held]) -> list[Aim]:
    if PEER not in found:
        return []
    share = found[LYRA].cpu_us / found[PEER].cpu_us
    return [aim("open streams, CPU against sse-starlette's", share, OF_PEER, "x")]
