"""The yardstick: aiohttp with nothing around it. Run as a process; prints its address.

PUT /body sets what POST /body and POST /gate answer. POST /gate waits for POST /open; GET
/crowd?count=N waits until N are waiting there.
"""

import asyncio
import sys

import uvloop
from aiohttp import web


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


async def _serve() -> None:
    bare = Bare()
    application = web.Application()
    application.add_routes(
        [
            web.put("/body", bare.keep),
            web.post("/body", bare.give),
            web.post("/gate", bare.gate),
            web.get("/crowd", bare.crowd),
            web.post("/open", bare.open),
        ]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as running:
            running.run(_serve())
    except KeyboardInterrupt:
        sys.exit(0)
