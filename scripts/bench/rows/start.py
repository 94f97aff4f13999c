"""From exec to the first answer, and to readiness; and whether the loop stands still meanwhile."""

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median
from sys import executable
from time import monotonic

from bench.client import Client, all_served, question, request
from bench.harness import PYTHON_PATH, Harness, module
from bench.processes import output_of, run_until_printed
from bench.report import Finding, Table, at_most, ms, ratio, times

STEP_S = 0.002
LONGEST_S = 30
OF_BARE, STALL_OF_BARE = 1.5, 0.5
WARM_CHATS = 5


@dataclass(frozen=True)
class Starts:
    """Seconds from exec, over several starts."""

    healthy: list[float] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    stalls: list[float] = field(default_factory=list)
    first_chat: list[float] = field(default_factory=list)
    later_chat: list[float] = field(default_factory=list)


async def start(harness: Harness) -> list[Finding]:
    """`lyra serve` and a bare server, started in turns; then what `lyra --help` takes."""
    lyra, bare, helped = Starts(), Starts(), []
    for _ in range(harness.pick(2, 7)):
        await _bare(harness, bare)
        await _lyra(harness, lyra)
        began = monotonic()
        await output_of(executable, "-m", "lyra", "--help", cwd=harness.folder, environment={})
        helped.append(monotonic() - began)
    stall = max(lyra.stalls) / median(bare.healthy)
    return [
        Finding(
            "Start",
            [
                at_most(
                    "lyra serve, /healthz after exec, of bare aiohttp",
                    ratio(lyra.healthy, bare.healthy),
                    OF_BARE,
                    "x",
                ),
                at_most("longest stall while starting, of a bare start", stall, STALL_OF_BARE, "x"),
            ],
            ["The stall is the longest of all starts. A chat's listener is loaded before it."],
            Table(
                (f"median of {len(helped)}", "ms after exec", "of bare"),
                [
                    ("bare aiohttp, msgspec, orjson: /healthz", ms(bare.healthy), "1.00 x"),
                    ("lyra serve: /healthz", ms(lyra.healthy), times(lyra.healthy, bare.healthy)),
                    ("lyra serve: /readyz", ms(lyra.ready), times(lyra.ready, bare.healthy)),
                    ("longest answer of /healthz between the two", ms(lyra.stalls), "-"),
                    ("lyra --help, to its end", ms(helped), times(helped, bare.healthy)),
                    ("first word of the first chat after /readyz", ms(lyra.first_chat), "-"),
                    ("first word of later chats", ms(lyra.later_chat), "-"),
                ],
            ),
        )
    ]


async def _bare(harness: Harness, starts: Starts) -> None:
    port = _free_port()
    command = module("servers.bare", str(port))
    began = monotonic()
    async with run_until_printed(
        harness.folder, "bare", command, PYTHON_PATH, harness.cores.subject
    ):
        starts.healthy.append(await _until_healthy(port) - began)


async def _lyra(harness: Harness, starts: Starts) -> None:
    port = _free_port()
    command = (executable, "-m", "lyra", "serve", "--port", str(port))
    began = monotonic()
    async with run_until_printed(
        harness.folder, "lyra", command, harness.roomy_settings, harness.cores.subject
    ) as listening:
        starts.healthy.append(await _until_healthy(port) - began)
        ready_at, stall = await _until_ready(port)
        starts.ready.append(ready_at - began)
        starts.stalls.append(stall)
        await _chats(harness, (await listening()).port, starts)


async def _chats(harness: Harness, port: int, starts: Starts) -> None:
    token, client = harness.listener(), await Client.connect(port)
    await client.ask(request("POST", "/lyra/init", token))
    firsts = []
    for _ in range(1 + WARM_CHATS):
        (reply,) = await all_served([client.ask(question(token, 0, "quick"))], LONGEST_S)
        firsts.append(reply.first_s)
    client.close()
    starts.first_chat.append(firsts[0])
    starts.later_chat.append(median(firsts[1:]))


async def _until_healthy(port: int) -> float:
    """When /healthz was first answered with 200."""
    async with asyncio.timeout(LONGEST_S):
        while True:
            try:
                client = await Client.connect(port)
            except OSError:
                await asyncio.sleep(STEP_S)  # it does not listen yet
                continue
            reply = await client.ask(request("GET", "/healthz"))
            client.close()
            if reply.served:
                return reply.at


async def _until_ready(port: int) -> tuple[float, float]:
    """When /readyz was first answered with 200, and the longest that /healthz took until then."""
    longest = 0.0
    async with AsyncExitStack() as stack, asyncio.timeout(LONGEST_S):
        ready, alive = await Client.connect(port), await Client.connect(port)
        for client in (ready, alive):
            stack.callback(client.close)
        while True:
            reply = await ready.ask(request("GET", "/readyz"))
            if reply.served:
                return reply.at, longest
            longest = max(longest, (await alive.ask(request("GET", "/healthz"))).seconds)
            await asyncio.sleep(STEP_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
