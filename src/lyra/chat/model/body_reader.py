"""The body of a response, handed over in the turn of the loop in which it arrives.

aiohttp's readers are tasks that sleep until there is something. Where hundreds of streams bring a
word at a time, waking a task for each costs more than all that is done with the word.
"""

import asyncio
from collections.abc import Callable

import aiohttp

OnData = Callable[[bytes], bool]

_MAX_STEP_BYTES = 8_192  # bytes in one turn of the loop: a thousand events, of which none says much
_HELD_BACK_BYTES = 16_384  # bytes in one reading, from which on aiohttp may hold more of them back


async def push_body(response: aiohttp.ClientResponse, on_data: OnData) -> None:
    """Call `hear` with all of the body as it arrives, until it has ended or `hear` says enough.

    What comes faster than it is heard waits: first here, then with who sends it.

    Raises:
        aiohttp.ClientError: the body broke off.
        Exception: what `hear` has raised.
    """
    proxy = _ProtocolProxy(response, on_data)
    try:
        await proxy.done
    finally:
        proxy.remove()
    if proxy.failure is not None:
        raise proxy.failure


class _ProtocolProxy(asyncio.Protocol):
    """Stands between a connection and aiohttp's protocol, which goes on doing all the reading.

    While something is unheard the connection is not read, so that no more than one reading waits
    here, and what ends the body comes after all of it has been heard.
    """

    def __init__(self, response: aiohttp.ClientResponse, on_data: OnData) -> None:
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self.failure: Exception | None = None
        self._content = response.content
        self._on_data = on_data
        self._data = b""
        self._delivered = 0  # bytes of that reading
        self._deferred = False  # whether the next turn of the loop will go on
        self._paused = False
        self._lost = False
        self._transport: asyncio.Transport | None = None
        if response.connection is not None and response.connection.protocol is not None:
            self._protocol = response.connection.protocol
            self._transport = response.connection.transport
        if self._transport is not None:
            self._transport.set_protocol(self)
        self._deliver()  # what came together with the head

    def remove(self) -> None:
        """Leave the connection to aiohttp's protocol alone."""
        transport, self._transport = self._transport, None
        if transport is not None and not transport.is_closing():
            transport.set_protocol(self._protocol)
            self._resume(transport)  # for whoever reads from it next

    def data_received(self, data: bytes) -> None:
        """Let aiohttp read it, and hand over what that makes of it."""
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
        """Hand over what has come, unless the next turn of the loop will do so."""
        if not (self._deferred or self.done.done()):
            self._deliver_step()

    def _deliver_step(self) -> None:
        """Hand over as much as one turn of the loop has time for."""
        self._deferred = False
        if self.done.done():
            return
        try:
            enough = self._deliver_some()
        except Exception as failure:  # noqa: BLE001 - it is for the task that waits, not for the loop
            self._end(failure)
            return
        if enough:
            self._end()
        elif self._delivered < len(self._data) or len(self._data) >= _HELD_BACK_BYTES:
            self._defer()
        elif self._content.at_eof():
            self._end()
        elif self._lost:  # aiohttp has seen neither end nor fault
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
