"""Server-sent events (SSE) on aiohttp: one open stream, its frames and its writes."""

import asyncio
from collections.abc import Mapping
from typing import Self

from aiohttp import web

from lyra.errors import MethodNotAllowedError
from lyra.web.http.stream_monitor import StreamMonitor
from lyra.web.http.write_coalescer import WriteCoalescer

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    # no-transform keeps compressing proxies from holding frames back.
    "Cache-Control": "no-store, no-cache, no-transform",
    "X-Accel-Buffering": "no",
}
DONE = b"data: [DONE]\n\n"
_HEARTBEAT = b": ka\n\n"


def frame(data: bytes) -> bytes:
    """Return one event. The data is JSON on one line, so nothing in it can end the frame."""
    return b"data: %b\n\n" % data


class EventStream:
    """An open event stream to one reader, which is cut off when nothing can be written in time."""

    def __init__(
        self, request: web.Request, monitor: StreamMonitor, coalescer: WriteCoalescer
    ) -> None:
        self._request = request
        self._monitor = monitor
        self._coalescer = coalescer
        self._response = web.StreamResponse(headers=HEADERS)
        self._clock = asyncio.get_running_loop().time
        self.writing = False
        self.active_at = self._clock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._monitor.remove(self)

    async def open(self, headers: Mapping[str, str] | None = None) -> None:
        """Send the status line and the headers; from here on errors are events.

        Raises:
            MethodNotAllowedError: it is a HEAD request, whose answer has no body. What was written
                behind its headers would be taken for the answer to the connection's next request.
        """
        if self._request.method == "HEAD":
            raise MethodNotAllowedError
        self._response.headers.update(headers or {})
        await self._response.prepare(self._request)
        self._chunked = "Transfer-Encoding" in self._response.headers  # unlike to HTTP/1.0
        if not self._chunked:
            self._response.force_close()  # only its end marks the end of the body
        self._monitor.add(self)
        self._response.headers.clear()  # sent; 3 KiB for as long as the stream is open

    def send_headers(self) -> None:
        """Send the headers now, if they still wait for a first frame to go with."""
        self._request.writer.send_headers()

    async def send(self, *payloads: bytes) -> None:
        """Send one frame for each JSON document, all in one write."""
        await self.write(b"".join(map(frame, payloads)))

    async def close(self, last: bytes = DONE) -> web.StreamResponse:
        """Send the last bytes of the stream, and end it."""
        self._begin_write()
        await self._response.write_eof(last)
        self.writing = False
        self._monitor.remove(self)
        return self._response

    def push(self, data: bytes) -> bool:
        """Write without waiting, and return whether the reader keeps up.

        What cannot leave stays queued.
        """
        transport = self._request.transport
        if transport is None or transport.is_closing():
            return False  # the stream's own task will find the same
        if data:
            self.active_at = self._clock()
            # Straight to the connection: aiohttp's way there takes three calls and a coroutine.
            chunk = b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data
            self._coalescer.put(transport, chunk)
        return not self._request.protocol.writing_paused

    async def beat(self) -> None:
        """Send a comment, so that proxies and readers see that the stream is alive."""
        try:
            await self.write(_HEARTBEAT)
        except ConnectionError:
            self._monitor.remove(self)  # the reader is gone; aiohttp cancels the handler

    def abort(self) -> None:
        """Cut the connection of a reader that does not read."""
        # Closing politely would wait for this reader as well; only abort frees the socket.
        if self._request.transport is not None:
            self._request.transport.abort()

    async def write(self, data: bytes) -> None:
        """Write, and wait while the reader is far behind."""
        if data:
            self._begin_write()
            await self._response.write(data)
            self.writing = False

    async def drain(self) -> None:
        """Wait until the reader has read most of what was written.

        Raises:
            ConnectionError: the reader is gone.
        """
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the reader has left")
        self._begin_write()
        await self._request.writer.drain()
        self.writing = False

    def _begin_write(self) -> None:
        self._coalescer.flush()  # what was pushed comes first
        self.writing = True
        self.active_at = self._clock()
