"""Server-sent events on aiohttp: frames, heartbeats, and a deadline on every write."""

import asyncio

from aiohttp import web

from lyra.chat.parts import Part
from lyra.chat.run import Run
from lyra.settings import Settings

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    # no-transform keeps compressing proxies from holding frames back.
    "Cache-Control": "no-store, no-cache, no-transform",
    "X-Accel-Buffering": "no",
}
UI_MESSAGE_STREAM = {"x-vercel-ai-ui-message-stream": "v1"}
_DONE = b"data: [DONE]\n\n"
_HEARTBEAT = b": ka\n\n"


def frame(data: bytes) -> bytes:
    """One event. The data is JSON on one line, so nothing in it can end the frame."""
    return b"data: %b\n\n" % data


class EventStream:
    """An open event stream to one reader, who is cut off when nothing can be written in time."""

    def __init__(self, request: web.Request, settings: Settings) -> None:
        self._request = request
        self._settings = settings
        self._response = web.StreamResponse(headers=HEADERS)

    async def open(self, **headers: str) -> None:
        """Send the status line and the headers; from here on errors are events."""
        self._response.headers.update(headers)
        await self._response.prepare(self._request)

    async def send(self, *payloads: bytes) -> None:
        """Send one frame for each JSON document, all in one write."""
        await self._write(b"".join(map(frame, payloads)))

    async def close(self) -> web.StreamResponse:
        """Send the last frame."""
        await self._write(_DONE)
        await self._response.write_eof()
        return self._response

    async def relay(self, run: Run) -> web.StreamResponse:
        """Send the run's parts as they come, up to its ending. Silence is filled by comments."""
        position = 0
        while True:
            parts = run.since(position)
            if parts:
                position += len(parts)
                await self.send(*map(Part.encode, parts))
            elif run.ended:
                return await self.close()
            else:
                await self._await_growth(run, position)

    async def _await_growth(self, run: Run, position: int) -> None:
        try:
            async with asyncio.timeout(self._settings.heartbeat_s):
                await run.grown(position)
        except TimeoutError:
            await self._write(_HEARTBEAT)

    async def _write(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(self._settings.write_timeout_s):
                await self._response.write(data)
        except TimeoutError:
            # Closing politely would wait for this reader as well; only abort frees the socket.
            if self._request.transport is not None:
                self._request.transport.abort()
            raise ConnectionResetError("the reader does not read") from None
