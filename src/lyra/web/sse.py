"""Server-sent events on aiohttp: frames, heartbeats, and a deadline on every write."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

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
DONE = b"data: [DONE]\n\n"
_HEARTBEAT = b": ka\n\n"


def frame(data: bytes) -> bytes:
    """One event. The data is JSON on one line, so nothing in it can end the frame."""
    return b"data: %b\n\n" % data


class Face(Protocol):
    """One wire format of a run: its headers, its frames, and what follows the last one."""

    headers: Mapping[str, str]
    last: bytes

    def frames(self, parts: list[Part]) -> bytes:
        """These parts as frames; some faces pass some parts over."""
        ...


class UiMessages:
    """The AI SDK UI message stream, version 1: the parts as they are."""

    headers: Mapping[str, str] = {"x-vercel-ai-ui-message-stream": "v1"}
    last = DONE

    def frames(self, parts: list[Part]) -> bytes:
        """One frame for each part."""
        return b"".join([frame(part.encode()) for part in parts])


class EventStream:
    """An open event stream to one reader, who is cut off when nothing can be written in time."""

    def __init__(self, request: web.Request, settings: Settings) -> None:
        self._request = request
        self._settings = settings
        self._response = web.StreamResponse(headers=HEADERS)

    async def open(self, headers: Mapping[str, str] | None = None) -> None:
        """Send the status line and the headers; from here on errors are events."""
        self._response.headers.update(headers or {})
        await self._response.prepare(self._request)

    async def send(self, *payloads: bytes) -> None:
        """Send one frame for each JSON document, all in one write."""
        await self._write(b"".join(map(frame, payloads)))

    async def close(self, last: bytes = DONE) -> web.StreamResponse:
        """Send what ends the stream, and end it."""
        if last:
            await self._write(last)
        await self._response.write_eof()
        return self._response

    async def relay(self, run: Run, face: Face) -> web.StreamResponse:
        """Send the run's parts as they come, up to its ending. Silence is filled by comments."""
        position = 0
        while True:
            parts = run.since(position)
            if parts:
                position += len(parts)
                if frames := face.frames(parts):
                    await self._write(frames)
            elif run.ended:
                return await self.close(face.last)
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
