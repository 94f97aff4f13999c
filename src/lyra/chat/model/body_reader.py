"""Push the body of a response to a callback in the event loop iteration in which it arrives.

aiohttp's readers are tasks that sleep until there is data. With hundreds of streams that bring one
word at a time, waking a task for each word costs more than everything that is done with the word.
"""

import asyncio
from collections.abc import Callable

import aiohttp

OnData = Callable[[bytes], bool]

_MAX_STEP_BYTES = 8_192  # in one iteration of the event loop; about a thousand small events
_HELD_BACK_BYTES = 16_384  # in one read, from which on aiohttp may hold more data back


async def push_body(response: aiohttp.ClientResponse, on_data: OnData) -> None:
    """Call `on_data` with the body as it arrives, until it has ended or `on_data` returns True.

    Data that comes faster than it is handled waits: first here, then at its sender (backpressure).

    Raises:
        aiohttp.ClientError: the body broke off.
        Exception: what `on_data` has raised.
    """
    proxy = _ProtocolProxy(response, on_data)
    try:
        await proxy.done
    finally:
        proxy.remove()
    if proxy.failure is not None:
        raise proxy.failure


class _ProtocolProxy(asyncio.Protocol):
    """Stands between a connection and aiohttp's protocol, which goes on doing all the parsing.

    While data is undelivered the connection is not read. So no more than one read waits here, and
    the end of the body comes after all of it has been delivered.
    """

    def __init__(self, response: aiohttp.ClientResponse, on_data: OnData) -> None:
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self.failure: Exception | None = None
        self._content = response.content
        self._on_data = on_data
        self._data = b""
        self._delivered = 0  # bytes of that data
        self._deferred = False  # whether the next loop iteration will go on
        self._paused = False
        self._lost = False
        self._transport: asyncio.Transport | None = None
        if response.connection is not None and response.connection.protocol is not None:
            self._protocol = response.connection.protocol
            self._transport = response.connection.transport
        if self._transport is not None:
            self._transport.set_protocol(self)
        self._deliver()  # what came together with the response's head

    def remove(self) -> None:
        """Leave the connection to aiohttp's protocol alone."""
        transport, self._transport = self._transport, None
        if transport is not None and not transport.is_closing():
            transport.set_protocol(self._protocol)
            self._resume(transport)  # for the next call on this connection

    def data_received(self, data: bytes) -> None:
        """Let aiohttp parse the data, and deliver the part of the body that it holds."""
        self._protocol.data_received(data)
        if self._content.is_eof():
            self.remove()  # the connection is free for other calls from here on
        self._deliver()

    def eof_received(self) -> None:
        self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._lost = True
        self._protocol.connection_lost(exc)
        self._deliver()

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def _deliver(self) -> None:
        """Deliver what has come, unless the next loop iteration will do so."""
        if not (self._deferred or self.done.done()):
            self._deliver_step()

    def _deliver_step(self) -> None:
        """Deliver as much as one iteration of the event loop has time for."""
        self._deferred = False
        if self.done.done():
            return
        try:
            enough = self._deliver_some()
        except Exception as failure:  # noqa: BLE001 - the waiting task raises it
            self._end(failure)
            return
        if enough:
            self._end()
        elif self._delivered < len(self._data) or len(self._data) >= _HELD_BACK_BYTES:
            self._defer()
        elif self._content.at_eof():
            self._end()
        elif self._lost:  # aiohttp has seen neither an end nor an error
            self._end(aiohttp.ServerDisconnectedError())
        elif self._transport is not None:
            self._resume(self._transport)

    def _deliver_some(self) -> bool:
        if self._delivered >= len(self._data):
            self._data, self._delivered = self._content.read_nowait(), 0
        some_data = (
            self._data[self._delivered : self._delivered + _MAX_STEP_BYTES] if self._data else b""
        )
        self._delivered += len(some_data)
        return self._on_data(some_data) if some_data else False

    def _defer(self) -> None:
        self._deferred = True
        if self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._loop.call_soon(self._deliver_step)

    def _resume(self, transport: asyncio.Transport) -> None:
        if self._paused:
            self._paused = False
            transport.resume_reading()

    def _end(self, failure: Exception | None = None) -> None:
        if not self.done.done():
            self.failure = failure
            self.done.set_result(None)
