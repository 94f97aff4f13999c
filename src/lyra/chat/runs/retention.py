"""Ended runs that are kept for a reader who lost the connection, bounded in time and in bytes."""

import asyncio
from collections import OrderedDict

from lyra.chat.runs.run import Run
from lyra.chat.runs.run_table import RunTable

_MAX_PURGED = 500  # runs in one iteration of the event loop


class RunRetention:
    """Keeps ended runs, packed, for `keep_s` each and within `max_bytes` together.

    A run that goes is removed from `table` too, so that it can be found exactly as long as it is
    kept.
    """

    def __init__(self, table: RunTable, *, keep_s: float, max_bytes: int) -> None:
        self._table = table
        self._keep_s = keep_s
        self._max_bytes = max_bytes
        # The oldest first: when each goes, and how many bytes it takes.
        self._kept: OrderedDict[Run, tuple[float, int]] = OrderedDict()
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def __contains__(self, run: Run) -> bool:
        return run in self._kept

    def stats(self) -> dict[str, int]:
        """Return the sizes at this moment."""
        return {"kept": len(self._kept), "kept_bytes": self._bytes}

    def keep(self, run: Run) -> None:
        """Keep this ended run; one that was never shown or that nobody may find is removed."""
        if not run.begun or run.discarded or self._keep_s <= 0:
            self.remove(run)
            return
        size = run.pack()
        self._kept[run] = (asyncio.get_running_loop().time() + self._keep_s, size)
        self._bytes += size
        self._purge()

    def remove(self, run: Run) -> None:
        """Let this run be found no more, whether it is kept or not."""
        _, size = self._kept.pop(run, (0.0, 0))
        self._bytes -= size
        self._table.remove(run)

    def _purge(self) -> None:
        """Remove the runs whose time has come, and the oldest while they take too many bytes.

        Only so many at once: the event loop is free before the others go.
        """
        loop = asyncio.get_running_loop()
        for _ in range(min(len(self._kept), _MAX_PURGED)):
            run, (goes_at, _) = next(iter(self._kept.items()))
            if goes_at > loop.time() and self._bytes <= self._max_bytes:
                break
            self.remove(run)
        self._set_timer(loop)

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._kept:
            goes_at, _ = next(iter(self._kept.values()))
            self._timer = loop.call_at(goes_at, self._purge)

    def close(self) -> None:
        """Keep nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._kept.clear()
        self._bytes = 0
