"""How many requests may be worked on at once, and how many may wait for that."""

import asyncio
from collections import OrderedDict

from aiohttp import web

from lyra.errors import OverloadedError
from lyra.settings import Settings

_BUSY_S = 1


class Slot:
    """One request's place, which it may give back and take again."""

    __slots__ = ("_held", "_limiter")

    def __init__(self, limiter: "ConcurrencyLimiter") -> None:
        self._limiter = limiter
        self._held = True

    def release(self) -> None:
        """Give the place back: the request only waits now, or only sends what others make."""
        if self._held:
            self._held = False
            self._limiter.release()

    async def reacquire(self) -> None:
        """Take a place again, waited for in turn if need be.

        Raises:
            OverloadedError: too many wait already, or it took too long.
        """
        if not self._held:
            await self._limiter.acquire()
            self._held = True


SLOT: web.RequestKey[Slot] = web.RequestKey("slot", Slot)


class ConcurrencyLimiter:
    """`max_in_flight` places, and a queue in order of arrival that is bounded in length and time.

    Who waits is a future: True once a place is its own, False once its time is up, cancelled when
    its request has left. It is set once, so that the three cannot overtake each other, and who finds
    it set passes it over; it does not matter then which of them takes it out of the queue.
    """

    def __init__(self, settings: Settings) -> None:
        self._free = settings.max_in_flight
        self._max_waiting = settings.max_waiting
        self._waiting_s = settings.waiting_s
        self._waiting: OrderedDict[asyncio.Future[bool], None] = OrderedDict()

    def stats(self) -> dict[str, int]:
        """Sizes at this moment."""
        return {"free": self._free, "waiting": len(self._waiting)}

    @property
    def free(self) -> int:
        """How many can be had at once: none while somebody waits for one."""
        return 0 if self._waiting else self._free

    def try_take_slot(self) -> Slot | None:
        """A place, if one is free and nobody waits for it."""
        if self.free <= 0:
            return None
        self._free -= 1
        return Slot(self)

    async def take_slot(self) -> Slot:
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
        if len(self._waiting) >= self._max_waiting:
            raise OverloadedError(retry_after_s=_BUSY_S)
        if not await self._wait_in_queue():
            raise OverloadedError(retry_after_s=_BUSY_S)

    async def _wait_in_queue(self) -> bool:
        """Whether a place was free in time."""
        loop = asyncio.get_running_loop()
        ticket: asyncio.Future[bool] = loop.create_future()
        self._waiting[ticket] = None
        deadline = loop.call_later(self._waiting_s, _resolve, ticket, False)
        try:
            return await ticket
        except asyncio.CancelledError:
            # Whoever leaves in the very moment of being served passes the place on.
            if ticket.done() and not ticket.cancelled() and ticket.result():
                self.release()
            raise
        finally:
            deadline.cancel()
            self._waiting.pop(ticket, None)

    def release(self) -> None:
        """Give a place back: to the one who has waited longest, if there is one."""
        while self._waiting:
            ticket, _ = self._waiting.popitem(last=False)
            if _resolve(ticket, True):
                return
        self._free += 1


def _resolve(ticket: asyncio.Future[bool], served: bool) -> bool:
    """Tell who waits how it went; False where that is settled already."""
    if ticket.done():
        return False
    ticket.set_result(served)
    return True


def release_slot(request: web.Request) -> None:
    """Let another request be worked on: this one waits for a fetch or a model, or streams."""
    if (slot := request.get(SLOT)) is not None:
        slot.release()


async def reacquire_slot(request: web.Request) -> None:
    """Go on with a request that has left its place.

    Raises:
        OverloadedError: there is none now.
    """
    if (slot := request.get(SLOT)) is not None:
        await slot.reacquire()
