"""The runner: aiohttp with the arguments and the error page that a public service needs.

aiohttp's own `handle_error` writes a malformed header, token included, into the log and into the
answer, and its default settings inflate strangers' bodies on the event loop.
"""

import asyncio
import logging
import secrets
import socket
from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.typedefs import Handler
from aiohttp.web_protocol import RequestHandler

from lyra.errors import LyraError, RequestError
from lyra.settings import Settings
from lyra.web.answers import dress, error_answer
from lyra.web.at_once import AT_ONCE, AtOnce
from lyra.web.outbox import Outbox
from lyra.web.services import SERVICES

log = logging.getLogger(__name__)

BACKLOG = 1024
_KEEPALIVE_S = 75
_SHUTDOWN_S = 5
_LAST_REQUESTS_S = 0.3  # how long what is on its way may still arrive
_CONTINUE = "100-continue"
_SEND_BUFFER = 65_536  # left to itself the kernel keeps megabytes for one who does not read
_TCP_OPTIONS = {
    "TCP_USER_TIMEOUT": 20_000,  # ms: what was sent and not acknowledged for so long never will be
    "TCP_KEEPIDLE": 15,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
}


class _Protocol(RequestHandler):
    __slots__ = ("_at_once", "_head_timeout_s", "_head_timer", "_outbox")

    def __init__(
        self,
        *arguments: Any,
        head_timeout_s: float,
        at_once: AtOnce,
        outbox: Outbox,
        **more: Any,
    ) -> None:
        super().__init__(*arguments, **more)
        self._at_once = at_once
        self._outbox = outbox
        self._head_timeout_s = head_timeout_s
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Take what came; a request's head has to come whole within its time."""
        before = self._request_count
        idle = self._waiter
        if idle is None or idle.done():
            super().data_received(data)
        else:
            self._received_at_rest(data, idle)
        if self._request_count != before:
            self._forget_head()
        elif self._head_timer is None and not self._request_in_progress and not self._messages:
            self._await_head()

    def _received_at_rest(self, data: bytes, idle: asyncio.Future[None]) -> None:
        """Wake the connection's task up for a request, unless that can be answered at once."""
        self._waiter = None  # aiohttp wakes the task through this
        try:
            super().data_received(data)
        finally:
            self._waiter = idle
        if self._messages and not self._answered_at_once() and not idle.done():
            idle.set_result(None)

    def _answered_at_once(self) -> bool:
        message, payload = self._messages[0]
        alone = len(self._messages) == 1 and payload is EMPTY_PAYLOAD
        # Who has not taken the answers before has to wait for more: that is the task's business.
        if not alone or self.transport is None or self.transport.get_write_buffer_size():
            return False
        answer = self._at_once.answer(message) if isinstance(message, RawRequestMessage) else None
        if answer is None:
            return False
        self._messages.clear()
        if self._parser is not None:
            self._parser.message_consumed()
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        self._outbox.put(self.transport, answer)
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        self._forget_head()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head_timer = self._loop.call_later(self._head_timeout_s, self.force_close)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature; it quotes the request
    ) -> web.StreamResponse:
        """Answer a request that never reached the application; received bytes stay unsaid."""
        if isinstance(exc, ConnectionError):
            raise exc  # the reader has left: aiohttp closes what is left, without a word
        if isinstance(exc, HttpProcessingError):
            log.info("malformed request: %s", type(exc).__name__)
        else:
            log.error("a request broke outside the application: %s", type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has already begun")
        malformed = status == HTTPStatus.BAD_REQUEST
        error = RequestError("The request is not valid HTTP.") if malformed else LyraError()
        return _refusal(error)


def _refusal(error: LyraError) -> web.Response:
    """The answer to a request that never reaches the application, and the connection's last."""
    # The context still holds the id of the connection's previous request, if any.
    rid = secrets.token_hex(8)
    answer = error_answer(error, rid)
    dress(answer, rid)
    answer.force_close()
    return answer


class _Server(web.Server):
    max_connections: int
    head_timeout_s: float
    at_once: AtOnce
    outbox: Outbox

    async def met(self, request: web.Request, handle: Handler) -> web.StreamResponse:
        """Answer the request; one that expects what this server does not do is refused.

        Routes can refuse it too, but where there is none aiohttp repeats what was sent.
        """
        if request.headers.get("Expect", _CONTINUE).lower() != _CONTINUE:
            return _refusal(RequestError("This server meets no such Expect."))
        return await handle(request)

    def __call__(self) -> RequestHandler:
        return _Protocol(
            self,
            loop=self._loop,
            head_timeout_s=self.head_timeout_s,
            at_once=self.at_once,
            outbox=self.outbox,
            **self._kwargs,
        )

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self._connections) > self.max_connections:
            # Who is here already is served; a polite answer would cost what there is no room for.
            transport.abort()
            return
        _harden(transport)


def _harden(transport: asyncio.Transport) -> None:
    """Notice peers who vanished, and let one who does not read hold little of the kernel's memory."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    for name, value in _TCP_OPTIONS.items():
        option = getattr(socket, name, None)  # not every system has each of them
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


class Runner(web.AppRunner):
    """Runs an application as Lyra runs it everywhere: in production, in tests, in benchmarks."""

    def __init__(self, app: web.Application, settings: Settings) -> None:
        self._settings = settings
        super().__init__(
            app,
            access_log=None,
            auto_decompress=False,
            handler_cancellation=True,
            keepalive_timeout=_KEEPALIVE_S,
            lingering_time=0.5,
            max_field_size=4096,
            max_headers=64,
            read_bufsize=65_536,
            shutdown_timeout=_SHUTDOWN_S,
        )

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        # aiohttp has no argument for the protocol's class. A test holds that this still works.
        server.__class__ = _Server
        assert isinstance(server, _Server)  # noqa: S101 - as of the line above
        server.request_handler = partial(server.met, handle=server.request_handler)
        server.max_connections = self._settings.max_connections
        server.head_timeout_s = self._settings.header_timeout_s
        server.at_once = self.app[AT_ONCE]
        server.outbox = self.app[SERVICES].outbox
        return server

    async def leave(self) -> None:
        """Accept no more, and let who is connected finish: not ready, and each answer is the last.

        A connection closed at once would lose the request that is on its way to it.
        """
        self.app[SERVICES].leaving.set()
        for site in list(self.sites):
            await site.stop()
        if self.server is not None and self.server.connections:
            await asyncio.sleep(_LAST_REQUESTS_S)


async def listen(runner: web.AppRunner, host: str, port: int) -> int:
    """Accept connections on host:port (0: any free port) and say which port it is.

    Raises:
        OSError: the port is in use, or the address is not this machine's.
    """
    return await _started(runner, web.TCPSite(runner, host, port, backlog=BACKLOG))


async def listen_on(runner: web.AppRunner, sock: socket.socket) -> int:
    """Accept connections on a socket that another process listens on too; its port."""
    return await _started(runner, web.SockSite(runner, sock, backlog=BACKLOG))


async def _started(runner: web.AppRunner, site: web.BaseSite) -> int:
    await site.start()
    bound: int = runner.addresses[-1][1]
    return bound
