"""Concurrency limit and load shedding: how many requests are handled at once, and how many wait."""

import asyncio
from collections import OrderedDict

from aiohttp import web

from lyra.errors import OverloadedError
from lyra.settings import Settings

_BUSY_S = 1


class Slot:
    """One request's slot, which it may release and take again."""

    __slots__ = ("_held", "_limiter")

    def __init__(self, limiter: "ConcurrencyLimiter") -> None:
        self._limiter = limiter
        self._held = True

    def release(self) -> None:
        """Release the slot: the request only waits from now on, or only sends what others make."""
        if self._held:
            self._held = False
            self._limiter.release()

    async def reacquire(self) -> None:
        """Take a slot again, after a wait in the queue if need be.

        Raises:
            OverloadedError: too many wait already, or it took too long.
        """
        if not self._held:
            await self._limiter.acquire()
            self._held = True


SLOT: web.RequestKey[Slot] = web.RequestKey("slot", Slot)


class ConcurrencyLimiter:
    """`max_in_flight` slots, and a queue in order of arrival that is bounded in length and time.

    A waiting request has a ticket, which is a future: True once it has its slot, False once its time
    is up, cancelled when its client has left. A ticket is set once, so that the three cannot overtake
    each other. One that is set already is passed over, whichever of them takes it out of the queue.
    """

    def __init__(self, settings: Settings) -> None:
        self._free = settings.max_in_flight
        self._max_waiting = settings.max_waiting
        self._waiting_s = settings.waiting_s
        self._waiting: OrderedDict[asyncio.Future[bool], None] = OrderedDict()

    def stats(self) -> dict[str, int]:
        """Return sizes at this moment."""
        return {"free": self._free, "waiting": len(self._waiting)}

    @property
    def free(self) -> int:
        """The number of slots that can be had at once: none while a request waits for one."""
        return 0 if self._waiting else self._free

    def try_take_slot(self) -> Slot | None:
        """Return a slot, if one is free and no request waits for it."""
        if self.free <= 0:
            return None
        self._free -= 1
        return Slot(self)

    async def take_slot(self) -> Slot:
        """Return a slot, after a wait in the queue if need be.

        Raises:
            OverloadedError: too many wait already, or it took too long.
        """
        await self.acquire()
        return Slot(self)

    async def acquire(self) -> None:
        """Wait until the caller has a slot; the caller has to `release` it.

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
        """Wait in the queue, and return whether a slot was free in time."""
        loop = asyncio.get_running_loop()
        ticket: asyncio.Future[bool] = loop.create_future()
        self._waiting[ticket] = None
        deadline = loop.call_later(self._waiting_s, _resolve, ticket, False)
        try:
            return await ticket
        except asyncio.CancelledError:
            # A request that is cancelled just as it is served passes its slot on.
            if ticket.done() and not ticket.cancelled() and ticket.result():
                self.release()
            raise
        finally:
            deadline.cancel()
            self._waiting.pop(ticket, None)

    def release(self) -> None:
        """Release a slot: it goes to the request that has waited longest, if there is one."""
        while self._waiting:
            ticket, _ = self._waiting.popitem(last=False)
            if _resolve(ticket, True):
                return
        self._free += 1


def _resolve(ticket: asyncio.Future[bool], served: bool) -> bool:
    """Set a ticket; False where it is set already."""
    if ticket.done():
        return False
    ticket.set_result(served)
    return True


def release_slot(request: web.Request) -> None:
    """Release the request's slot: it waits for a fetch or a model, or streams."""
    if (slot := request.get(SLOT)) is not None:
        slot.release()


async def reacquire_slot(request: web.Request) -> None:
    """Wait for a slot again, for a request that has released its own.

    Raises:
        OverloadedError: there is none in time.
    """
    if (slot := request.get(SLOT)) is not None:
        await slot.reacquire()
