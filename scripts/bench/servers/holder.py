"""The model's client alone: it holds streams open and reads them, for nobody.

Run as a process with the model's address; prints its own. POST /hold?count=N&pace=P opens N more
and answers when each has had its first bytes. What an open stream of the service takes beyond this
is the service's own.
"""

import asyncio
import sys

import httpx2
from aiohttp import web
from anthropic import AsyncAnthropic, DefaultAioHttpClient

from bench.event_loop import run_server, serve_app

_LIMIT = 20_000  # the SDK's own limit is 1,000 connections


class Holder:
    def __init__(self, client: AsyncAnthropic) -> None:
        self._client = client
        self._tasks: list[asyncio.Task[None]] = []

    async def hold(self, request: web.Request) -> web.Response:
        """Open as many as the query says."""
        count, pace = int(request.query["count"]), request.query["pace"]
        begun = [asyncio.Event() for _ in range(count)]
        loop = asyncio.get_running_loop()
        self._tasks += [loop.create_task(self._read(pace, each)) for each in begun]
        for each in begun:
            await each.wait()
        return web.Response(status=204)

    async def _read(self, pace: str, begun: asyncio.Event) -> None:
        async with self._client.messages.with_streaming_response.create(
            model="scripted",
            max_tokens=1024,
            messages=[{"role": "user", "content": f"#0/{pace}#"}],
            stream=True,
        ) as answer:
            async for _ in answer.http_response.aiter_raw():
                begun.set()


async def _serve(model: str) -> None:
    http = DefaultAioHttpClient(limits=httpx2.Limits(max_connections=_LIMIT))
    async with AsyncAnthropic(api_key="benchmark", base_url=model, http_client=http) as client:
        application = web.Application()
        application.router.add_post("/hold", Holder(client).hold)
        await serve_app(application)


if __name__ == "__main__":
    run_server(_serve(sys.argv[1]))
