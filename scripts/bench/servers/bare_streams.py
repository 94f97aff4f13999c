"""What open calls to the model weigh by themselves. Run as a process: KIND URL COUNT.

KIND is `aiohttp`, the client alone, or `claude`, the model client as Lyra uses it. Prints by how
many bytes the process has grown once every call has spoken.
"""

import asyncio
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import uvloop

from lyra.chat.model.anthropic_model import open_anthropic
from lyra.chat.model.port import Prompt
from lyra.chat.request_schema import Turn
from lyra.listening.models import Listening
from lyra.settings import Settings

WARM_UP = 100
TOGETHER = 32
SETTLE_S = 1.0
CONTEXT = "x" * 13_000  # what a listener takes in the end
QUESTION = "What now? #0/hold#"

Tell = Callable[[Callable[[Any], bool]], Awaitable[None]]
Open = Callable[[], AbstractAsyncContextManager[Tell]]


def _no_listening() -> Listening:
    raise AssertionError("this model is asked over the wire")


@asynccontextmanager
async def _aiohttp(url: str, count: int) -> AsyncIterator[Open]:
    connector = aiohttp.TCPConnector(limit=count)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout()
    ) as http:

        @asynccontextmanager
        async def call() -> AsyncIterator[Tell]:
            body = orjson.dumps({"system": CONTEXT, "messages": QUESTION})
            async with http.post(f"{url}/v1/messages", data=body) as answer:

                async def tell(take: Callable[[bytes], bool]) -> None:
                    async for piece in answer.content.iter_any():
                        take(piece)

                yield tell

        yield call


@asynccontextmanager
async def _claude(url: str, count: int) -> AsyncIterator[Open]:
    prompt = Prompt("rules", lambda: CONTEXT, (Turn("user", QUESTION),), _no_listening)
    settings = Settings(llm_base_url=url, llm_api_key="benchmark", max_streams=count)
    async with open_anthropic(settings) as claude:

        @asynccontextmanager
        async def call() -> AsyncIterator[Tell]:
            async with claude.open(prompt) as voice:
                yield voice.stream_to

        yield call


async def _measure(kind: str, url: str, count: int) -> int:
    opened = {"aiohttp": _aiohttp, "claude": _claude}[kind]
    async with opened(url, count + WARM_UP) as call:
        await _grown(call, WARM_UP)
        return await _grown(call, count)


def _memory_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def _grown(call: Open, count: int) -> int:
    """By how many bytes the process grows with this many calls open, each read by a task."""
    before, turn = _memory_bytes(), asyncio.Semaphore(TOGETHER)
    spoken = 0

    async def follow() -> None:
        silent = True

        def heard(_: Any) -> bool:
            nonlocal silent, spoken
            if silent:
                silent = False
                spoken += 1
                turn.release()
            return False

        await turn.acquire()
        async with call() as tell:
            await tell(heard)

    async with AsyncExitStack() as stack:
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(follow()) for _ in range(count)]
        stack.callback(lambda: [task.cancel() for task in tasks])
        while spoken < count:
            await asyncio.sleep(0.1)
            for task in tasks:
                if task.done():
                    task.result()
                    raise RuntimeError("a call has ended")
        await asyncio.sleep(SETTLE_S)
        grown = _memory_bytes() - before
    await asyncio.gather(*tasks, return_exceptions=True)
    return grown


if __name__ == "__main__":
    _, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_most, _most))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as running:
        found = running.run(_measure(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    print(orjson.dumps({"bytes": found}).decode())
