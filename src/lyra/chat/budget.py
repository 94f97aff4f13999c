"""How many of the model's tokens one Spotify account may use in a day (UTC).

What the model read from its own prompt cache counts a tenth, as it costs. With Redis all processes
count together: one that does not know an account asks there first.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from lyra.cache.keys import Key
from lyra.chat.model import Usage
from lyra.errors import TooManyRequestsError
from lyra.redis.counters import SharedCounters

_DAY_S = 86_400
_CACHED_COUNTS = 10  # so many cached tokens as one


class Budget:
    """Today's tokens by account; remembers at most `entries` accounts."""

    def __init__(
        self,
        daily: int,
        *,
        entries: int,
        wall_clock: Callable[[], float],
        shared: SharedCounters | None = None,
    ) -> None:
        self._daily = daily
        self._entries = entries
        self._wall_clock = wall_clock
        self._shared = shared
        self._used: OrderedDict[Key, int] = OrderedDict()
        self._day = 0
        self._telling: set[asyncio.Task[None]] = set()

    async def check(self, account: Key) -> None:
        """Let one more answer be asked for.

        Raises:
            TooManyRequestsError: the day's tokens are used up; says when the next day begins.
        """
        if self._daily and self._shared is not None and account not in self._today():
            await self._tell(account, 0)
        if self._daily and self._today().get(account, 0) >= self._daily:
            left_s = _DAY_S - self._wall_clock() % _DAY_S
            raise TooManyRequestsError(
                "This account has used up its tokens of the day. Ask again tomorrow (UTC).",
                retry_after_s=left_s,
                reason="daily_budget",
            )

    def spent(self, account: Key, usage: Usage) -> None:
        """Count what an answer has used, whole or cut."""
        cached = usage.cached_input_tokens // _CACHED_COUNTS
        tokens = usage.input_tokens + usage.cache_write_tokens + usage.output_tokens + cached
        if not self._daily or not tokens:
            return
        self._note(account, self._today().get(account, 0) + tokens)
        if self._shared is not None:
            task = asyncio.get_running_loop().create_task(self._tell(account, tokens))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def close(self) -> None:
        """Wait for what is being told to the other processes."""
        await asyncio.gather(*self._telling)

    async def _tell(self, account: Key, tokens: int) -> None:
        assert self._shared is not None  # noqa: S101 - else nobody calls this
        day = self._day
        total = await self._shared.add(f"{day}:{account}", tokens, ttl_s=2 * _DAY_S)
        if total is not None and day == self._day:
            self._note(account, max(total, self._used.get(account, 0)))

    def _today(self) -> OrderedDict[Key, int]:
        day = int(self._wall_clock() // _DAY_S)
        if day != self._day:
            self._day = day
            self._used.clear()
        return self._used

    def _note(self, account: Key, total: int) -> None:
        self._used[account] = total
        self._used.move_to_end(account)
        if len(self._used) > self._entries:
            self._used.popitem(last=False)
