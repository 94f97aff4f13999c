"""Five thousand open streams on one process, beside the peer on the same load."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import perf_counter

from bench.place import Place
from bench.report import Aim, Promise, Table, aim, number, times
from bench.server import Server
from bench.streams import Load, Stream, ask_all, leave_all, question

STREAMS, QUICK_STREAMS = 5_000, 50
GAP_MS, QUICK_GAP_MS = 2_000, 50
OPENING_A_S = 700
STEADY_S, QUICK_STEADY_S = 6.0, 0.3
LONGEST_S = 60
OF_PEER = 0.5
LYRA, PEER = "Lyra", "peer: sse-starlette, the SDK on aiohttp"


@dataclass(frozen=True)
class Held:
    """What holding them has cost, once all were open, and how they have ended."""

    ended_well: int
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
    """Open them, watch them while nothing opens or ends, and let all end."""
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
            ("", "ended well", "CPU us/token", "of Lyra", "busy", "opening, s", "MiB"),
            [(name, *_cells(each, found[LYRA])) for name, each in found.items()],
            promises=[
                Promise(
                    f"{count:,} streams are held, and all end well (found {found[LYRA].ended_well:,})",
                    found[LYRA].ended_well == count,
                )
            ],
            aims=_aims(found),
        )
    ]


async def hold(place: Place, server: Server, count: int, gap_ms: int | None = None) -> Held:
    """Hold so many streams for a while."""
    gap_ms = gap_ms or (QUICK_GAP_MS if place.quick else GAP_MS)
    steady_s = QUICK_STEADY_S if place.quick else STEADY_S
    opening_s = count / OPENING_A_S
    tokens = int((1.5 * opening_s + steady_s + 1) * 1000 / gap_ms) + 1
    async with AsyncExitStack() as stack:
        await _first(Load(server, question(1, 0, place.token())))
        streams = await Load(server, question(tokens, gap_ms, place.token())).open(count)
        stack.callback(leave_all, streams)
        began = perf_counter()
        await ask_all(streams, opening_s)
        await _all_speak(streams)
        opened_s, words, cpu_s = perf_counter() - began, _words(streams), server.cpu_s()
        await asyncio.sleep(steady_s)
        used, said, resident = server.cpu_s() - cpu_s, _words(streams) - words, server.resident()
        well = await _ended_well(streams)
    return Held(well, said, used, steady_s, opened_s, resident)


async def _first(load: Load) -> None:
    """Load what is imported late."""
    stream = await load.one()
    stream.ask()
    async with asyncio.timeout(LONGEST_S):
        await stream.ended
    stream.leave()


def _words(streams: Sequence[Stream]) -> int:
    return sum(stream.words for stream in streams)


async def _all_speak(streams: Sequence[Stream]) -> None:
    """Wait until each has had a word, or is lost."""
    async with asyncio.timeout(LONGEST_S):
        while not all(stream.words or stream.ended.done() for stream in streams):  # noqa: ASYNC110 - thousands of events cost the load more
            await asyncio.sleep(0.05)


async def _ended_well(streams: Sequence[Stream]) -> int:
    """How many end as they should within the time that they may take."""
    await asyncio.wait([stream.ended for stream in streams], timeout=LONGEST_S)
    return sum(stream.served and stream.ended.done() for stream in streams)


def _cells(one: Held, lyra: Held) -> tuple[str, ...]:
    return (
        f"{one.ended_well:,}",
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
