"""Whether to try again, and after how long."""

from collections.abc import Set as AbstractSet
from random import Random

from lyra.spotify.failures import FailureCode, SpotifyFailure
from lyra.spotify.gate import RATE_PAUSE_S

ATTEMPTS = 3
LONGEST_WAIT_S = 3.0
# What must be left of the deadline after a wait that Spotify asked for.
RESERVE_S = 1.0
_ONCE: AbstractSet[FailureCode] = frozenset({"truncated", "rate_limited"})


class RetryBudget:
    """Keeps retries to a tenth of the successes when Spotify is down for everybody."""

    def __init__(self, tokens: float = 100.0) -> None:
        self._most = tokens
        self._left = tokens

    def take(self) -> bool:
        """Spend one token; False when none is left, and then nobody retries."""
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def earn(self) -> None:
        """Give a tenth of a token back for a success."""
        self._left = min(self._most, self._left + 0.1)


def fits(pause_s: float, left_s: float) -> bool:
    """Whether a pause that Spotify asked for is short enough to sit out within the deadline."""
    return pause_s <= min(LONGEST_WAIT_S, left_s - RESERVE_S)


class Retries:
    """The attempts that one read may still make."""

    def __init__(self, budget: RetryBudget, rng: Random) -> None:
        self._budget = budget
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
        return wait if wait is not None and self._budget.take() else None

    def _wait(self, failure: SpotifyFailure, left_s: float) -> float | None:
        backoff = self._rng.uniform(0.0, min(2.0, 0.1 * 2 ** (self._tried - 1)))
        asked = failure.retry_after_s
        if failure.code == "rate_limited" and asked is None:
            asked = RATE_PAUSE_S
        if asked is None:
            return backoff if backoff < left_s else None
        # A little more than asked, each a different little: they must not return as one.
        wait = max(backoff, asked * self._rng.uniform(1.0, 1.1))
        return wait if fits(asked, left_s) else None
