"""The model's client alone: it holds streams open and reads them, for nobody.

Run as a process with the model's address; prints its own. POST /hold?count=N&gap=MS opens N more
and answers when each has had its first bytes. What an open stream of the service takes beyond this
is the service's own.
"""

import asyncio
import sys

import httpx2
import uvloop
from aiohttp import web
from anthropic import AsyncAnthropic, DefaultAioHttpClient

_TOKENS = 500
_LIMIT = 20_000


class Holder:
    def __init__(self, client: AsyncAnthropic) -> None:
        self._client = client
        self._tasks: list[asyncio.Task[None]] = []

    async def hold(self, request: web.Request) -> web.Response:
        count, gap_ms = int(request.query["count"]), int(request.query["gap"])
        begun = [asyncio.Event() for _ in range(count)]
        loop = asyncio.get_running_loop()
        self._tasks += [loop.create_task(self._read(gap_ms, each)) for each in begun]
        for each in begun:
            await each.wait()
        return web.Response(status=204)

    async def _read(self, gap_ms: int, begun: asyncio.Event) -> None:
        asked = f"bench:{_TOKENS}:{gap_ms}"
        async with self._client.messages.with_streaming_response.create(
            model="bench",
            max_tokens=1024,
            messages=[{"role": "user", "content": asked}],
            stream=True,
        ) as answer:
            async for _ in answer.http_response.aiter_raw():
                begun.set()


async def _serve(model: str) -> None:
    # The SDK's own limit is 1,000 connections.
    http = DefaultAioHttpClient(limits=httpx2.Limits(max_connections=_LIMIT))
    async with AsyncAnthropic(api_key="benchmark", base_url=model, http_client=http) as client:
        application = web.Application()
        application.router.add_post("/hold", Holder(client).hold)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as running:
            running.run(_serve(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(0)
