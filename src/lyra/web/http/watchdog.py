"""Notice a blocked event loop, and log where it stands."""

import asyncio
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType

from lyra.background import background
from lyra.metrics import Metrics

log = logging.getLogger(__name__)

_BEAT_S = 0.1
_UNHEALTHY = 4  # stalls long: then balancers should send no further listener here
_REMEMBERED_S = 5.0
_AT_REST = frozenset({"selectors.py", "base_events.py", "runners.py"})
_FRAMES = 12


class Watchdog:
    """Watch the event loop: it beats, and a thread sees that it does not while it is blocked."""

    def __init__(self, metrics: Metrics, stall_s: float) -> None:
        self._stall_s = stall_s
        self._lag = metrics.loop_lag_seconds
        metrics.register_callback("lyra_loop", _count_tasks)
        self._beat = time.monotonic()
        self._unhealthy_until = 0.0
        self._ending = threading.Event()

    @property
    def healthy(self) -> bool:
        """Whether the loop has not been blocked for very long, a moment ago."""
        return time.monotonic() >= self._unhealthy_until

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch the running loop."""
        self._beat = time.monotonic()  # the time before was the start's
        watch = threading.Thread(
            target=self._watch, args=(threading.get_ident(),), name="watchdog", daemon=True
        )
        watch.start()
        try:
            async with background(self._send_beats()):
                yield
        finally:
            self._ending.set()

    async def _send_beats(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_S)
            now = time.monotonic()
            late = max(0.0, now - self._beat - _BEAT_S)
            self._beat = now
            self._lag.observe(late)
            if late > _UNHEALTHY * self._stall_s:
                self._unhealthy_until = now + _REMEMBERED_S

    def _watch(self, loop_thread: int) -> None:
        reported = 0.0
        while not self._ending.wait(_BEAT_S):
            beat = self._beat
            if time.monotonic() - beat > _BEAT_S + self._stall_s and beat != reported:
                reported = beat
                frame = sys._current_frames().get(loop_thread)  # noqa: SLF001 - documented
                if (
                    frame is not None and _file_name(frame) not in _AT_REST
                ):  # else the machine is busy
                    log.error("the event loop stands still in %s", _describe_stack(frame))


def _count_tasks() -> dict[str, int]:
    return {"tasks": len(asyncio.all_tasks())}


def _describe_stack(innermost: FrameType) -> str:
    """Return functions and lines, innermost first; never the values that they work on."""
    steps: list[str] = []
    frame: FrameType | None = innermost
    while frame is not None and len(steps) < _FRAMES:
        steps.append(f"{frame.f_code.co_name} ({_file_name(frame)}:{frame.f_lineno})")
        frame = frame.f_back
    return " < ".join(steps)


def _file_name(frame: FrameType) -> str:
    return frame.f_code.co_filename.rsplit("/", 1)[-1]
