"""What is held in memory for a cached listener, for an open stream, and for a connection at rest."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from bench.client import Client, at_once, close_all, question, request, until_spoken
from bench.harness import Harness, settle
from bench.processes import Server
from bench.report import Finding, Table, at_most

AT_ONCE = 16
PACE = "500x1000"
LONGEST_S = 120
LISTENER_KIB, STREAM_KIB, CONNECTION_KIB = 32, 16, 9
LYRA, CLIENT = "Lyra", "the model's client alone"


async def memory(harness: Harness) -> list[Finding]:
    """Resident bytes before and after, for each of many."""
    listeners, streams, connections = harness.pick((20, 20, 20), (1_000, 1_000, 2_000))
    listener = await _listener_kib(harness, listeners)
    held = await _streams_kib(harness, streams)
    at_rest = await _connections_kib(harness, connections)
    rows = [(f"a cached listener ({listeners:,})", LYRA, f"{listener:.1f}")]
    rows += [(f"an open stream ({streams:,})", name, f"{kib:.1f}") for name, kib in held.items()]
    rows += [
        (f"a connection at rest ({connections:,})", name, f"{kib:.1f}")
        for name, kib in at_rest.items()
    ]
    own = held[LYRA] - held[CLIENT]
    return [
        Finding(
            "Memory",
            [
                at_most("memory of a cached listener", listener, LISTENER_KIB, "KiB"),
                at_most("memory of a stream beyond the model's client", own, STREAM_KIB, "KiB"),
                at_most("memory of a connection at rest", at_rest[LYRA], CONNECTION_KIB, "KiB"),
            ],
            ["Listeners have the answers that the run was given, invented ones by default."],
            Table(("KiB for each", "of", "resident"), rows),
            measured={"listener_kib": listener, "stream_kib": held[LYRA]},
        )
    ]


async def _grown_kib(server: Server, count: int, work: Callable[[int], Awaitable[object]]) -> float:
    """KiB for each of so many, after a tenth as many have warmed the process up."""
    async with asyncio.timeout(LONGEST_S):
        await work(max(2, count // 10))
        await settle()
        before = server.memory_bytes
        await work(count)
        await settle(0.5)
    return (server.memory_bytes - before) / count / 1024


async def _listener_kib(harness: Harness, count: int) -> float:
    async with harness.lyra() as lyra:

        async def load(wanted: int) -> None:
            await lyra.warm([harness.listener() for _ in range(wanted)])

        return await _grown_kib(lyra, count, load)


async def _streams_kib(harness: Harness, count: int) -> dict[str, float]:
    ask = question(harness.listener(), 0, PACE)
    upstream = harness.upstream.url
    found = {}
    async with harness.server("holder", upstream) as holder:

        async def hold(wanted: int) -> None:
            wish = {"count": str(wanted), "pace": PACE}
            async with harness.http.post(f"{holder.url}/hold", params=wish) as answer:
                await answer.read()

        found[CLIENT] = await _grown_kib(holder, count, hold)
    async with harness.lyra() as lyra:
        found[LYRA] = await _open_kib(lyra, count, ask, spoken=True)
    async with harness.server("lean", upstream) as lean:
        found["lean pipeline"] = await _open_kib(lean, count, ask, spoken=True)
    if harness.has_peers:
        async with harness.peer("--sdk", "aiohttp") as peer:
            found["peer, the SDK on aiohttp"] = await _open_kib(peer, count, ask, spoken=True)
    return found


async def _connections_kib(harness: Harness, count: int) -> dict[str, float]:
    alive = request("GET", "/healthz")
    async with harness.lyra() as lyra, harness.server("bare") as bare:
        return {
            name: await _open_kib(server, count, alive, spoken=False)
            for name, server in ((LYRA, lyra), ("bare aiohttp", bare))
        }


async def _open_kib(server: Server, count: int, sent: bytes, *, spoken: bool) -> float:
    """KiB for each connection that has asked this: until its first word, or its whole answer."""
    clients: list[Client] = []

    async def ask() -> None:
        client = await Client.connect(server.port)
        clients.append(client)
        reply = client.ask(sent)
        await (until_spoken(client, reply) if spoken else reply)

    async def work(wanted: int) -> None:
        await at_once(AT_ONCE, (ask() for _ in range(wanted)))

    async with AsyncExitStack() as stack:
        stack.callback(close_all, clients)
        return await _grown_kib(server, count, work)
