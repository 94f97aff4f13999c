"""Relay a run to its reader: each token leaves in the iteration of the loop in which it came."""

import asyncio
from contextlib import aclosing

from aiohttp import web

from lyra.chat.runs.run import EventLog, Run
from lyra.web.api.wire_formats import RunFrames
from lyra.web.http.event_stream import EventStream


async def relay(stream: EventStream, log: EventLog, frames: RunFrames) -> web.StreamResponse:
    """Send the log as it grows, up to its ending."""
    if isinstance(log, Run):
        return await _push(stream, log, frames)
    async with aclosing(log.changes()) as changes:
        async for _ in changes:
            more = frames.more()
            if log.ended:
                return await stream.close(more + frames.last)
            await stream.write(more)
    raise AssertionError("a log ends")


async def _push(stream: EventStream, run: Run, frames: RunFrames) -> web.StreamResponse:
    """Send a run of this process, whose producer writes to the connection itself."""
    await stream.write(frames.more())
    stream.send_headers()  # where there was nothing yet that they could go with
    pump = _Pump(stream, run, frames)
    with run.subscribe(pump):
        pump.pump()
        while not run.ended:
            await pump.stuck.wait()
            pump.stuck.clear()
            await stream.drain()
            pump.pump()
    return await stream.close(frames.more() + frames.last)


class _Pump:
    """Write what is new of a run in the same iteration of the loop in which it was made.

    Waking a task for each token costs more than the token. What several events of one read add
    leaves in one write. The stream's own task is woken only when its reader does not keep up, and
    at the end.
    """

    def __init__(self, stream: EventStream, run: Run, frames: RunFrames) -> None:
        self.stuck = asyncio.Event()
        self._stream = stream
        self._run = run
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
        if self._run.ended or self._stream.writing or not self._stream.push(self._frames.more()):
            self.stuck.set()

    on_text = pump
