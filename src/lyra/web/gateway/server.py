"""The runner: aiohttp with the arguments and the protocol that a public service needs.

A connection enters at `protocol.Gate`, is timed by `timed_protocol.TimedProtocol`, and its requests
go through `_handle` to the middleware.
"""

import asyncio
import socket
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from lyra.errors import RequestError
from lyra.settings import Settings
from lyra.web.context import SERVICES
from lyra.web.gateway.protocol import OPTIONS, Gate, PlainProtocol, refusal
from lyra.web.gateway.timed_protocol import choose_protocol

BACKLOG = 1024
_SHUTDOWN_S = 5
_LAST_REQUESTS_S = 0.3  # how long what is on its way may still arrive
_CONTINUE = "100-continue"


async def _handle(request: web.Request, handle: Handler) -> web.StreamResponse:
    """Answer the request; refuse one that expects what this server does not do.

    Routes can refuse it too, but for an unknown route aiohttp repeats what was sent.
    """
    if isinstance(request.protocol, PlainProtocol):
        request.protocol.begin_request(request)
    if request.headers.get("Expect", _CONTINUE).lower() != _CONTINUE:
        return refusal(RequestError("This server meets no such Expect."))
    return await handle(request)


class Runner(web.AppRunner):
    """Run an application as Lyra runs it everywhere: in production, in tests, in benchmarks."""

    def __init__(
        self, app: web.Application, settings: Settings, *, counted_as: str = "lyra_connections"
    ) -> None:
        self._settings = settings
        self._counted_as = counted_as
        self._gate: Gate | None = None
        super().__init__(app, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_S, **OPTIONS)

    async def setup(self) -> None:
        """Start the application; sites may be made from here on."""
        await super().setup()
        server = super().server
        assert server is not None  # noqa: S101 - as of the line above
        server.request_handler = partial(_handle, handle=server.request_handler)
        self._gate = Gate(server, self._settings, choose_protocol())
        stats = self._gate.connections.stats
        self.app[SERVICES].metrics.register_callback(self._counted_as, stats)

    @property
    def server(self) -> Any:
        """The factory of protocols that aiohttp gives to each site; it asks for nothing else."""
        return self._gate

    async def begin_shutdown(self) -> None:
        """Begin the shutdown: accept no more connections, and let the open ones finish.

        The service is not ready any more, and each answer is its connection's last.

        A connection closed at once would lose the request that is on its way to it.
        """
        self.app[SERVICES].shutting_down.set()
        for site in list(self.sites):
            await site.stop()
        if self._gate is not None and self._gate.server.connections:
            await asyncio.sleep(_LAST_REQUESTS_S)


async def listen(runner: web.AppRunner, host: str, port: int) -> int:
    """Accept connections on host:port (0: any free port), and return the port.

    Raises:
        OSError: the port is in use, or the address is not this machine's.
    """
    return await _start_site(runner, web.TCPSite(runner, host, port, backlog=BACKLOG))


async def listen_on(runner: web.AppRunner, sock: socket.socket) -> int:
    """Accept connections on a socket that another process listens on too, and return its port."""
    return await _start_site(runner, web.SockSite(runner, sock, backlog=BACKLOG))


async def _start_site(runner: web.AppRunner, site: web.BaseSite) -> int:
    await site.start()
    bound: int = runner.addresses[-1][1]
    return bound
