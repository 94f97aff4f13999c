"""Notices an event loop that stands still, and says where it stood."""

import asyncio
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType

from lyra.metrics import Metrics

log = logging.getLogger(__name__)

_BEAT_S = 0.1
_STALL_S = 0.25  # a listener would notice
_UNWELL_S = 1.0  # no further listener should be sent here
_REMEMBERED_S = 5.0
_FRAMES = 12


class Watchdog:
    """The loop beats; a thread sees when it does not, while it does not."""

    def __init__(self, metrics: Metrics) -> None:
        self._lag = metrics.loop_lag_seconds
        self._beat = time.monotonic()
        self._ill_until = 0.0
        self._ending = threading.Event()

    @property
    def well(self) -> bool:
        """Whether the loop did not stand still for a second, a moment ago."""
        return time.monotonic() >= self._ill_until

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch the running loop."""
        watch = threading.Thread(
            target=self._watch, args=(threading.get_ident(),), name="watchdog", daemon=True
        )
        watch.start()
        beats = asyncio.get_running_loop().create_task(self._beats())
        try:
            yield
        finally:
            self._ending.set()
            beats.cancel()
            await asyncio.wait([beats])

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_S)
            now = time.monotonic()
            late = max(0.0, now - self._beat - _BEAT_S)
            self._beat = now
            self._lag.observe(late)
            if late > _UNWELL_S:
                self._ill_until = now + _REMEMBERED_S

    def _watch(self, loop_thread: int) -> None:
        told = 0.0
        while not self._ending.wait(_BEAT_S):
            beat = self._beat
            if time.monotonic() - beat > _BEAT_S + _STALL_S and beat != told:
                told = beat
                where = _where(sys._current_frames().get(loop_thread))  # noqa: SLF001 - documented
                log.error("the event loop stands still in %s", where)


def _where(frame: FrameType | None) -> str:
    """Functions and lines, innermost first; never the values that they work on."""
    steps: list[str] = []
    while frame is not None and len(steps) < _FRAMES:
        code = frame.f_code
        steps.append(f"{code.co_name} ({code.co_filename.rsplit('/', 1)[-1]}:{frame.f_lineno})")
        frame = frame.f_back
    return " < ".join(steps)
