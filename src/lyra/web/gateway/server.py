"""The runner: aiohttp with the arguments, the deadlines and the error page that a public service needs.

aiohttp's own `handle_error` writes a malformed header, token included, into the log and into the
answer, and its default settings inflate strangers' bodies on the event loop.

No private name of aiohttp is used here, or anywhere else under `lyra`. What `_Timed` does stands on
when aiohttp calls the public ones of its protocol (`_USED`): that holds for the versions `TRIED`.
With another one, or where a name is missing, connections have aiohttp's own deadlines alone.
"""

import asyncio
import logging
import secrets
import socket
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp import StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from lyra.errors import HeadTooLargeError, LyraError, RequestError
from lyra.settings import Settings
from lyra.web.context import SERVICES
from lyra.web.http.chunks import Chunks
from lyra.web.http.client_ip import Network, client_of, trusted_networks
from lyra.web.http.connection_limit import ConnectionTable
from lyra.web.http.deadlines import Deadlines, Limits, Phase
from lyra.web.http.framing import Framing
from lyra.web.http.responses import add_security_headers, error_answer, last_words

log = logging.getLogger(__name__)

TRIED = ("3.14",)
_USED = frozenset(
    {"connection_lost", "connection_made", "data_received", "finish_response", "force_close"}
    | {"handle_error", "transport"}
)
BACKLOG = 1024
MAX_HEAD_BYTES = 16_384  # of one request: its first line and all its fields
_KEEPALIVE_S = 75
_LINGER_S = 0.5
_SHUTDOWN_S = 5
_LAST_REQUESTS_S = 0.3  # how long what is on its way may still arrive
_LAST_LOOK_S = 0.01  # after a stall the loop runs timers before it reads what has come in time
_PIECES = 64  # given to the parser in one turn of the loop
_HELD_BACK = 16_384  # bytes behind a request, from which on no more are read
_WORKING = frozenset({Phase.BEGINNING, Phase.UNDER_WAY, Phase.ANSWERING})
_CONTINUE = "100-continue"
_SEND_BUFFER = 65_536  # left to itself the kernel keeps megabytes for one who does not read
_TCP_OPTIONS = {
    "TCP_USER_TIMEOUT": 20_000,  # ms: what was sent and not acknowledged for so long never will be
    "TCP_KEEPIDLE": 15,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
}
_OPTIONS: Mapping[str, Any] = {
    "access_log": None,
    "auto_decompress": False,
    "keepalive_timeout": _KEEPALIVE_S,
    "lingering_time": _LINGER_S,
    "max_field_size": 4096,
    "max_headers": 64,
    "read_bufsize": 65_536,
}
_TRAILERS: Mapping[str, int] = {name: _OPTIONS[name] for name in ("max_field_size", "max_headers")}


class _Plain(web.RequestHandler):
    """aiohttp's protocol with our error page, on a hardened socket, and counted."""

    __slots__ = ("_gate",)

    def __init__(self, gate: "_Gate") -> None:
        super().__init__(gate.server, loop=asyncio.get_running_loop(), **_OPTIONS)
        self._gate = gate

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.transport is None:
            return
        if self._gate.admit(self, self.transport):
            _harden(self.transport)
        else:
            # Who is here already is served; a polite answer would cost what there is no room for.
            self.transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._gate.connections.leave(self)
        super().connection_lost(exc)

    def let_go(self) -> None:
        """End the connection now; one whose reader takes nothing is not waited for."""
        if self.transport is not None and self.transport.get_write_buffer_size():
            self.transport.abort()
        self.force_close()

    def begun(self, request: web.Request) -> None:  # noqa: ARG002 - see _Timed
        """A request is taken up."""
        self._gate.connections.works(self)

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


