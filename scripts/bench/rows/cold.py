"""The first load of a listener, against the slowest of its five calls, and against peers."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median

from bench.closed_loop import post
from bench.harness import Place, settle
from bench.processes import Server
from bench.report import Table, aim, number
from bench.rows.warm import Asking

LOW_MS, HIGH_MS = 80, 400
QUICK_MS = 8, 40
RUNS, QUICK_RUNS = 9, 2
ABOVE_MS = 5
SLOWEST = "the slowest call alone"
LYRA, SPOTIPY, TEKORE = "Lyra", "peer: spotipy in five threads", "peer: tekore on httpx"


@dataclass(frozen=True)
class Loading:
    """One way to load a listener, and what each load took."""

    server: Server
    path: str = "/lyra/init"
    verb: str = "POST"
    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    async def load(self, token: str) -> None:
        """One load of a listener never seen before, over a connection that is open already."""
        request = post(self.path, token).replace(b"POST", self.verb.encode(), 1)
        asking = Asking(self.server, request)
        before = self.server.cpu_s()
        self.seconds.append(await asking.timed())
        await settle(0.02)
        self.cpu_s.append(self.server.cpu_s() - before)


async def measure(place: Place) -> list[Table]:
    """Cold `POST /lyra/init`, one at a time, each way in its turn."""
    low, high = QUICK_MS if place.quick else (LOW_MS, HIGH_MS)
    runs = QUICK_RUNS if place.quick else RUNS
    async with AsyncExitStack() as stack:
        ways = await _ways(place, stack)
        for way in ways.values():
            await way.load(place.token())  # opens connections, imports what is imported late
            way.seconds.clear()
            way.cpu_s.clear()
        for _ in range(runs):
            for way in ways.values():
                await way.load(place.token(low, high))
    above = (median(ways[LYRA].seconds) - median(ways[SLOWEST].seconds)) * 1000
    return [
        Table(
            f"A cold listener, Spotify at {low} to {high} ms",
            (f"median of {runs}", "ms", "over the slowest", "CPU ms"),
            [(name, *_cells(way, ways[SLOWEST])) for name, way in ways.items()],
            aims=[aim("cold init, over the slowest call", above, ABOVE_MS, "ms")],
        )
    ]


async def _ways(place: Place, stack: AsyncExitStack) -> dict[str, Loading]:
    slowest = Loading(place.upstream, "/v1/me/player/recently-played?limit=50", "GET")
    ways = {SLOWEST: slowest, LYRA: Loading(await stack.enter_async_context(place.lyra()))}
    if place.has_peers:
        for name, library in ((SPOTIPY, "spotipy"), (TEKORE, "tekore")):
            server = await stack.enter_async_context(place.peer("--spotify", library))
            ways[name] = Loading(server)
    return ways


def _cells(way: Loading, slowest: Loading) -> tuple[str, str, str]:
    took, floor = median(way.seconds) * 1000, median(slowest.seconds) * 1000
    cpu_ms = median(way.cpu_s) * 1000
    return f"{took:,.1f}", f"+{took - floor:.1f}", "-" if way is slowest else number(cpu_ms)
