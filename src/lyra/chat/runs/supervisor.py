"""Ends the answers that do not end by themselves, whatever it is that holds them up.

An answer has a deadline of its own. This is for the work that does not keep it: it swallows its
cancellation, or waits for what nobody bounds. Invariant: no run is being filled for longer than
the limit and one look; then it has its ending, and nothing that its work does keeps its place.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from lyra.background import background
from lyra.chat.best_effort import best_effort
from lyra.chat.runs.run import Run
from lyra.errors import LyraError

log = logging.getLogger(__name__)

_MARGIN_S = 5.0  # for an answer that ends at its own deadline, and closes the model's call
_LOOK_S = 1.0
_AT_ONCE = 50  # endings in one turn of the loop


class RunSupervisor:
    """Watches every run that is being filled; one task for all of them."""

    def __init__(self, answer_timeout_s: float, *, clock: Callable[[], float]) -> None:
        self._limit_s = answer_timeout_s + _MARGIN_S
        self._clock = clock
        # When each began, oldest first; as many as there are places.
        self._began: OrderedDict[Run, float] = OrderedDict()
        self._stuck: set[asyncio.Task[Any]] = set()  # what was told to end and has not
        self._ended = 0

    def stats(self) -> dict[str, int]:
        """How many answers had to be ended, and how much of their work has not ended yet."""
        return {"answers_total": self._ended, "stuck": len(self._stuck)}

    def watch(self, run: Run) -> None:
        """Count this run's time from now."""
        self._began[run] = self._clock()

    def unwatch(self, run: Run) -> None:
        """Watch a run no more whose work is over."""
        self._began.pop(run, None)

    def look(self) -> bool:
        """End the runs that are over their time, some of them at once; whether to look again."""
        due = self._clock() - self._limit_s
        for _ in range(_AT_ONCE):
            run, began = next(iter(self._began.items()), (None, 0.0))
            if run is None or began > due:
                return False
            del self._began[run]
            with best_effort("the end of an overdue answer"):
                self._end(run)
        return True

    def _end(self, run: Run) -> None:
        self._ended += 1
        log.error("an answer was not over in time: this is a fault in Lyra")
        run.fail(LyraError())
        if task := run.abandon():
            self._stuck.add(task)
            task.add_done_callback(self._stuck.discard)

    @asynccontextmanager
    async def supervise(self) -> AsyncIterator[None]:
        """Look every second for the length of the block."""
        async with background(self._watch()):
            yield

    async def _watch(self) -> None:
        while True:  # noqa: ASYNC110 - time passes by itself
            await asyncio.sleep(0 if self.look() else _LOOK_S)
