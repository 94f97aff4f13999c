"""Heavy work on the event loop, a little in each turn, so that what is light never waits long.

A hundred answers that arrive together are a hundred callbacks in one turn of the loop: each takes
half a millisecond, and a running stream is silent for all of them.
"""

import asyncio
from collections import deque

_STEPS = 4  # of up to half a millisecond each
_Queue = deque[tuple[asyncio.Future[None], int]]  # who waits, and how many steps it counts for


class LoopThrottle:
    """Lets a few steps through in each turn of the loop; the others wait, first come first served.

    Belongs to one running loop. A step waits for those before it and for nothing else, so that the
    bound on how many there may be is the bound on its wait. What begins waits for the steps too:
    a crowd of newcomers comes in as fast as those before it are served.
    """

    def __init__(self, steps: int = _STEPS) -> None:
        self._steps = steps
        self._free_steps = steps
        self._steps_waiting: _Queue = deque()
        self._admissions_waiting: _Queue = deque()
        self._turn_scheduled = False

    async def slice(self) -> None:
        """Return when a heavy piece of work may be done: at once, before the next `await`."""
        if self._free_steps <= 0 or self._steps_waiting:
            await self._queue(self._steps_waiting)
        else:
            self._take()

    async def yield_turn(self) -> None:
        """Return in a later turn of the loop, in which no step follows: this one has had enough.

        For what somebody has made heavy: between two pieces of it everybody else is served. No step
        follows in this turn either, since all of them wait behind it.
        """
        self._schedule_turn()
        await self._queue(self._steps_waiting, self._steps)

    async def admit(self) -> None:
        """Return when something may begin that will take steps: those that wait go first."""
        if self._free_steps < self._steps or self._steps_waiting or self._admissions_waiting:
            await self._queue(self._admissions_waiting)
        else:
            self._take()

    def _take(self) -> None:
        self._free_steps -= 1
        self._schedule_turn()

    def _schedule_turn(self) -> None:
        if not self._turn_scheduled:
            self._turn_scheduled = True
            asyncio.get_running_loop().call_soon(self._run_turn)

    async def _queue(self, queue: _Queue, weight: int = 1) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append((waiter, weight))
        await waiter

    def _run_turn(self) -> None:
        """Wake those whose turn the next one is."""
        self._free_steps = self._steps
        while self._free_steps > 0 and self._wake(self._steps_waiting):
            pass
        if self._free_steps > 0:
            self._wake(self._admissions_waiting)
        self._turn_scheduled = self._free_steps < self._steps
        if self._turn_scheduled:
            asyncio.get_running_loop().call_soon(self._run_turn)

    def _wake(self, queue: _Queue) -> bool:
        """Wake the first who still waits; whether there was one."""
        while queue:
            waiter, weight = queue.popleft()
            if not waiter.done():  # who waits there may have been cancelled
                waiter.set_result(None)
                self._free_steps -= weight
                return True
        return False
