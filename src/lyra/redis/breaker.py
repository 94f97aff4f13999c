"""The circuit breaker before Redis: it opens after consecutive failures.

The one before Spotify and the model (`lyra.circuit_breaker`) counts a rate by caller; here all calls
are the process's own, and three failures in a row say enough.
"""

import logging
from collections.abc import Callable
from itertools import count

log = logging.getLogger(__name__)

LIMIT = 3


class ConsecutiveBreaker:
    """Opens after three failures in a row; later it lets one probe at a time through.

    One failure is enough where Redis itself has refused and closed the connection. An answer closes
    the breaker. A cancelled call proves nothing and is not counted.
    """

    def __init__(self, clock: Callable[[], float], *, rest_s: float) -> None:
        self._clock = clock
        self._rest_s = rest_s
        self._failures = 0
        self._rests_until = 0.0
        self._serial = count(1)
        self._probe: int | None = None
        self.refusal: str | None = None  # Redis' own word, if it was one that opened this

    @property
    def failing(self) -> bool:
        """Whether the latest call got no answer."""
        return self._failures > 0

    @property
    def open(self) -> bool:
        """Whether calls are rejected, but for a probe."""
        return self._failures >= LIMIT

    @property
    def resting(self) -> bool:
        """Whether even a probe is rejected."""
        return self.open and self._clock() < self._rests_until

    def admit(self) -> int | None:
        """Return a number for this call, for `abandon`; None if the call is rejected."""
        if not self.open:
            return next(self._serial)
        if self.resting or self._probe is not None:
            return None
        self._probe = next(self._serial)
        return self._probe

    def record_success(self) -> None:
        """Record an answer of Redis, be it an error."""
        if self.open:
            log.info("Redis answers again")
        self._failures = 0
        self._probe = None
        self.refusal = None

    def record_failure(self, reason: str, *, refused: str | None = None) -> None:
        """Record a missing answer; `reason` is a word for the log, `refused` Redis' own, if any."""
        was_open = self.open
        self._failures = max(self._failures + 1, LIMIT if refused else 0)
        self._probe = None
        self.refusal = refused
        if self.open:
            self._rests_until = self._clock() + self._rest_s
            if not was_open:
                log.warning("Redis does not answer (%s); going on without it for now", reason)

    def abandon(self, admitted: int) -> None:
        """Forget a call that was cancelled; if it was the probe, another may go."""
        if self._probe == admitted:
            self._probe = None
