"""Deletes that Redis has not taken yet, and the one task that retries them.

The caller was told that the delete is not done; here it is made up for. The table lives in this
process: should that end first, what is in Redis expires by itself.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from itertools import chain, count

from lyra.redis.gateway import RedisGateway

MAX_HELD = 10_000
MAX_OTHERS = 1_000
_FAILURES = 3  # in a row, with a Redis that answers: it refuses


class PendingDeletes:
    """Keys that Redis has still to delete. Bounded: the oldest is evicted.

    A client may ask to forget keys that were never held. Those have a bound of their own, so that
    they never evict a key that this process has held.
    """

    def __init__(self, gateway: RedisGateway, forget: Callable[[str], Awaitable[bool]]) -> None:
        self._gateway = gateway
        self._forget = forget
        # Each with the number of its latest demand: a delete settles only what was demanded before.
        self._held: OrderedDict[str, int] = OrderedDict()
        self._others: OrderedDict[str, int] = OrderedDict()
        self._numbers = count()
        self._retrying: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._held) + len(self._others)

    def __contains__(self, key: str) -> bool:
        return key in self._held or key in self._others

    def add(self, key: str, *, held: bool) -> None:
        """Add this key; `held`: this process knows that there is something to delete."""
        table, limit = (self._held, MAX_HELD) if held else (self._others, MAX_OTHERS)
        if key in self._held:
            table, limit = self._held, MAX_HELD
        self._others.pop(key, None)
        table[key] = next(self._numbers)
        if len(table) > limit:
            table.popitem(last=False)
        if self._retrying is None:
            self._retrying = self._gateway.begin(self._retry())

    def demand(self) -> int:
        """Return a number after all demands so far, for `clear`."""
        return next(self._numbers)

    def clear(self, before: int) -> None:
        """Drop everything that was demanded before this number."""
        for table in (self._held, self._others):
            for key in [key for key, number in table.items() if number < before]:
                del table[key]

    def retry_now(self) -> None:
        """Try again now: Redis may be back."""
        self._wake.set()

    async def settle(self, key: str) -> bool:
        """Delete this key now, if it is pending; return whether it is pending no more."""
        table = self._held if key in self._held else self._others
        number = table.get(key)
        if number is None:
            return True
        if not await self._forget(key):
            return False
        if table.get(key) == number:
            del table[key]
        return key not in self

    async def _retry(self) -> None:
        """Settle one after the other until none is pending; rest while Redis does not take it."""
        try:
            while self:
                await self._rest()
                await self._settle_all()
        finally:
            self._retrying = None

    async def _settle_all(self) -> None:
        failed = 0
        for key in tuple(chain(self._held, self._others)):
            if await self.settle(key):
                failed = 0
                continue
            failed += 1
            if not self._gateway.reachable or failed == _FAILURES:
                return  # the others would only fail as well
            self._put_last(key)

    def _put_last(self, key: str) -> None:
        """Move a key that could not be settled behind the others."""
        for table in (self._held, self._others):
            if key in table:
                table.move_to_end(key)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._gateway.timing.rest_s):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self._wake.clear()
