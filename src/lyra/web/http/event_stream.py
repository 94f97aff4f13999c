"""Server-sent events on aiohttp: frames, and one ticker that keeps all open streams honest."""

import asyncio
from collections.abc import Mapping
from typing import Protocol, Self

from aiohttp import web

from lyra.chat.parts import Part
from lyra.chat.runs.event_log import EventLog
from lyra.chat.runs.run import Run
from lyra.errors import MethodNotAllowedError
from lyra.settings import Settings
from lyra.web.http.write_coalescer import WriteCoalescer

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    # no-transform keeps compressing proxies from holding frames back.
    "Cache-Control": "no-store, no-cache, no-transform",
    "X-Accel-Buffering": "no",
}
DONE = b"data: [DONE]\n\n"
_HEARTBEAT = b": ka\n\n"
_LONGEST_TICK_S = 1.0


def frame(data: bytes) -> bytes:
    """One event. The data is JSON on one line, so nothing in it can end the frame."""
    return b"data: %b\n\n" % data


class WireFormat(Protocol):
    """One wire format of a run: its headers, its frames, and what follows the last one."""

    headers: Mapping[str, str]
    last: bytes

    def frames(self, parts: list[Part]) -> bytes:
        """These parts as frames; some faces pass some parts over."""
        ...


class UiMessageFrames:
    """The AI SDK UI message stream, version 1: the parts as they are, each with its place."""

    headers: Mapping[str, str] = {"x-vercel-ai-ui-message-stream": "v1"}
    last = DONE

    def __init__(self, log: EventLog, position: int = 0) -> None:
        self._log = log
        self._one = b"id: %b.%%d\ndata: %%b\n\n" % log.id.encode().replace(b"%", b"%%")
        self._position = position

    def more(self) -> bytes:
        """The frames since the last call; their ids say where a reader may go on."""
        lines = self._log.lines(self._position)
        first = self._position + 1
        self._position += len(lines)
        if len(lines) == 1:
            return self._one % (first, lines[0])
        return b"".join([self._one % numbered for numbered in enumerate(lines, first)])


class AdaptedFrames:
    """A run in another protocol's frames."""

    def __init__(self, run: Run, face: WireFormat) -> None:
        self.headers = face.headers
        self.last = face.last
        self._run = run
        self._face = face
        self._position = 0

    def more(self) -> bytes:
        """The frames since the last call; none when all these parts are passed over."""
        parts = self._run.since(self._position)
        self._position += len(parts)
        return self._face.frames(parts)


class StreamMonitor:
    """Watches every open stream: comments in silence, the end for a reader who does not read.

    One task for all of them costs nothing for each token, unlike a timeout around each write.
    """

    def __init__(self, settings: Settings) -> None:
        self._heartbeat_s = settings.heartbeat_s
        self._write_timeout_s = settings.write_timeout_s
        self._streams: set[EventStream] = set()

    def add(self, stream: "EventStream") -> None:
        self._streams.add(stream)

    def remove(self, stream: "EventStream") -> None:
        self._streams.discard(stream)

    async def run(self) -> None:
        """Tick until cancelled."""
        loop = asyncio.get_running_loop()
        tick_s = min(self._heartbeat_s / 4, self._write_timeout_s / 4, _LONGEST_TICK_S)
        while True:
            await asyncio.sleep(tick_s)
            for stream in tuple(self._streams):
                await self._look(stream, loop.time())

    async def _look(self, stream: "EventStream", now: float) -> None:
        if stream.writing:
            if now - stream.active_at >= self._write_timeout_s:
                stream.abort()
        elif now - stream.active_at >= self._heartbeat_s:
            await stream.beat()


