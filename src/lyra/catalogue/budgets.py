"""How many searches there may be: of one answer, of one listener in an hour, of the app in a day.

Spotify counts calls by developer account, and a new app may have some hundreds a day. Only a search
that is sent is counted: what the cache holds or another listener is waiting for is free. With Redis
all processes count hours and days together; without it, or while it is away, each for itself.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lyra.cache.keys import Key
from lyra.redis.counters import SharedCounters
from lyra.settings import Settings

Bound = Literal["answer", "listener", "app", "process"]

_HOUR_S, _DAY_S = 3600, 86_400


class SearchRefusedError(Exception):
    """No further search may be sent; `bound` says whose limit that is."""

    def __init__(self, bound: Bound) -> None:
        super().__init__(f"no search is left of this {bound}'s")
        self.bound = bound


@dataclass(slots=True)
class AnswerBudget:
    """The searches that one answer may still send, on behalf of one listener."""

    listener: Key
    left: int
    sent: int = 0


class SearchBudgets:
    """Counts searches by the hour and by the day (UTC), in fixed windows.

    Remembers at most `entries` listeners of the current hour; one that is forgotten starts afresh.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        entries: int,
        wall_clock: Callable[[], float],
        shared: SharedCounters | None = None,
    ) -> None:
        self._per_answer = settings.searches_per_answer
        self._per_hour = settings.searches_per_hour
        self._per_day = settings.searches_per_day
        self._entries = entries
        self._wall_clock = wall_clock
        self._shared = shared
        self._hour = self._day = 0
        self._by_listener: OrderedDict[Key, int] = OrderedDict()
        self._today = 0

    def open_answer(self, listener: Key) -> AnswerBudget:
        """Return the budget of one answer to this listener."""
        return AnswerBudget(listener, self._per_answer)

    async def spend(self, answer: AnswerBudget) -> None:
        """Count one search, here and among all processes.

        Raises:
            SearchRefusedError: it would be one too many; the answer is not charged then.
        """
        self._spend_here(answer)
        windows = self._hour, self._day
        try:
            await self._spend_shared(answer)
        except BaseException:  # cancelled too: it is not sent
            self._refund(answer, *windows)
            raise

    def _refund(self, answer: AnswerBudget, hour: int, day: int) -> None:
        """Take back what was counted here, as far as its hour and its day still run."""
        answer.left += 1
        answer.sent -= 1
        if day == self._day:
            self._today -= 1
        if hour == self._hour and answer.listener in self._by_listener:
            self._by_listener[answer.listener] -= 1

    async def _spend_shared(self, answer: AnswerBudget) -> None:
        """Count it among all processes: the hour first, which is over when the day is."""
        if self._shared is None:
            return
        listener, hour = f"searches:{self._hour}:{answer.listener}", 2 * _HOUR_S
        if await self._shared.count_one(listener, within=self._per_hour, ttl_s=hour) is False:
            raise SearchRefusedError("listener")
        if not self._per_day:
            return
        app, day = f"searches:{self._day}:app", 2 * _DAY_S
        if await self._shared.count_one(app, within=self._per_day, ttl_s=day) is False:
            raise SearchRefusedError("app")

    def _spend_here(self, answer: AnswerBudget) -> None:
        self._turn_windows()
        if answer.left <= 0:
            raise SearchRefusedError("answer")
        spent = self._by_listener.get(answer.listener, 0)
        if spent >= self._per_hour:
            raise SearchRefusedError("listener")
        if self._per_day and self._today >= self._per_day:
            raise SearchRefusedError("app")
        answer.left -= 1
        answer.sent += 1
        self._today += 1
        self._by_listener[answer.listener] = spent + 1
        self._by_listener.move_to_end(answer.listener)
        if len(self._by_listener) > self._entries:
            self._by_listener.popitem(last=False)

    def _turn_windows(self) -> None:
        now = int(self._wall_clock())
        if now // _HOUR_S != self._hour:
            self._hour = now // _HOUR_S
            self._by_listener.clear()
        if now // _DAY_S != self._day:
            self._day, self._today = now // _DAY_S, 0
