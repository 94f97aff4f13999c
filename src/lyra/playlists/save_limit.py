"""How many playlists one listener may save in a day."""

from collections import OrderedDict
from collections.abc import Callable

from lyra.errors import TooManyRequestsError
from lyra.redis.counters import SharedCounters

_DAY_S = 86_400
_MESSAGE = "You have saved as many playlists as are possible in one day. Save this one tomorrow."


class SaveLimit:
    """Counts the saves of each owner by the day (UTC); with Redis all processes count together.

    Remembers at most `entries` owners of the current day; one that is forgotten starts afresh.
    """

    def __init__(
        self,
        per_day: int,
        *,
        entries: int,
        wall_clock: Callable[[], float],
        shared: SharedCounters | None = None,
    ) -> None:
        self._per_day = per_day
        self._entries = entries
        self._wall_clock = wall_clock
        self._shared = shared
        self._day = 0
        self._by_owner: OrderedDict[str, int] = OrderedDict()

    async def spend(self, owner: str) -> None:
        """Count one save of this owner's.

        Raises:
            TooManyRequestsError: it is one too many; says how long the day still lasts.
        """
        now = self._wall_clock()
        day = int(now // _DAY_S)
        if day != self._day:
            self._day = day
            self._by_owner.clear()
        spent = self._by_owner.get(owner, 0)
        refused = spent >= self._per_day
        if not refused and self._shared is not None:
            name = f"saves:{day}:{owner}"
            counted = await self._shared.count_one(name, within=self._per_day, ttl_s=2 * _DAY_S)
            refused = counted is False
        if refused:
            left_s = (day + 1) * _DAY_S - now
            raise TooManyRequestsError(_MESSAGE, retry_after_s=left_s, reason="saves")
        self._by_owner[owner] = self._by_owner.get(owner, 0) + 1
        self._by_owner.move_to_end(owner)
        if len(self._by_owner) > self._entries:
            self._by_owner.popitem(last=False)
