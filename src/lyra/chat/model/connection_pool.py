"""A pool of keep-alive connections to the model's server, with one safe retry.

A server closes an idle connection whenever it likes. A request that is on its way at that moment is
lost, although nothing is wrong, and is sent once more. A call costs money and POST is not
idempotent, so that happens only if all of this holds:

- the connection has served a request before: if a new one breaks, the server fails;
- not one byte of a response has come on it, not even of an interim one or of half a head;
- it broke within a second. A server that closed an idle connection did so before the request came,
  which shows one round trip later; if it takes longer, the server may have been at work on it.

The retry goes over a new connection, as the other idle ones may be closed too; there is no second.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Protocol

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

_CONNECT_S = 5.0
_IDLE_S = 30.0  # for which an idle connection is kept; servers close theirs after a minute
_CLOSED_WITHIN_S = 1.0


class Client(Protocol):
    """What sends a request to the model's server."""

    async def post(self, url: URL, *, data: bytes) -> aiohttp.ClientResponse:
        """Return the response once its head has come, with the body still to come."""
        ...


@asynccontextmanager
async def open_pool(
    limit: int, certificates: ssl.SSLContext, headers: Mapping[str, str], proxy: str | None
) -> AsyncIterator["ConnectionPool"]:
    """Provide the pool of one process, with at most `limit` connections, closed after the block."""
    # No read timeout: it would set a timer anew at every token. IdleTimeout and the limit of the
    # whole answer bound the silence.
    timeout = aiohttp.ClientTimeout(connect=_CONNECT_S, sock_connect=_CONNECT_S)
    connector = partial(aiohttp.TCPConnector, limit=limit, ssl=certificates)
    session = partial(
        aiohttp.ClientSession,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        proxy=proxy,
        response_class=_WatchedResponse,
        timeout=timeout,
    )
    trace_config = aiohttp.TraceConfig()
    trace_config.on_connection_reuseconn.append(_note_reuse)
    async with AsyncExitStack() as stack:
        kept = session(connector=connector(keepalive_timeout=_IDLE_S), trace_configs=[trace_config])
        fresh = session(connector=connector(force_close=True))
        for client in (kept, fresh):
            await stack.enter_async_context(client)
        yield ConnectionPool(kept, fresh)


class ConnectionPool:
    """Sends requests over idle connections, and again over a new one if that was just closed."""

    def __init__(self, kept: aiohttp.ClientSession, fresh: aiohttp.ClientSession) -> None:
        self._kept = kept
        self._fresh = fresh

    async def post(self, url: URL, *, data: bytes) -> aiohttp.ClientResponse:
        """Return the response once its head has come, with the body still to come.

        Raises:
            aiohttp.ClientError: there is no response.
            TimeoutError: there was no connection in time.
        """
        trace = _PostTrace()
        try:
            return await self._kept.post(
                url, data=data, allow_redirects=False, trace_request_ctx=trace
            )
        except TimeoutError:  # some are ClientConnectionErrors as well
            raise
        except aiohttp.ClientConnectionError:
            if trace.reused_at is None or _now() - trace.reused_at >= _CLOSED_WITHIN_S:
                raise
        return await self._fresh.post(url, data=data, allow_redirects=False)


@dataclass
class _PostTrace:
    """When a request was given an idle connection; None for a new one."""

    reused_at: float | None = None


class _BrokenHeadError(aiohttp.ClientError):
    """The connection broke after the first byte of a response: the server has read the request."""


class _WatchedResponse(aiohttp.ClientResponse):
    """A response that knows whether any of it had come when its connection broke."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Wait for the head of the response.

        Raises:
            _BrokenHeadError: the connection broke after a byte had come.
        """
        watch = _ByteWatch(connection)
        try:
            return await super().start(connection)
        except aiohttp.ClientConnectionError as failure:
            if watch.any_byte:
                raise _BrokenHeadError from failure
            raise
        finally:
            watch.remove()


class _ByteWatch(asyncio.Protocol):
    """Stands between a connection and aiohttp's protocol, and notes whether a byte comes."""

    def __init__(self, connection: Connection) -> None:
        self.any_byte = False
        self._transport: asyncio.Transport | None = None
        if connection.protocol is not None and connection.transport is not None:
            self._protocol = connection.protocol
            self._transport = connection.transport
            self._transport.set_protocol(self)

    def remove(self) -> None:
        """Leave the connection to aiohttp's protocol alone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.set_protocol(self._protocol)

    def data_received(self, data: bytes) -> None:
        self.any_byte = True
        self._protocol.data_received(data)

    def eof_received(self) -> None:
        self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()


async def _note_reuse(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.reused_at = _now()


def _now() -> float:
    return asyncio.get_running_loop().time()
