"""Rate limit: how often one caller may ask (GCRA)."""

from collections import OrderedDict
from collections.abc import Callable

from lyra.errors import TooManyRequestsError

_WINDOW_S = 60.0


class RateLimit:
    """Allow `per_minute` in any minute, evenly refilled (GCRA); remember at most `entries` callers.

    A caller that is forgotten starts afresh, which errs in the caller's favour.
    """

    def __init__(
        self,
        per_minute: int,
        *,
        entries: int,
        clock: Callable[[], float],
        reason: str = "rate",
    ) -> None:
        self._reason = reason
        self._step = _WINDOW_S / per_minute
        self._entries = entries
        self._clock = clock
        self._paid_until: OrderedDict[str, float] = OrderedDict()

    def spend(self, caller: str) -> None:
        """Count one request of this caller.

        Raises:
            TooManyRequestsError: it is one too many; says when the next one is due.
        """
        now = self._clock()
        paid = max(self._paid_until.get(caller, now), now) + self._step
        if paid - now > _WINDOW_S + 1e-9:
            raise TooManyRequestsError(retry_after_s=paid - now - _WINDOW_S, reason=self._reason)
        self._paid_until[caller] = paid
        self._paid_until.move_to_end(caller)
        if len(self._paid_until) > self._entries:
            self._paid_until.popitem(last=False)
