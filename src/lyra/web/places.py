"""How many requests may be worked on at once, and how many may wait for that."""

import asyncio
from collections import deque

from aiohttp import web

from lyra.errors import OverloadedError
from lyra.settings import Settings

_BUSY_S = 1


class Place:
    """One request's place, given back once."""

    __slots__ = ("_held", "_places")

    def __init__(self, places: "Places") -> None:
        self._places = places
        self._held = True

    def release(self) -> None:
        """Give the place back: the request only waits now, or only sends what others make."""
        if self._held:
            self._held = False
            self._places.give()


PLACE: web.RequestKey[Place] = web.RequestKey("place", Place)


class Places:
    """`max_in_flight` places, and a queue in order of arrival that is bounded in length and time."""

    def __init__(self, settings: Settings) -> None:
        self._free = settings.max_in_flight
        self._most_waiting = settings.max_waiting
        self._waiting_s = settings.waiting_s
        self._waiting: deque[asyncio.Future[None]] = deque()

    def stats(self) -> dict[str, int]:
        """Sizes at this moment."""
        return {"free": self._free, "waiting": len(self._waiting)}

    @property
    def free(self) -> int:
        """How many can be had at once: none while somebody waits for one."""
        return 0 if self._waiting else self._free

    def take_free(self) -> Place | None:
        """A place, if one is free and nobody waits for it."""
        if self._free <= 0 or self._waiting:
            return None
        self._free -= 1
        return Place(self)

    async def take(self) -> Place:
        """A place, waited for in turn if need be.

        Raises:
            OverloadedError: too many wait already, or it took too long.
        """
        if (free := self.take_free()) is not None:
            return free
        if len(self._waiting) >= self._most_waiting:
            raise OverloadedError(retry_after_s=_BUSY_S)
        await self._queue()
        return Place(self)

    async def _queue(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._waiting_s):
                await turn
        except BaseException as left:
            # Whoever leaves in the very moment of being served passes the place on.
            if turn.done() and not turn.cancelled():
                self.give()
            else:
                self._waiting.remove(turn)
            if isinstance(left, TimeoutError):
                raise OverloadedError(retry_after_s=_BUSY_S) from None
            raise

    def give(self) -> None:
        """Give a place back: to the one who has waited longest, if there is one."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


def leave_place(request: web.Request) -> None:
    """Let another request be worked on: this one waits for a fetch or a model, or streams."""
    if (place := request.get(PLACE)) is not None:
        place.release()
