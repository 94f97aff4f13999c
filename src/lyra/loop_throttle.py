"""A throttle for CPU-heavy steps on the event loop, so that light work never waits long.

A hundred answers that arrive together are a hundred callbacks in one iteration of the loop: each
takes half a millisecond, and a running stream is silent for all of them.
"""

import asyncio
from collections import deque

_STEPS = 4  # of up to half a millisecond each
_Queue = deque[tuple[asyncio.Future[None], int]]  # waiters, and how many steps each counts for


class LoopThrottle:
    """A cooperative scheduler: lets a few heavy steps run in each iteration (turn) of the loop.

    It belongs to one running loop. Steps run in the order of their arrival and wait for nothing
    else, so a bound on their number bounds their wait. New work is admitted only while no step
    waits: a crowd of newcomers is let in as fast as the work before it gets done.
    """

    def __init__(self, steps: int = _STEPS) -> None:
        self._steps = steps
        self._free_steps = steps
        self._steps_waiting: _Queue = deque()
        self._admissions_waiting: _Queue = deque()
        self._turn_scheduled = False

    async def slice(self) -> None:
        """Wait until one heavy step may run; do it right away, before the next `await`."""
        if self._free_steps <= 0 or self._steps_waiting:
            await self._queue(self._steps_waiting)
        else:
            self._take()

    async def yield_turn(self) -> None:
        """Wait for a later turn, and use up all of its steps, after a step that took long.

        For work that a stranger can make heavy: between two pieces of it all others are served. No
        other step runs in this turn either, since all of them wait behind it.
        """
        self._schedule_turn()
        await self._queue(self._steps_waiting, self._steps)

    async def admit(self) -> None:
        """Wait until new work may begin that will take steps; waiting steps go first."""
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
        """Wake the waiters whose steps run in the next turn."""
        self._free_steps = self._steps
        while self._free_steps > 0 and self._wake(self._steps_waiting):
            pass
        if self._free_steps > 0:
            self._wake(self._admissions_waiting)
        self._turn_scheduled = self._free_steps < self._steps
        if self._turn_scheduled:
            asyncio.get_running_loop().call_soon(self._run_turn)

    def _wake(self, queue: _Queue) -> bool:
        """Wake the first waiter that is not cancelled; return whether there was one."""
        while queue:
            waiter, weight = queue.popleft()
            if not waiter.done():  # else it was cancelled
                waiter.set_result(None)
                self._free_steps -= weight
                return True
        return False
