"""A Lyra of the script's own, with an invented Spotify, and a model that waits for its reader."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

from lyra.app import create_app
from lyra.sandbox import Sandbox
from lyra.settings import Settings
from lyra.web.gateway.server import Runner, listen

WORDS = ("One ", "by ", "one.")


class SlowModel:
    """Says a word when it is told to, so that a word held back by a proxy is waited for in vain."""

    def __init__(self) -> None:
        self.next = asyncio.Semaphore(0)
        self.left = asyncio.Event()  # set when Lyra closes the call before its end

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        try:
            await answer.write(_event("message_start", message={"usage": {"input_tokens": 1}}))
            for word in WORDS:
                await self.next.acquire()
                told = {"type": "text_delta", "text": word}
                await answer.write(_event("content_block_delta", index=0, delta=told))
            await self.next.acquire()
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise
        await answer.write(_event("message_delta", delta={"stop_reason": "end_turn"}))
        await answer.write(_event("message_stop"))
        return answer


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


@asynccontextmanager
async def lyra_behind(model: SlowModel, *, port: int, **changes: Any) -> AsyncIterator[None]:
    """The service on this port of 127.0.0.1; the one after it is the model's."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox())
        app = web.Application()

        async def answered(request: web.Request) -> web.StreamResponse:
            return await model(request)

        app.router.add_route("*", "/{rest:.*}", answered)
        upstream = web.AppRunner(app, handler_cancellation=True)
        await upstream.setup()
        stack.push_async_callback(upstream.cleanup)
        await listen(upstream, "127.0.0.1", port + 1)
        settings = Settings(
            port=port,
            spotify_api_url=sandbox.api_url,
            llm_base_url=f"http://127.0.0.1:{port + 1}",
            llm_api_key="sk-invented",
            drain_s=0,
            **changes,
        )
        runner = Runner(create_app(settings), settings)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await listen(runner, "127.0.0.1", port)
        yield
