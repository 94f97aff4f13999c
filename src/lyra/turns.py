"""Heavy work on the event loop, a little in each turn, so that what is light never waits long.

A hundred answers that arrive together are a hundred callbacks in one turn of the loop: each takes
half a millisecond, and a running stream is silent for all of them.
"""

import asyncio
from collections import deque

_STEPS = 4  # of up to half a millisecond each


class Turns:
    """Lets a few steps through in each turn of the loop; the others wait, first come first served.

    Belongs to one running loop. A step waits for those before it and for nothing else, so that the
    bound on how many there may be is the bound on its wait. What begins waits for the steps too:
    a crowd of newcomers comes in as fast as those before it are served.
    """

    def __init__(self, steps: int = _STEPS) -> None:
        self._steps = steps
        self._left = steps
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._beginning: deque[asyncio.Future[None]] = deque()
        self._turning = False

    async def step(self) -> None:
        """Return when a heavy piece of work may be done: at once, before the next `await`."""
        if self._left <= 0 or self._waiting:
            await self._queue(self._waiting)
        else:
            self._take()

    async def begin(self) -> None:
        """Return when something may begin that will take steps: those that wait go first."""
        if self._left < self._steps or self._waiting or self._beginning:
            await self._queue(self._beginning)
        else:
            self._take()

    def _take(self) -> None:
        self._left -= 1
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    async def _queue(self, queue: deque[asyncio.Future[None]]) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(place)
        await place

    def _turn(self) -> None:
        """Wake those whose turn the next one is."""
        self._left = self._steps
        self._wake(self._waiting, self._steps)
        if not self._waiting:
            self._wake(self._beginning, 1)
        self._turning = self._left < self._steps
        if self._turning:
            asyncio.get_running_loop().call_soon(self._turn)

    def _wake(self, queue: deque[asyncio.Future[None]], most: int) -> None:
        while queue and most:
            place = queue.popleft()
            if not place.done():  # who waits there may have been cancelled
                place.set_result(None)
                self._left -= 1
                most -= 1
