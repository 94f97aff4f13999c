"""From exec to the first answer, and to readiness; and whether the loop stands still meanwhile."""

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median
from sys import executable
from time import perf_counter

from bench.closed_loop import Wire
from bench.harness import Place, lyra_settings
from bench.processes import Server, run_until_printed
from bench.report import Table, aim, ms, ratio, times
from bench.streams import Load, all_ended, question

RUNS, QUICK_RUNS = 7, 2
STEP_S = 0.002
LONGEST_S = 30
OF_BARE, STALL_MS = 1.5, 150
WARM_CHATS = 5


@dataclass(frozen=True)
class Starts:
    """Seconds from exec, over several starts."""

    healthy: list[float] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    stalls: list[float] = field(default_factory=list)
    first_chat: list[float] = field(default_factory=list)
    later_chat: list[float] = field(default_factory=list)


async def measure(place: Place) -> list[Table]:
    """`lyra serve` and a bare server, started in turns; then what `lyra --help` takes."""
    lyra, bare, helped = Starts(), Starts(), []
    for _ in range(QUICK_RUNS if place.quick else RUNS):
        await _bare(place, bare)
        await _lyra(place, lyra)
        helped.append(await _help(place))
    rows = [
        ("bare aiohttp, uvloop, msgspec, orjson: /healthz", ms(bare.healthy), "1.00 x"),
        ("lyra serve: /healthz", ms(lyra.healthy), times(lyra.healthy, bare.healthy)),
        ("lyra serve: /readyz", ms(lyra.ready), times(lyra.ready, bare.healthy)),
        ("longest answer of /healthz between the two", ms(lyra.stalls), "-"),
        ("lyra --help, to its end", ms(helped), times(helped, bare.healthy)),
        ("first word of the first chat after /readyz", ms(lyra.first_chat), "-"),
        ("first word of later chats", ms(lyra.later_chat), "-"),
    ]
    slower = ratio(lyra.healthy, bare.healthy)
    return [
        Table(
            "Start",
            (f"median of {len(helped)}", "ms after exec", "of bare"),
            rows,
            aims=[
                aim("lyra serve, /healthz after exec, of bare aiohttp", slower, OF_BARE, "x"),
                aim("longest stall while starting", max(lyra.stalls) * 1000, STALL_MS, "ms"),
            ],
            notes=[
                "The stall is the longest of all starts. A chat's listener is loaded before it."
            ],
        )
    ]


async def _bare(place: Place, found: Starts) -> None:
    port = _free_port()
    command = (executable, place.script("bare"), str(port))
    began = perf_counter()
    async with run_until_printed(place.folder, "bare", command, {}, place.cores.subject):
        found.healthy.append(await _until(port, b"/healthz") - began)


async def _lyra(place: Place, found: Starts) -> None:
    port = _free_port()
    command = (executable, "-m", "lyra", "serve", "--port", str(port))
    settings = lyra_settings(place.upstream.url)
    began = perf_counter()
    async with run_until_printed(
        place.folder, "lyra", command, settings, place.cores.subject
    ) as starting:
        found.healthy.append(await _until(port, b"/healthz") - began)
        ready_at, stall = await _until_ready(port)
        found.ready.append(ready_at - began)
        found.stalls.append(stall)
        await _chats(place, await starting(), found)


async def _chats(place: Place, lyra: Server, found: Starts) -> None:
    token = place.token()
    async with place.http.post(
        f"{lyra.url}/lyra/init", headers={"Authorization": f"Bearer {token}"}
    ) as answer:
        await answer.read()
    stream = await Load(lyra, question(5, 0, token)).one()
    firsts = []
    for _ in range(1 + WARM_CHATS):
        stream.ask()
        await all_ended([stream])
        firsts.append(stream.first_at - stream.asked_at)
    stream.leave()
    found.first_chat.append(firsts[0])
    found.later_chat.append(median(firsts[1:]))


async def _until(port: int, path: bytes) -> float:
    """When this path was first answered with 200."""
    async with asyncio.timeout(LONGEST_S):
        while True:
            try:
                async with AsyncExitStack() as stack:
                    if (await _ask(await _connected(port, path, stack))).served:
                        return perf_counter()
            except OSError:
                pass  # it does not listen yet
            await asyncio.sleep(STEP_S)


async def _until_ready(port: int) -> tuple[float, float]:
    """When /readyz was first answered with 200, and the longest that /healthz took until then."""
    longest = 0.0
    async with AsyncExitStack() as stack, asyncio.timeout(LONGEST_S):
        ready = await _connected(port, b"/readyz", stack)
        alive = await _connected(port, b"/healthz", stack)
        while True:
            if (await _ask(ready)).served:
                return perf_counter(), longest
            began = perf_counter()
            longest = max(longest, (await _ask(alive)).last_at - began)
            await asyncio.sleep(STEP_S)


class _Asker(Wire):
    """A connection on which one question at a time is awaited."""

    def __init__(self, request: bytes) -> None:
        super().__init__(request, lambda _: self.there.set())
        self.there = asyncio.Event()


async def _connected(port: int, path: bytes, stack: AsyncExitStack) -> _Asker:
    request = b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path
    loop = asyncio.get_running_loop()
    _, asker = await loop.create_connection(lambda: _Asker(request), "127.0.0.1", port)
    stack.callback(asker.leave)
    return asker


async def _ask(asker: _Asker) -> _Asker:
    asker.there.clear()
    asker.send()
    await asker.there.wait()
    return asker


async def _help(place: Place) -> float:
    began = perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(executable, "-m", "lyra", "--help"),
        stdout=asyncio.subprocess.DEVNULL,
        cwd=place.folder,
    )
    await process.wait()
    return perf_counter() - began


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
