"""Watch every open event stream: heartbeats in silence, and an end for a reader that does not read."""

import asyncio
from typing import Protocol

from lyra.settings import Settings

_LONGEST_TICK_S = 1.0


class MonitoredStream(Protocol):
    """What the monitor has to know of a stream, and may do to it."""

    writing: bool  # whether a write waits for the reader
    active_at: float  # of the last write, by the loop's clock

    def abort(self) -> None:
        """Cut the connection."""
        ...

    async def beat(self) -> None:
        """Send a heartbeat."""
        ...


class StreamMonitor:
    """Send heartbeats on silent streams, and abort those whose reader takes nothing.

    One task for all of them costs nothing for each token, unlike a timeout around each write.
    """

    def __init__(self, settings: Settings) -> None:
        self._heartbeat_s = settings.heartbeat_s
        self._write_timeout_s = settings.write_timeout_s
        self._streams: set[MonitoredStream] = set()

    def add(self, stream: MonitoredStream) -> None:
        self._streams.add(stream)

    def remove(self, stream: MonitoredStream) -> None:
        self._streams.discard(stream)

    async def run(self) -> None:
        """Tick until cancelled."""
        loop = asyncio.get_running_loop()
        tick_s = min(self._heartbeat_s / 4, self._write_timeout_s / 4, _LONGEST_TICK_S)
        while True:
            await asyncio.sleep(tick_s)
            for stream in tuple(self._streams):
                await self._check(stream, loop.time())

    async def _check(self, stream: MonitoredStream, now: float) -> None:
        if stream.writing:
            if now - stream.active_at >= self._write_timeout_s:
                stream.abort()
        elif now - stream.active_at >= self._heartbeat_s:
            await stream.beat()
