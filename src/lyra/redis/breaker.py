"""The circuit breaker of Redis: withholds calls while it does not answer."""

import logging
from collections.abc import Callable
from itertools import count

log = logging.getLogger(__name__)

LIMIT = 3


class ConsecutiveBreaker:
    """A circuit breaker that opens after three failures in a row; later, one probe at a time may go.

    One failure is enough where Redis itself has said no and closed the connection. An answer closes
    it. A call that is cancelled proves nothing and is not counted.

    Not a `lyra.circuit_breaker.CircuitBreaker`: that counts failing owners, so that no owner can
    open it for the others, while all calls to Redis are this process's own and the first three that
    fail in a row tell enough.
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
        """Whether calls are held back, but for a probe."""
        return self._failures >= LIMIT

    @property
    def resting(self) -> bool:
        """Whether not even a probe may go."""
        return self.open and self._clock() < self._rests_until

    def admit(self) -> int | None:
        """A number for this call, to be given back if it is abandoned; None: it may not go."""
        if not self.open:
            return next(self._serial)
        if self.resting or self._probe is not None:
            return None
        self._probe = next(self._serial)
        return self._probe

    def succeeded(self) -> None:
        """Redis answered, be it with an error."""
        if self.open:
            log.info("Redis answers again")
        self._failures = 0
        self._probe = None
        self.refusal = None

    def failed(self, reason: str, *, refused: str | None = None) -> None:
        """Redis did not answer; `reason` is a word for the log, `refused` Redis' own, if any."""
        was_open = self.open
        self._failures = max(self._failures + 1, LIMIT if refused else 0)
        self._probe = None
        self.refusal = refused
        if self.open:
            self._rests_until = self._clock() + self._rest_s
            if not was_open:
                log.warning("Redis does not answer (%s); going on without it for now", reason)

    def abandoned(self, admitted: int) -> None:
        """The call ended before anybody knew; a probe's place is free again."""
        if self._probe == admitted:
            self._probe = None
