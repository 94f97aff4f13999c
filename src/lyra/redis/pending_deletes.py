"""What Redis has still to be told to forget, and the one task that goes on telling it.

Whoever asked was told that it is not done yet; this is what does it all the same. It lives in
this process: should that end first, what is in Redis expires by itself.
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
    """Keys whose forgetting Redis has not taken. Bounded: the oldest gives way.

    Anybody may ask for keys that nobody has ever held. Those are bounded apart, so that they
    never push out a key that this process has held, and never become more than themselves.
    """

    def __init__(self, gateway: RedisGateway, forget: Callable[[str], Awaitable[bool]]) -> None:
        self._gateway = gateway
        self._forget = forget
        # Each with the number of its latest demand: only what was demanded before is paid.
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
        """Owe this key; `held`: this process knows that there is something to be forgotten."""
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
        """A number after all demands so far, for `clear`."""
        return next(self._numbers)

    def clear(self, before: int) -> None:
        """Owe nothing any more of what was demanded before this number."""
        for table in (self._held, self._others):
            for key in [key for key, number in table.items() if number < before]:
                del table[key]

    def retry_now(self) -> None:
        """Try again now: Redis may be back."""
        self._wake.set()

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

    async def _retry(self) -> None:
        """Settle one after the other until nothing is owed; rest while Redis does not take it."""
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
        """Let the others come before a key that could not be settled."""
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
