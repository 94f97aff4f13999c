"""Relay a run to its reader: each token leaves in the iteration of the loop in which it came."""

import asyncio

from aiohttp import web

from lyra.chat.runs.event_log import EventLog
from lyra.web.api.wire_formats import RunFrames
from lyra.web.http.event_stream import EventStream


async def relay(stream: EventStream, log: EventLog, frames: RunFrames) -> web.StreamResponse:
    """Send the log as it grows, up to its ending."""
    if not log.ended:
        await stream.write(frames.more())
        stream.send_headers()  # where there was nothing yet that they could go with
        await _follow(stream, log, frames)
    return await stream.close(frames.more() + frames.last)


async def _follow(stream: EventStream, log: EventLog, frames: RunFrames) -> None:
    """Let the log's producer write to the connection itself, as long as the reader keeps up."""
    pump = _Pump(stream, log, frames)
    with log.follow(pump):
        pump.pump()
        while not log.ended:
            await pump.stuck.wait()
            pump.stuck.clear()
            await stream.drain()
            pump.pump()


class _Pump:
    """Write what is new of a log in the same iteration of the loop in which it was made.

    Waking a task for each token costs more than the token. What several events of one read add
    leaves in one write. The stream's own task is woken only when its reader does not keep up, and
    at the end.
    """

    def __init__(self, stream: EventStream, log: EventLog, frames: RunFrames) -> None:
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
            self._soon(self._pump_changes)

    def _pump_changes(self) -> None:
        self._due = False
        self.pump()

    def pump(self) -> None:
        """Write what is new, if the reader keeps up; see Subscriber.on_text."""
        if self._log.ended or self._stream.writing or not self._stream.push(self._frames.more()):
            self.stuck.set()

    on_text = pump
