"""Retries with back-off and jitter, under one deadline and a retry budget.

Written by hand: stamina and tenacity know neither a deadline that several calls share nor a budget.
"""

from collections import OrderedDict
from collections.abc import Callable, Set as AbstractSet
from random import Random

from lyra.spotify.cooldown import RATE_PAUSE_S
from lyra.spotify.failures import FailureCode, SpotifyFailure

ATTEMPTS = 3
LONGEST_WAIT_S = 3.0
# What must be left of the deadline after a wait that Spotify asked for.
RESERVE_S = 1.0
_SHARE, _SHARE_A_SECOND = 10.0, 1 / 6  # five reads of three attempts each, once a minute
_WHOLE_A_SECOND = 1.0
MAX_SHARES = 4096
_ONCE: AbstractSet[FailureCode] = frozenset({"truncated", "rate_limited"})


class RetryBudget:
    """Keeps retries to a tenth of the successes while Spotify is down (token bucket).

    Each owner has a share of the budget, a bucket that refills a sixth as fast as the whole, so that
    one owner's failing reads do not use up what the others may spend.
    """

    def __init__(self, clock: Callable[[], float], tokens: float = 100.0) -> None:
        self._clock = clock
        self._whole = _Bucket(tokens, clock())
        self._shares: OrderedDict[str, _Bucket] = OrderedDict()  # the latest to spend at the end

    def take(self, owner: str) -> bool:
        """Spend one token of this owner's; return False when none is left."""
        now = self._clock()
        share = self._shares.pop(owner, None) or _Bucket(_SHARE, now)
        self._shares[owner] = share
        if len(self._shares) > MAX_SHARES:
            self._shares.popitem(last=False)  # one that is dropped starts afresh
        share.refill(now, _SHARE_A_SECOND)
        self._whole.refill(now, _WHOLE_A_SECOND)
        if share.tokens < 1 or self._whole.tokens < 1:
            return False
        share.tokens -= 1
        self._whole.tokens -= 1
        return True

    def earn(self) -> None:
        """Add a tenth of a token for a success."""
        self._whole.tokens = min(self._whole.capacity, self._whole.tokens + 0.1)


class _Bucket:
    """Tokens that refill with time, up to the capacity."""

    __slots__ = ("at", "capacity", "tokens")

    def __init__(self, capacity: float, now: float) -> None:
        self.capacity = self.tokens = capacity
        self.at = now

    def refill(self, now: float, a_second: float) -> None:
        self.tokens = min(self.capacity, self.tokens + (now - self.at) * a_second)
        self.at = now


def fits(pause_s: float, left_s: float) -> bool:
    """Return whether a pause that Spotify asked for is short enough to wait out in time."""
    return pause_s <= min(LONGEST_WAIT_S, left_s - RESERVE_S)


class Retries:
    """The attempts that one read of this owner's may still make."""

    def __init__(self, budget: RetryBudget, rng: Random, owner: str) -> None:
        self._budget = budget
        self._owner = owner
        self._rng = rng
        self._tried = 0
        self._seen: set[FailureCode] = set()

    def delay(self, failure: SpotifyFailure, left_s: float) -> float | None:
        """Return the seconds to wait before the next attempt, or None when there is none.

        `left_s` is what remains of the deadline.
        """
        self._tried += 1
        again = failure.code in _ONCE and failure.code in self._seen
        self._seen.add(failure.code)
        if again or not failure.retryable or self._tried >= ATTEMPTS:
            return None
        wait = self._wait(failure, left_s)
        if wait is None:
            return None
        # A pause that Spotify asked for is waited out once, and may be for the listener's own app:
        # it says nothing about Spotify, and is not taken from the budget.
        paid = failure.code == "rate_limited" or self._budget.take(self._owner)
        return wait if paid else None

    def _wait(self, failure: SpotifyFailure, left_s: float) -> float | None:
        backoff = self._rng.uniform(0.0, min(2.0, 0.1 * 2 ** (self._tried - 1)))
        pause_s = failure.retry_after_s
        if failure.code == "rate_limited" and pause_s is None:
            pause_s = RATE_PAUSE_S
        if pause_s is None:
            return backoff if backoff < left_s else None
        # Jitter: a little more than asked, so that the waiters do not return all at once.
        wait = max(backoff, pause_s * self._rng.uniform(1.0, 1.1))
        return wait if fits(pause_s, left_s) else None
