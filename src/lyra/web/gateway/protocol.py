"""aiohttp's protocol with Lyra's error page, on a hardened socket, and counted.

aiohttp's own `handle_error` writes a malformed header, token included, into the log and into the
answer, and its default settings inflate strangers' bodies on the event loop.

No private name of aiohttp is used here, or anywhere else under `lyra`.
"""

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from lyra.errors import LyraError, RequestError
from lyra.settings import Settings
from lyra.web.http.client_ip import Network, identify_peer, trusted_networks
from lyra.web.http.connection_limit import Connection, ConnectionTable
from lyra.web.http.deadlines import Limits
from lyra.web.http.responses import add_security_headers, error_response

log = logging.getLogger(__name__)

_KEEPALIVE_S = 75
_LINGER_S = 0.5
_SEND_BUFFER = 65_536  # by itself the kernel keeps megabytes for a peer that does not read
_TCP_OPTIONS = {
    "TCP_USER_TIMEOUT": 20_000,  # ms: what was sent and not acknowledged for so long never will be
    "TCP_KEEPIDLE": 15,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
}
MAX_FIELD_BYTES = 4096  # of one header or trailer field
MAX_FIELDS = 64  # of one request's headers and trailers together
OPTIONS: Mapping[str, Any] = {
    "access_log": None,
    "auto_decompress": False,
    "keepalive_timeout": _KEEPALIVE_S,
    "lingering_time": _LINGER_S,
    "max_field_size": MAX_FIELD_BYTES,
    "max_headers": MAX_FIELDS,
    "read_bufsize": 65_536,
}


class Gate:
    """Make the protocol of each new connection, and keep the table of all connections."""

    def __init__(
        self,
        server: web.Server,
        settings: Settings,
        protocol: Callable[["Gate"], web.RequestHandler],
    ) -> None:
        self.server = server
        self.connections = ConnectionTable(settings.max_connections, settings.heads_max_bytes)
        self.limits = Limits(
            head_s=settings.header_timeout_s,
            idle_s=_KEEPALIVE_S,
            write_s=settings.write_timeout_s,
            linger_s=_LINGER_S,
        )
        self._trusted: tuple[Network, ...] = trusted_networks(settings.trusted_proxies)
        self._protocol = protocol

    def __call__(self) -> web.RequestHandler:
        return self._protocol(self)

    def admit(self, connection: Connection, transport: asyncio.Transport) -> bool:
        """Return whether there is room for this new connection."""
        peer = transport.get_extra_info("peername")
        address, trusted = identify_peer(peer[0] if peer else "", self._trusted)
        return self.connections.admit(connection, address, trusted=trusted)


class PlainProtocol(web.RequestHandler):
    """The stock protocol, with the deadlines that aiohttp has itself."""

    __slots__ = ("_gate",)

    def __init__(self, gate: Gate) -> None:
        super().__init__(gate.server, loop=asyncio.get_running_loop(), **OPTIONS)
        self._gate = gate

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.transport is None:
            return
        if self._gate.admit(self, self.transport):
            _harden(self.transport)
        else:
            # A polite answer would cost what there is no room for.
            self.transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._gate.connections.remove(self)
        super().connection_lost(exc)

    def disconnect(self) -> None:
        """End the connection now, without waiting for a peer that reads nothing."""
        if self.transport is not None and self.transport.get_write_buffer_size():
            self.transport.abort()
        self.force_close()

    def begin_request(self, request: web.Request) -> None:  # noqa: ARG002 - see TimedProtocol
        """Take note that the application begins to handle a request."""
        self._gate.connections.mark_working(self)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature; it quotes the request
    ) -> web.StreamResponse:
        """Answer a request that never reached the application; quote nothing that was received."""
        if isinstance(exc, ConnectionError):
            raise exc  # the peer has left: aiohttp closes the connection, without a word
        if isinstance(exc, HttpProcessingError):
            log.info("malformed request: %s", type(exc).__name__)
        else:
            log.error("a request broke outside the application: %s", type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has already begun")
        malformed = status == HTTPStatus.BAD_REQUEST
        error = RequestError("The request is not valid HTTP.") if malformed else LyraError()
        return refusal(error)


def refusal(error: LyraError) -> web.Response:
    """Return the answer to a request that never reaches the application; it is the connection's last."""
    # The context still holds the id of the connection's previous request, if any.
    rid = secrets.token_hex(8)
    response = error_response(error, rid)
    add_security_headers(response, rid)
    response.force_close()
    return response


def _harden(transport: asyncio.Transport) -> None:
    """Have the kernel notice peers that vanish, and buffer little for one that does not read."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    for name, value in _TCP_OPTIONS.items():
        option = getattr(socket, name, None)  # not every system has each of them
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
