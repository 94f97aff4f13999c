"""The event loop of every process here: uvloop where it is installed, as the service has it."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes a loop of uvloop; None, for asyncio's own, where it is not installed."""
    try:
        import uvloop  # noqa: PLC0415 - there is none for Windows and for PyPy
    except ImportError:
        return None
    return uvloop.new_event_loop


def run_server(main: Coroutine[Any, Any, None]) -> None:
    """Run a server process until it is ended."""
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(main)
    except KeyboardInterrupt:
        sys.exit(0)


async def serve_protocol(make: Callable[[], asyncio.BaseProtocol]) -> None:
    """Serve this protocol on a free port, whose address is printed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(make, "127.0.0.1", 0, backlog=4096)
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def serve_app(app: web.Application, port: int = 0, *, cancels: bool = False) -> None:
    """Serve this application, and print its address; `cancels` a handler whose client leaves."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=cancels)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    announce(runner.addresses[0][1])
    await asyncio.Event().wait()


def announce(port: int) -> None:
    """Print the address that `processes.py` waits for."""
    print(f"http://127.0.0.1:{port}", flush=True)
