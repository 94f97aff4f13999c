"""An idle timeout that is cheap to reset."""

import asyncio
from types import TracebackType
from typing import Self


class IdleTimeout:
    """Ends its block with TimeoutError `seconds` after the latest `reset`.

    The timer is set anew only when it fires, so a reset for every token of an answer costs no timer
    each.
    """

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._timeout = asyncio.timeout(None)
        self._due = self._clock() + seconds
        self._timer_at = self._due
        self._timer = self._loop.call_at(self._due, self._on_timer)

    def reset(self, seconds: float) -> None:
        """Let the timeout run for so long from now."""
        self._due = self._clock() + seconds
        if self._due < self._timer_at:
            self._timer.cancel()
            self._set_timer()

    def _on_timer(self) -> None:
        if self._clock() >= self._due:
            self._timeout.reschedule(self._due)
        else:
            self._set_timer()

    def _set_timer(self) -> None:
        self._timer_at = self._due
        self._timer = self._loop.call_at(self._due, self._on_timer)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        await self._timeout.__aexit__(kind, failure, trace)
