"""The body of a response, handed over in the turn of the loop in which it arrives.

aiohttp's readers are tasks that sleep until there is something. Where hundreds of streams bring a
word at a time, waking a task for each costs more than all that is done with the word.
"""

import asyncio
from collections.abc import Callable

import aiohttp

Hear = Callable[[bytes], bool]

_HELD_BACK = 16_384  # bytes in one reading, from which on aiohttp may hold more of them back


async def inflow(response: aiohttp.ClientResponse, hear: Hear) -> None:
    """Call `hear` with all of the body as it arrives, until it has ended or `hear` says enough.

    Raises:
        aiohttp.ClientError: the body broke off.
        Exception: what `hear` has raised.
    """
    tap = _Tap(response, hear)
    try:
        await tap.over
    finally:
        tap.remove()
    if tap.failure is not None:
        raise tap.failure


class _Tap(asyncio.Protocol):
    """Stands between a connection and aiohttp's protocol, which goes on doing all the reading."""

    def __init__(self, response: aiohttp.ClientResponse, hear: Hear) -> None:
        self.over = asyncio.get_running_loop().create_future()
        self.failure: Exception | None = None
        self._content = response.content
        self._hear = hear
        self._transport: asyncio.Transport | None = None
        if response.connection is not None and response.connection.protocol is not None:
            self._protocol = response.connection.protocol
            self._transport = response.connection.transport
        if self._transport is not None:
            self._transport.set_protocol(self)
        self._pour()  # what came together with the head

    def remove(self) -> None:
        """Leave the connection to aiohttp's protocol alone."""
        transport, self._transport = self._transport, None
        if transport is not None and not transport.is_closing():
            transport.set_protocol(self._protocol)

    def data_received(self, data: bytes) -> None:
        """Let aiohttp read it, and hand over what that makes of it."""
        self._protocol.data_received(data)
        if self._content.is_eof():
            self.remove()  # the connection is free for other calls from here on
        self._pour()

    def eof_received(self) -> None:
        self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._protocol.connection_lost(exc)
        self._pour()
        self._end(aiohttp.ServerDisconnectedError())  # where aiohttp has seen neither end nor fault

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def _pour(self) -> None:
        """Hand over what has come."""
        if self.over.done():
            return
        content = self._content
        try:
            read = content.read_nowait()
            enough = self._hear(read) if read else False
            while len(read) >= _HELD_BACK and not enough:
                read = content.read_nowait()
                enough = self._hear(read) if read else False
        except Exception as failure:  # noqa: BLE001 - it is for the task that waits, not for the loop
            self._end(failure)
            return
        if enough or content.at_eof():
            self._end()

    def _end(self, failure: Exception | None = None) -> None:
        if not self.over.done():
            self.failure = failure
            self.over.set_result(None)