class _Timed(_Plain):
    """Feeds `Framing`, `Deadlines` and `Connections` with what happens, and does what they say."""

    __slots__ = (
        "_body",
        "_chunks",
        "_deadlines",
        "_deaf",
        "_framing",
        "_held_back",
        "_last_look",
        "_phase_told",
        "_timer",
        "_timer_at",
        "_turn",
        "_unsent",
    )

    def __init__(self, gate: "_Gate") -> None:
        super().__init__(gate)
        self._turn = asyncio.get_running_loop()
        self._framing = Framing(MAX_HEAD_BYTES)
        self._deadlines = Deadlines(gate.limits, self._turn.time())
        self._phase_told = Phase.AWAITING_HEAD
        self._body: StreamReader | None = None  # while only the parser knows where it ends
        self._chunks: Chunks | None = None  # of that body
        self._deaf = False  # what comes is dropped
        self._held_back = False  # nothing is read
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._last_look = False
        self._unsent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._settle()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._deaf, self._body, self._chunks = True, None, None  # which know loop or protocol
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; aiohttp calls it with nothing to have the parser go on."""
        if self._deaf:
            return
        if self._framing.alone(data):  # as nearly all come; the rest of this is for all others
            self._deadlines.head_whole(self._turn.time())
            self._tell()
            self._arm()
            super().data_received(data)
            return
        if data:
            self._framing.take(data)
        else:
            self._feed(data)
        self._give()

    def begun(self, request: web.Request) -> None:
        """Let the request have its body as it comes."""
        content = request.content
        length = 0 if content.is_eof() else request.content_length
        if length is None:
            self._body, self._chunks = content, Chunks(**_TRAILERS)
        else:
            self._body = self._chunks = None
        self._framing.begun(length)
        self._deadlines.begun()
        if length != 0 or self._framing.held:
            self._give()

    @property
    def nothing_behind(self) -> bool:
        """Whether nothing has come that waits for this request's answer."""
        return self._framing.waits and not self._framing.held

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send what is left of the answer, within its time; then the next request's turn comes."""
        self._deadlines.answering(self._turn.time())
        self._arm()
        if self._deaf:
            resp.force_close()
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._answered()

    def _answered(self) -> None:
        self._framing.answered()
        self._deadlines.answered(
            self._turn.time(),
            body_due=self._framing.body_due,
            part_of_head=self._framing.no_body > 0,
        )
        if self._deadlines.phase is not Phase.IDLE or self._held_back:
            self._give()
        elif not self._deaf:
            self._tell()
            self._arm()

    def _give(self) -> None:
        """Let the parser have what it may have now, and draw the consequences."""
        for _ in range(_PIECES):
            if self._deaf or not (piece := self._framing.piece()):
                break
            self._feed(piece)
        else:
            self._turn.call_soon(self._give)  # tiny pieces, made to keep the loop busy
        self._settle()

    def _feed(self, piece: bytes) -> None:
        body = self._body if self._framing.end_unknown else None
        if body is not None and self._chunks is not None and not self._chunks.take(piece):
            self._break(body)
            return
        before = 0 if body is None else body.total_bytes
        super().data_received(piece)
        if body is None:
            return
        if body.is_eof():
            self._body = self._chunks = None
            self._framing.body_over()
        elif body.total_bytes > before:
            self._framing.grew()

    def _break(self, body: StreamReader) -> None:
        """Fail the request whose body is not HTTP, and hear no more: where it ends nobody knows."""
        log.info("malformed request: a body's chunks")
        self._deaf, self._body, self._chunks = True, None, None
        self._framing.clear()
        self._gate.connections.holds(self, 0)
        self._read_on()
        if self._deadlines.phase is Phase.LINGERING:  # it has had its answer
            self.let_go()
            return
        body.set_exception(RequestError("The request's body is not valid HTTP."))
        body.feed_eof()  # else aiohttp would wait for the rest after the answer

    def _settle(self) -> None:
        """Bring deadline, table and reading up to date with what has just happened."""
        if self._deaf or self.transport is None or self.transport.is_closing():
            return
        if self._framing.too_long:
            self._refuse()
        else:
            self._note()
            self._gate.connections.holds(self, self._framing.no_body)
        self._tell()
        self._read_on()
        self._arm()

    def _note(self) -> None:
        """Tell the deadlines where the head and the body are."""
        framing, now = self._framing, self._turn.time()
        if self._deadlines.phase is Phase.LINGERING and not framing.body_due:
            self._deadlines.body_whole(now, part_of_head=framing.no_body > 0)
        if framing.waits:
            self._deadlines.head_whole(now)
        elif framing.head_due and framing.no_body:
            self._deadlines.part_of_head(now)

    def _tell(self) -> None:
        """Tell the table whether a request is under way."""
        told, phase = self._phase_told, self._deadlines.phase
        self._phase_told = phase
        if phase is told or {phase, told} <= _WORKING:
            return
        if phase is Phase.IDLE:
            self._gate.connections.rests(self)
        elif phase in _WORKING:
            self._gate.connections.works(self)
        else:
            self._gate.connections.waits(self)

    def _read_on(self) -> None:
        """Read no more while much waits behind a request; a little does no harm, and a FIN is seen."""
        if self.transport is None or self.transport.is_closing():
            return
        if self._framing.held >= _HELD_BACK:
            self._held_back = True
            if self.transport.is_reading():
                self.transport.pause_reading()
        elif self._held_back:
            self._held_back = False
            if not self.transport.is_reading():
                self.transport.resume_reading()

    def _refuse(self) -> None:
        """Answer what is too long, if nothing else is being answered, and hear no more."""
        if self._body is not None:
            self._break(self._body)
            return
        polite = self._framing.head_due
        self._deaf = True
        self._framing.clear()
        self._gate.connections.holds(self, 0)
        if not polite or self.transport is None:
            self.let_go()
            return
        self.transport.write(last_words(HeadTooLargeError()))
        self.transport.write_eof()
        self._deadlines.refused(self._turn.time())

    def _arm(self) -> None:
        at = self._deadlines.at
        if at is None or self.transport is None or (self._timer and self._timer_at <= at):
            return  # a timer that is too early looks again
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = self._turn.call_at(at, self._due), at

    def _due(self) -> None:
        self._timer = None
        if self.transport is None:
            return
        now, unsent = self._turn.time(), self.transport.get_write_buffer_size()
        passed = self._deadlines.passed(now, progress=unsent < self._unsent)
        self._unsent = unsent
        if not passed:
            self._last_look = False
            self._arm()
        elif self._last_look:
            self.let_go()
        else:
            self._last_look = True
            self._timer_at = now + _LAST_LOOK_S
            self._timer = self._turn.call_at(self._timer_at, self._due)


