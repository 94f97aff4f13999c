"""How many requests may be worked on at once, and how many may wait for that."""

import asyncio
from collections import OrderedDict

from aiohttp import web

from lyra.errors import OverloadedError
from lyra.settings import Settings

_BUSY_S = 1


class Slot:
    """One request's place, which it may give back and take again."""

    __slots__ = ("_held", "_places")

    def __init__(self, places: "ConcurrencyLimiter") -> None:
        self._places = places
        self._held = True

    def release(self) -> None:
        """Give the place back: the request only waits now, or only sends what others make."""
        if self._held:
            self._held = False
            self._places.give()

    async def retake(self) -> None:
        """Take a place again, waited for in turn if need be.

        Raises:
            OverloadedError: too many wait already, or it took too long.
        """
        if not self._held:
            await self._places.acquire()
            self._held = True


PLACE: web.RequestKey[Slot] = web.RequestKey("place", Slot)


class ConcurrencyLimiter:
    """`max_in_flight` places, and a queue in order of arrival that is bounded in length and time.

    Who waits is a future: True once a place is its own, False once its time is up, cancelled when
    its request has left. It is set once, so that the three cannot overtake each other, and who finds
    it set passes it over; it does not matter then which of them takes it out of the queue.
    """

    def __init__(self, settings: Settings) -> None:
        self._free = settings.max_in_flight
        self._most_waiting = settings.max_waiting
        self._waiting_s = settings.waiting_s
        self._waiting: OrderedDict[asyncio.Future[bool], None] = OrderedDict()

    def stats(self) -> dict[str, int]:
        """Sizes at this moment."""
        return {"free": self._free, "waiting": len(self._waiting)}

    @property
    def free(self) -> int:
        """How many can be had at once: none while somebody waits for one."""
        return 0 if self._waiting else self._free

    def take_free(self) -> Slot | None:
        """A place, if one is free and nobody waits for it."""
        if self.free <= 0:
            return None
        self._free -= 1
        return Slot(self)

    async def take(self) -> Slot:
        """A place, waited for in turn if need be.

        Raises:
            OverloadedError: too many wait already, or it took too long.
        """
        await self.acquire()
        return Slot(self)

    async def acquire(self) -> None:
        """Wait until a place is the caller's, who has to `give` it back.

        Raises:
            OverloadedError: too many wait already, or it took too long.
        """
        if self.free > 0:
            self._free -= 1
            return
        if len(self._waiting) >= self._most_waiting:
            raise OverloadedError(retry_after_s=_BUSY_S)
        if not await self._served():
            raise OverloadedError(retry_after_s=_BUSY_S)

    async def _served(self) -> bool:
        """Whether a place was free in time."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        self._waiting[turn] = None
        deadline = loop.call_later(self._waiting_s, _settle, turn, False)
        try:
            return await turn
        except asyncio.CancelledError:
            # Whoever leaves in the very moment of being served passes the place on.
            if turn.done() and not turn.cancelled() and turn.result():
                self.give()
            raise
        finally:
            deadline.cancel()
            self._waiting.pop(turn, None)

    def give(self) -> None:
        """Give a place back: to the one who has waited longest, if there is one."""
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            if _settle(turn, True):
                return
        self._free += 1


def _settle(turn: asyncio.Future[bool], served: bool) -> bool:
    """Tell who waits how it went; False where that is settled already."""
    if turn.done():
        return False
    turn.set_result(served)
    return True


def release_slot(request: web.Request) -> None:
    """Let another request be worked on: this one waits for a fetch or a model, or streams."""
    if (place := request.get(PLACE)) is not None:
        place.release()


async def reacquire_slot(request: web.Request) -> None:
    """Go on with a request that has left its place.

    Raises:
        OverloadedError: there is none now.
    """
    if (place := request.get(PLACE)) is not None:
        await place.retake()