class EventStream:
    """An open event stream to one reader, who is cut off when nothing can be written in time."""

    def __init__(self, request: web.Request, ticker: StreamMonitor, outbox: WriteCoalescer) -> None:
        self._request = request
        self._ticker = ticker
        self._outbox = outbox
        self._response = web.StreamResponse(headers=HEADERS)
        self._clock = asyncio.get_running_loop().time
        self.writing = False
        self.active_at = self._clock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ticker.remove(self)

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
            self._response.force_close()  # nothing else tells where it ends
        self._ticker.add(self)
        self._response.headers.clear()  # sent; 3 KiB for as long as the stream is open

    async def send(self, *payloads: bytes) -> None:
        """Send one frame for each JSON document, all in one write."""
        await self._write(b"".join(map(frame, payloads)))

    async def close(self, last: bytes = DONE) -> web.StreamResponse:
        """Send what ends the stream, and end it."""
        self._writes()
        await self._response.write_eof(last)
        self.writing = False
        self._ticker.remove(self)
        return self._response

    async def relay(
        self, log: EventLog, frames: UiMessageFrames | AdaptedFrames
    ) -> web.StreamResponse:
        """Send the log as it grows, up to its ending."""
        if not log.ended:
            await self._write(frames.more())
            # Where there was nothing yet that the headers could go with, they go alone.
            self._request.writer.send_headers()
            await self._follow(log, frames)
        return await self.close(frames.more() + frames.last)

    async def _follow(self, log: EventLog, frames: UiMessageFrames | AdaptedFrames) -> None:
        pump = _Pump(self, log, frames)
        with log.follow(pump):
            pump.pump()
            while not log.ended:
                await pump.stuck.wait()
                pump.stuck.clear()
                await self._drain()
                pump.pump()

    def push(self, data: bytes) -> bool:
        """Write without waiting; whether the reader keeps up. What could not leave stays queued."""
        transport = self._request.transport
        if transport is None or transport.is_closing():
            return False  # the task that has the stream will meet it too
        if data:
            self.active_at = self._clock()
            # Straight to the connection: aiohttp's way there takes three calls and a coroutine.
            chunk = b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data
            self._outbox.put(transport, chunk)
        return not self._request.protocol.writing_paused

    async def beat(self) -> None:
        """Send a comment, so that proxies and readers see that the stream is alive."""
        try:
            await self._write(_HEARTBEAT)
        except ConnectionError:
            self._ticker.remove(self)  # the reader is gone; the handler is told by aiohttp

    def abort(self) -> None:
        """Cut the connection of a reader who does not read."""
        # Closing politely would wait for this reader as well; only abort frees the socket.
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _write(self, data: bytes) -> None:
        if data:
            self._writes()
            await self._response.write(data)
            self.writing = False

    async def _drain(self) -> None:
        """Wait until the reader has read most of what was written.

        Raises:
            ConnectionError: the reader is gone.
        """
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the reader has left")
        self._writes()
        await self._request.writer.drain()
        self.writing = False

    def _writes(self) -> None:
        self._outbox.send()  # what was pushed comes first
        self.writing = True
        self.active_at = self._clock()


class _Pump:
    """Writes what is new of a log in the same turn of the loop in which it was made.

    Waking a task for each token costs more than the token. What several events of one read add
    leaves in one write. The stream's own task is woken only when its reader does not keep up, and
    at the end.
    """

    def __init__(
        self, stream: EventStream, log: EventLog, frames: UiMessageFrames | AdaptedFrames
    ) -> None:
        self.stuck = asyncio.Event()
        self._stream = stream
        self._log = log
        self._frames = frames
        self._soon = asyncio.get_running_loop().call_soon
        self._due = False

    def on_change(self) -> None:
        """See Subscriber.on_change."""
        if not self._due:
            self._due = True
            self._soon(self._woken)

    def _woken(self) -> None:
        self._due = False
        self.pump()

    def pump(self) -> None:
        """Write what is new, if the reader keeps up; see Subscriber.on_text."""
        if self._log.ended or self._stream.writing or not self._stream.push(self._frames.more()):
            self.stuck.set()

    on_text = pump
