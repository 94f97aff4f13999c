"""The yardstick: aiohttp with nothing around it.

Run as a process, with a port or without; prints its address.

PUT /body sets what POST /body and POST /gate answer. POST /gate waits for POST /open; GET
/crowd?count=N waits until N are waiting there.
"""

import asyncio
import sys

import msgspec
import orjson
from aiohttp import web

from bench.event_loop import run_server, serve_app

IMPORTED = (msgspec, orjson)  # what a service of this kind needs at least: part of its start


class Bare:
    """The handlers and what they remember."""

    def __init__(self) -> None:
        self._body = b"{}"
        self._waiting = 0
        self._arrived = asyncio.Condition()
        self._opened = asyncio.Event()

    async def keep(self, request: web.Request) -> web.Response:
        """Take the body that is answered from now on."""
        self._body = await request.read()
        return web.Response(status=204)

    async def give(self, _: web.Request) -> web.Response:
        """Answer the kept bytes."""
        return web.Response(body=self._body, content_type="application/json")

    async def gate(self, request: web.Request) -> web.Response:
        """Answer the kept bytes once the gate is opened."""
        opened = self._opened
        async with self._arrived:
            self._waiting += 1
            self._arrived.notify_all()
        await opened.wait()
        return await self.give(request)

    async def crowd(self, request: web.Request) -> web.Response:
        """Answer when this many wait at the gate."""
        wanted = int(request.query["count"])
        async with self._arrived:
            await self._arrived.wait_for(lambda: self._waiting >= wanted)
        return web.Response(status=204)

    async def open(self, _: web.Request) -> web.Response:
        """Let everybody who waits at the gate through."""
        self._opened.set()
        self._opened, self._waiting = asyncio.Event(), 0
        return web.Response(status=204)


async def _alive(_: web.Request) -> web.Response:
    return web.Response(body=b'{"alive":true}', content_type="application/json")


async def _serve(port: int) -> None:
    bare, application = Bare(), web.Application()
    application.add_routes(
        [
            web.get("/healthz", _alive),
            web.put("/body", bare.keep),
            web.post("/body", bare.give),
            web.post("/gate", bare.gate),
            web.get("/crowd", bare.crowd),
            web.post("/open", bare.open),
        ]
    )
    await serve_app(application, port)


if __name__ == "__main__":
    run_server(_serve(int(sys.argv[1]) if sys.argv[1:] else 0))
