"""What a warm `POST /lyra/init` costs, against the same bytes from servers with nothing around."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from bench.closed_loop import Wire, connect, post
from bench.harness import Place
from bench.processes import Server
from bench.report import Aim, Table, aim, times
from bench.slices import Slice, Slices, Take, gain, take_turns, told

CONNECTIONS = 64
SLICES, SLICE_S = 5, 1.0
QUICK_SLICES, QUICK_SLICE_S = 1, 0.2
OF_BARE, OF_PEER = 0.65, 2.0
LYRA, BARE, RAW = "Lyra, as it is served", "bare aiohttp, the same bytes", "raw protocol, the same"
PEER = "peer, an answer of its own"


@dataclass(frozen=True)
class Asking:
    """Requests to one server over every connection, again at each answer."""

    server: Server
    request: bytes

    async def one(self) -> bytes:
        """A whole answer, head and body."""
        return (await self._asked())[0].answer

    async def timed(self) -> float:
        """Seconds from the question to the whole answer, over a connection that was open before."""
        wire, asked_at = await self._asked()
        return wire.last_at - asked_at

    async def _asked(self) -> tuple[Wire, float]:
        answered = asyncio.Event()
        (wire,) = await connect(self.server, 1, self.request, lambda _: answered.set())
        asked_at = perf_counter()
        wire.send()
        async with asyncio.timeout(10):
            await answered.wait()
        wire.leave()
        if not wire.served:
            raise RuntimeError(f"{self.server.url} refused: {wire.answer[:300]!r}")
        return wire, asked_at

    async def slice(self, seconds: float) -> Slice:
        """As many as it answers in this time."""
        wires = await connect(self.server, CONNECTIONS, self.request, Wire.send)
        cpu_s, began = self.server.cpu_s(), perf_counter()
        for wire in wires:
            wire.send()
        await asyncio.sleep(seconds)
        served = sum(wire.served for wire in wires)
        took, used = perf_counter() - began, self.server.cpu_s() - cpu_s
        for wire in wires:
            wire.leave()
        if not served or any(wire.refused for wire in wires):
            raise RuntimeError(f"{self.server.url} refused a warm request")
        return Slice(served, took, used)

    def take(self, seconds: float) -> Take:
        """A slice of this length, to be taken in turns."""
        return lambda: self.slice(seconds)


async def measure(place: Place) -> list[Table]:
    """Requests a second and processor for each, slice about."""
    wanted, seconds = (QUICK_SLICES, QUICK_SLICE_S) if place.quick else (SLICES, SLICE_S)
    async with AsyncExitStack() as stack:
        asking, length = await _subjects(place, stack)
        takes = {name: each.take(seconds) for name, each in asking.items()}
        found = await take_turns(place, takes, wanted)
    return [
        Table(
            f"A warm POST /lyra/init, {length:,} bytes, {CONNECTIONS} connections",
            (f"median of {wanted} slices", "requests/s", "of bare", "CPU us", "of bare", "busy"),
            [(name, *_cells(each, found[BARE])) for name, each in found.items()],
            notes=[told(found)],
            aims=_aims(found),
            measured={"warm_us": median(found[LYRA].cpu_us)},
        )
    ]


async def _subjects(place: Place, stack: AsyncExitStack) -> tuple[dict[str, Asking], int]:
    request = post("/lyra/init", place.token())
    lyra = Asking(await stack.enter_async_context(place.lyra()), request)
    await lyra.one()
    answer = await lyra.one()
    body = answer.partition(b"\r\n\r\n")[2]
    whole = place.folder / "answer"
    whole.write_bytes(answer)
    raw = await stack.enter_async_context(place.yardstick("raw", str(whole)))
    bare = await stack.enter_async_context(place.yardstick("bare"))
    async with place.http.put(f"{bare.url}/body", data=body):
        subjects = {BARE: Asking(bare, request.replace(b"/lyra/init", b"/body"))}
    subjects |= {LYRA: lyra, RAW: Asking(raw, request)}
    if place.has_peers:
        subjects[PEER] = Asking(await stack.enter_async_context(place.peer()), request)
        await subjects[PEER].one()
    return subjects, len(body)


def _cells(one: Slices, bare: Slices) -> tuple[str, ...]:
    return (
        f"{median(one.rates):,.0f}",
        times(one.rates, bare.rates),
        f"{median(one.cpu_us):.1f}",
        times(one.cpu_us, bare.cpu_us),
        f"{one.busy:.0%}",
    )


def _aims(found: dict[str, Slices]) -> list[Aim]:
    lyra = found[LYRA]
    asked = [(BARE, "bare aiohttp", OF_BARE), (PEER, "the peer", OF_PEER)]
    return [
        aim(f"warm init, requests/s against {name}", gain(lyra, found[key]), least, "x", least=True)
        for key, name, least in asked
        if key in found
    ]
