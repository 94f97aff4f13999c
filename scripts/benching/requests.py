"""Subject 5: how much a warm request costs, against aiohttp with nothing around it."""

import asyncio
from dataclasses import dataclass, field
from statistics import median

from benching.place import Place
from benching.report import Table, times
from benching.server import Server
from benching.wire import Wire, connect, post

CONNECTIONS = 32
SLICES, SLICE_S = 6, 1.0
QUICK_SLICES, QUICK_SLICE_S = 2, 0.2


@dataclass(frozen=True)
class Load:
    """One server's slices: requests a second, and microseconds of processor for each."""

    server: Server
    request: bytes
    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    async def slice(self, seconds: float) -> None:
        """Ask over every connection, again at each answer, until the time is over."""
        wires = await connect(self.server, CONNECTIONS, self.request, Wire.send)
        before = self.server.cpu_s()
        for wire in wires:
            wire.send()
        await asyncio.sleep(seconds)
        after, served = self.server.cpu_s(), sum(wire.served for wire in wires)
        for wire in wires:
            wire.leave()
        if not served or any(wire.refused for wire in wires):
            raise RuntimeError(f"{self.server.url} refused a warm request")
        self.rates.append(served / seconds)
        if before is not None and after is not None:
            self.cpu_us.append((after - before) / served * 1e6)


async def measure(place: Place) -> Table:
    """Warm `POST /lyra/init` and a bare handler that sends the same body, slice about."""
    slices, seconds = (QUICK_SLICES, QUICK_SLICE_S) if place.quick else (SLICES, SLICE_S)
    token = await place.new_listener(0, 0)
    await place.reader.init(token)
    body = await place.reader.init(token)
    async with place.reader.http.put(f"{place.bare.url}/body", data=body):
        bare = Load(place.bare, post("/body"))
    lyra = Load(place.lyra, post("/lyra/init", token))
    for _ in range(slices):
        await bare.slice(seconds)
        await lyra.slice(seconds)
    return Table(
        f"5. A warm POST /lyra/init, {len(body):,} bytes, {CONNECTIONS} connections",
        (f"median of {slices} slices", "requests/s", "of bare", "CPU us/request", "of bare"),
        [
            ("bare aiohttp, the same bytes", *_cells(bare, bare)),
            ("Lyra, as it is served: log line, headers, cache", *_cells(lyra, bare)),
        ],
        notes=["Both on uvloop. CPU is the server's alone, in ticks of 10 ms on Linux."],
    )


def _cells(load: Load, bare: Load) -> tuple[str, str, str, str]:
    rate, unit = median(load.rates), median(bare.rates)
    cpu = f"{median(load.cpu_us):.0f}" if load.cpu_us else "-"
    cpu_ratio = times(load.cpu_us, bare.cpu_us) if load.cpu_us and bare.cpu_us else "-"
    return f"{rate:,.0f}", f"{rate / unit:.2f} x", cpu, cpu_ratio
