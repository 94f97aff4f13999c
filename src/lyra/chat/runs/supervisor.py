"""A watchdog that ends the answers that do not end by themselves.

An answer has a deadline of its own. This is for a producer that does not keep it: it swallows its
cancellation, or waits for something without a timeout. Invariant: no run is being filled for longer
than the limit and one look; then it has its ending, and its producer no longer counts as a stream.
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
        # When each began, oldest first; at most as many as there may be streams.
        self._began: OrderedDict[Run, float] = OrderedDict()
        self._stuck: set[asyncio.Task[Any]] = set()  # what was cancelled and has not ended
        self._ended = 0

    def stats(self) -> dict[str, int]:
        """Return how many answers had to be ended, and how many of their tasks still run."""
        return {"answers_total": self._ended, "stuck": len(self._stuck)}

    def watch(self, run: Run) -> None:
        """Watch this run from now on."""
        self._began[run] = self._clock()

    def unwatch(self, run: Run) -> None:
        """Stop watching a run whose producer has ended."""
        self._began.pop(run, None)

    def look(self) -> bool:
        """End some of the runs that are overdue. Return whether there may be more."""
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
        """Look for overdue runs every second, for the length of the block."""
        async with background(self._watch()):
            yield

    async def _watch(self) -> None:
        while True:  # noqa: ASYNC110 - time passes by itself
            await asyncio.sleep(0 if self.look() else _LOOK_S)
