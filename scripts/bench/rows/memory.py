"""What is held in memory for a cached listener, for an open stream, and for a connection at rest."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from bench.closed_loop import Wire, connect, post
from bench.harness import Place, settle
from bench.processes import Server
from bench.report import Aim, Table, aim
from bench.rows.warm import Asking
from bench.streams import Load, Stream, begin_many, leave_all, question

LISTENERS, QUICK_LISTENERS = 1_000, 20
STREAMS, QUICK_STREAMS = 1_000, 20
CONNECTIONS, QUICK_CONNECTIONS = 2_000, 20
AT_ONCE = 16
GAP_MS = 1_000
LONGEST_S = 120
LISTENER_KIB, STREAM_KIB, CONNECTION_KIB = 32, 16, 9


async def measure(place: Place) -> list[Table]:
    """Resident bytes before and after, for each of many."""
    listeners = QUICK_LISTENERS if place.quick else LISTENERS
    streams = QUICK_STREAMS if place.quick else STREAMS
    connections = QUICK_CONNECTIONS if place.quick else CONNECTIONS
    listener = await _listener_kib(place, listeners)
    held = await _streams_kib(place, streams)
    at_rest = await _connections_kib(place, connections)
    rows = [(f"a cached listener ({listeners:,})", "Lyra", f"{listener:.1f}")]
    rows += [(f"an open stream ({streams:,})", who, f"{kib:.1f}") for who, kib in held.items()]
    rows += [
        (f"a connection at rest ({connections:,})", who, f"{kib:.1f}")
        for who, kib in at_rest.items()
    ]
    return [
        Table(
            "Memory",
            ("KiB for each", "of", "resident"),
            rows,
            notes=["Listeners have the answers that the run was given, invented ones by default."],
            aims=_aims(listener, held["Lyra"] - held["the model's client alone"], at_rest["Lyra"]),
            measured={"listener_kib": listener, "stream_kib": held["Lyra"]},
        )
    ]


def _aims(listener: float, stream: float, connection: float) -> list[Aim]:
    return [
        aim("memory of a cached listener", listener, LISTENER_KIB, "KiB"),
        aim("memory of a stream beyond the model's client", stream, STREAM_KIB, "KiB"),
        aim("memory of a connection at rest", connection, CONNECTION_KIB, "KiB"),
    ]


async def _grown_kib(server: Server, count: int, work: Callable[[int], Awaitable[object]]) -> float:
    """KiB for each of so many, after a tenth as many have warmed the process up."""
    await work(max(2, count // 10))
    await settle()
    before = server.resident()
    await work(count)
    await settle(0.5)
    return (server.resident() - before) / count / 1024


async def _listener_kib(place: Place, count: int) -> float:
    async with place.lyra() as lyra:
        return await _grown_kib(lyra, count, lambda wanted: load_listeners(place, lyra, wanted))


async def load_listeners(place: Place, server: Server, count: int) -> None:
    """Load so many listeners never seen before, some at a time."""
    left = iter([post("/lyra/init", place.token()) for _ in range(count)])

    async def load_some() -> None:
        for request in left:
            await Asking(server, request).one()

    async with asyncio.timeout(LONGEST_S), asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(load_some())


async def _streams_kib(place: Place, count: int) -> dict[str, float]:
    ask = question(500, GAP_MS, place.token())
    upstream = place.upstream.url
    found = {}
    async with place.yardstick("holder", upstream) as holder:
        found["the model's client alone"] = await _grown_kib(
            holder, count, lambda wanted: _hold(place, holder, wanted)
        )
    async with place.lyra() as lyra:
        found["Lyra"] = await _open_kib(lyra, count, ask)
    async with place.yardstick("relay", upstream) as lean:
        found["lean pipeline"] = await _open_kib(lean, count, ask)
    if place.has_peers:
        async with place.peer("--sdk", "aiohttp") as peer:
            found["peer, the SDK on aiohttp"] = await _open_kib(peer, count, ask)
    return found


async def _hold(place: Place, holder: Server, count: int) -> None:
    wanted = {"count": str(count), "gap": str(GAP_MS)}
    async with place.http.post(f"{holder.url}/hold", params=wanted) as answer:
        await answer.read()


async def _open_kib(server: Server, count: int, ask: bytes) -> float:
    opened: list[Stream] = []
    async with AsyncExitStack() as stack:
        stack.callback(leave_all, opened)

        async def work(wanted: int) -> None:
            more: list[Stream] = []
            async with asyncio.timeout(LONGEST_S):
                await begin_many(Load(server, ask), wanted, AT_ONCE, more)
            opened.extend(more)

        return await _grown_kib(server, count, work)


async def _connections_kib(place: Place, count: int) -> dict[str, float]:
    async with place.lyra() as lyra, place.yardstick("bare") as bare:
        return {"Lyra": await _rest_kib(lyra, count), "bare aiohttp": await _rest_kib(bare, count)}


async def _rest_kib(server: Server, count: int) -> float:
    opened: list[Wire] = []
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

    async def work(wanted: int) -> None:
        answered = asyncio.Queue[Wire]()
        for _ in range(wanted):
            (wire,) = await connect(server, 1, request, answered.put_nowait)
            opened.append(wire)
            wire.send()
            await answered.get()

    try:
        return await _grown_kib(server, count, work)
    finally:
        for wire in opened:
            wire.leave()
