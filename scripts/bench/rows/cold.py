"""The first load of a listener: how much longer it takes than the slowest of its five calls."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median

from bench.client import Client, request
from bench.harness import Harness, settle
from bench.processes import Server
from bench.report import Finding, Table, at_most, format_number

OF_LEAN = 1.5
SLOWEST, LEAN = "the slowest call alone", "lean: five calls gathered, decoded by orjson"
LYRA, PEER = "Lyra", "peer: spotipy in five threads"


@dataclass(frozen=True)
class Loading:
    """One way to load a listener, and what each load took."""

    server: Server
    verb: str = "POST"
    path: str = "/lyra/init"
    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    async def load(self, token: str) -> None:
        """One load of a listener never seen before, over a connection that is open already."""
        client = await Client.connect(self.server.port)
        before = self.server.cpu_s()
        reply = await client.ask(request(self.verb, self.path, token))
        client.close()
        if not reply.served:
            raise RuntimeError(f"{self.server.url} refused a load: {reply.head!r}")
        self.seconds.append(reply.seconds)
        await settle(0.02)
        self.cpu_s.append(self.server.cpu_s() - before)


async def cold(harness: Harness) -> list[Finding]:
    """Cold `POST /lyra/init`, one at a time, each way in its turn."""
    low, high = harness.pick((8, 40), (80, 400))
    runs = harness.pick(2, 15)
    async with AsyncExitStack() as stack:
        ways = await _ways(harness, stack)
        for way in ways.values():
            await way.load(harness.listener())  # opens connections, imports what is imported late
            way.seconds.clear()
            way.cpu_s.clear()
        for _ in range(runs):
            for way in ways.values():
                await way.load(harness.listener(low, high))
    floor = ways[SLOWEST].seconds
    of_lean = _added_ms(ways[LYRA], floor) / _added_ms(ways[LEAN], floor)
    return [
        Finding(
            f"A cold listener, Spotify at {low} to {high} ms",
            [
                at_most(
                    "cold init, what is added to the slowest call, of lean", of_lean, OF_LEAN, "x"
                )
            ],
            table=Table(
                (f"median of {runs}", "ms", "over the slowest", "CPU ms"),
                [
                    (
                        name,
                        f"{median(way.seconds) * 1000:,.1f}",
                        f"+{_added_ms(way, floor):.1f}",
                        "-" if name == SLOWEST else format_number(median(way.cpu_s) * 1000),
                    )
                    for name, way in ways.items()
                ],
            ),
        )
    ]


async def _ways(harness: Harness, stack: AsyncExitStack) -> dict[str, Loading]:
    slowest = Loading(harness.upstream, "GET", "/v1/me/player/recently-played?limit=50")
    lean = await stack.enter_async_context(harness.server("lean", harness.upstream.url))
    ways = {
        SLOWEST: slowest,
        LYRA: Loading(await stack.enter_async_context(harness.lyra())),
        LEAN: Loading(lean),
    }
    if harness.has_peers:
        ways[PEER] = Loading(await stack.enter_async_context(harness.peer()))
    return ways


def _added_ms(way: Loading, floor: Sequence[float]) -> float:
    return (median(way.seconds) - median(floor)) * 1000