def _protocol() -> type[_Plain]:
    """The protocol for this aiohttp."""
    minor = ".".join(aiohttp.__version__.split(".")[:2])
    missing = {name for name in _USED if not hasattr(web.RequestHandler, name)}
    clashing = {name for name in vars(_Timed) if hasattr(web.RequestHandler, name)} - _USED
    clashing = {name for name in clashing if not name.startswith("__")}
    if minor in TRIED and not missing and not clashing:
        return _Timed
    log.warning(
        "aiohttp %s is not one that was tried (%s): its own deadlines apply",
        aiohttp.__version__,
        ", ".join(TRIED),
    )
    return _Plain


def _refusal(error: LyraError) -> web.Response:
    """The answer to a request that never reaches the application, and the connection's last."""
    # The context still holds the id of the connection's previous request, if any.
    rid = secrets.token_hex(8)
    answer = error_answer(error, rid)
    add_security_headers(answer, rid)
    answer.force_close()
    return answer


async def _met(request: web.Request, handle: Handler) -> web.StreamResponse:
    """Answer the request; one that expects what this server does not do is refused.

    Routes can refuse it too, but where there is none aiohttp repeats what was sent.
    """
    if isinstance(request.protocol, _Plain):
        request.protocol.begun(request)
    if request.headers.get("Expect", _CONTINUE).lower() != _CONTINUE:
        return _refusal(RequestError("This server meets no such Expect."))
    return await handle(request)


class _Gate:
    """Makes the protocol of each new connection, and knows them all."""

    def __init__(self, server: web.Server, settings: Settings) -> None:
        self.server = server
        self.connections = ConnectionTable(settings.max_connections, settings.heads_max_bytes)
        self.limits = Limits(
            head_s=settings.header_timeout_s,
            idle_s=_KEEPALIVE_S,
            write_s=settings.write_timeout_s,
            linger_s=_LINGER_S,
        )
        self._trusted: tuple[Network, ...] = trusted_networks(settings.trusted_proxies)
        self._made = _protocol()

    def __call__(self) -> web.RequestHandler:
        return self._made(self)

    def admit(self, one: _Plain, transport: asyncio.Transport) -> bool:
        """Whether there is room for this newcomer."""
        peer = transport.get_extra_info("peername")
        address, trusted = client_of(peer[0] if peer else "", self._trusted)
        return self.connections.admit(one, address, trusted=trusted)


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

    def __init__(
        self, app: web.Application, settings: Settings, *, counted_as: str = "lyra_connections"
    ) -> None:
        self._settings = settings
        self._counted_as = counted_as
        self._gate: _Gate | None = None
        super().__init__(app, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_S, **_OPTIONS)

    async def setup(self) -> None:
        """Start the application; sites may be made from here on."""
        await super().setup()
        server = super().server
        assert server is not None  # noqa: S101 - as of the line above
        server.request_handler = partial(_met, handle=server.request_handler)
        self._gate = _Gate(server, self._settings)
        watched = self._gate.connections.stats
        self.app[SERVICES].metrics.register_callback(self._counted_as, watched)

    @property
    def server(self) -> Any:
        """What makes a protocol for each connection of a site; aiohttp asks it for nothing else."""
        return self._gate

    async def leave(self) -> None:
        """Accept no more, and let who is connected finish: not ready, and each answer is the last.

        A connection closed at once would lose the request that is on its way to it.
        """
        self.app[SERVICES].shutting_down.set()
        for site in list(self.sites):
            await site.stop()
        if self._gate is not None and self._gate.server.connections:
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
