"""What Redis has still to be told to forget, and the one task that goes on telling it.

Whoever asked was told that it is not done yet; this is what does it all the same. It lives in
this process: should that end first, what is in Redis expires by itself.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from itertools import chain, count

from lyra.redis.gateway import RedisGateway

MOST_HELD = 10_000
MOST_OTHERS = 1_000
_FAILURES = 3  # in a row, with a Redis that answers: it refuses


class PendingDeletes:
    """Keys whose forgetting Redis has not taken. Bounded: the oldest gives way.

    Anybody may ask for keys that nobody has ever held. Those are bounded apart, so that they
    never push out a key that this process has held, and never become more than themselves.
    """

    def __init__(self, door: RedisGateway, forget: Callable[[str], Awaitable[bool]]) -> None:
        self._door = door
        self._forget = forget
        # Each with the number of its latest demand: only what was demanded before is paid.
        self._held: OrderedDict[str, int] = OrderedDict()
        self._others: OrderedDict[str, int] = OrderedDict()
        self._numbers = count()
        self._paying: asyncio.Task[None] | None = None
        self._now = asyncio.Event()

    def __len__(self) -> int:
        return len(self._held) + len(self._others)

    def __contains__(self, key: str) -> bool:
        return key in self._held or key in self._others

    def add(self, key: str, *, held: bool) -> None:
        """Owe this key; `held`: this process knows that there is something to be forgotten."""
        table, most = (self._held, MOST_HELD) if held else (self._others, MOST_OTHERS)
        if key in self._held:
            table, most = self._held, MOST_HELD
        self._others.pop(key, None)
        table[key] = next(self._numbers)
        if len(table) > most:
            table.popitem(last=False)
        if self._paying is None:
            self._paying = self._door.begin(self._pay())

    def demand(self) -> int:
        """A number after all demands so far, for `clear`."""
        return next(self._numbers)

    def clear(self, before: int) -> None:
        """Owe nothing any more of what was demanded before this number."""
        for table in (self._held, self._others):
            for key in [key for key, number in table.items() if number < before]:
                del table[key]

    def hurry(self) -> None:
        """Try again now: Redis may be back."""
        self._now.set()

    async def settle(self, key: str) -> bool:
        """Tell Redis of this key alone, if it is owed; whether it is owed no more."""
        table = self._held if key in self._held else self._others
        number = table.get(key)
        if number is None:
            return True
        if not await self._forget(key):
            return False
        if table.get(key) == number:
            del table[key]
        return key not in self

    async def _pay(self) -> None:
        """Settle one after the other until nothing is owed; rest while Redis does not take it."""
        try:
            while self:
                await self._rest()
                await self._settle_what_can_be()
        finally:
            self._paying = None

    async def _settle_what_can_be(self) -> None:
        failed = 0
        for key in tuple(chain(self._held, self._others)):
            if await self.settle(key):
                failed = 0
                continue
            failed += 1
            if not self._door.reachable or failed == _FAILURES:
                return  # the others would only fail as well
            self._put_last(key)

    def _put_last(self, key: str) -> None:
        """Let the others come before a key that could not be settled."""
        for table in (self._held, self._others):
            if key in table:
                table.move_to_end(key)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._door.timing.rest_s):
                await self._now.wait()
        except TimeoutError:
            return
        finally:
            self._now.clear()
