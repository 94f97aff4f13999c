"""Keeps calls away from an upstream that fails anyway.

Opens when at least half of at least 50 calls within 30 s failed, rests, then lets one group of
calls probe: its success closes the breaker, its failure doubles the rest. A call that ends without
a verdict, such as one whose caller left, proves nothing and frees the probe's place.
"""

import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager

log = logging.getLogger(__name__)

WINDOW_S = 30.0
LEAST = 50
REST_S, LONGEST_REST_S = 10.0, 60.0


class RestingError(Exception):
    """No call is made for now; `retry_after_s` says for how long, `cause` why."""

    def __init__(self, retry_after_s: float, cause: Exception | None) -> None:
        super().__init__("the upstream is given a rest")
        self.retry_after_s = retry_after_s
        self.cause = cause


class Call:
    """One call under way, to be told how it went; silence is no verdict."""

    __slots__ = ("_breaker", "_proved")

    def __init__(self, breaker: "Breaker") -> None:
        self._breaker = breaker
        self._proved = False

    def ok(self) -> None:
        """The upstream works; counted once."""
        if not self._proved:
            self._proved = True
            self._breaker._succeeded()  # noqa: SLF001 - a part of it

    def failed(self) -> None:
        """The upstream does not work."""
        self._breaker._failed()  # noqa: SLF001


class Breaker:
    """One upstream's breaker; `clock` counts seconds, `name` is a word for the log."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self._name = name
        self._clock = clock
        self._past: deque[list[float]] = deque(maxlen=int(WINDOW_S) + 1)  # second, calls, failures
        self._open = False
        self._rests_until = 0.0
        self._rest_s = REST_S
        self._cause: Exception | None = None
        self._prober: Hashable = None
        self._probes = 0
        self._openings = 0
        self._held_back = 0

    @contextmanager
    def call(self, group: Hashable = None) -> Iterator[Call]:
        """Make one call within the block. The calls of one group may probe together.

        Raises:
            RestingError: the call must not be made.
        """
        if not self._open:
            yield Call(self)
            return
        group = group if group is not None else object()
        self._admit_probe(group)
        try:
            yield Call(self)
        finally:
            self._probes -= 1

    def open(self, rest_s: float, cause: Exception) -> None:
        """Hold all calls back for so long, whatever was counted; `cause` says why."""
        self._cause = cause
        self._rest(max(rest_s, self._rest_s))

    @property
    def rests_s(self) -> float:
        """Seconds until a call may be made; 0 when one may be made now."""
        return max(0.0, self._rests_until - self._clock()) if self._open else 0.0

    def stats(self) -> Mapping[str, int]:
        """Counters (names in `_total`) and whether it is open."""
        return {
            "open": int(self._open),
            "openings_total": self._openings,
            "held_back_total": self._held_back,
        }

    def _admit_probe(self, group: Hashable) -> None:
        left_s = self.rests_s
        if left_s > 0 or (self._probes and self._prober != group):
            self._held_back += 1
            raise RestingError(left_s or 1.0, self._cause)
        self._prober = group
        self._probes += 1

    def _succeeded(self) -> None:
        if not self._open:
            self._count(0)
        elif not self.rests_s:
            self._open, self._rest_s, self._cause = False, REST_S, None
            self._past.clear()
            log.warning("%s works again", self._name)

    def _failed(self) -> None:
        if self._open:
            if not self.rests_s:  # a probe; what began before the rest proves nothing
                self._rest(min(2 * self._rest_s, LONGEST_REST_S))
            return
        self._count(1)
        calls = sum(second[1] for second in self._past)
        failures = sum(second[2] for second in self._past)
        if calls >= LEAST and 2 * failures >= calls:
            self._rest(self._rest_s)

    def _count(self, failures: int) -> None:
        now = self._clock()
        while self._past and self._past[0][0] <= now - WINDOW_S:
            self._past.popleft()
        if not self._past or self._past[-1][0] != float(int(now)):
            self._past.append([float(int(now)), 0, 0])
        self._past[-1][1] += 1
        self._past[-1][2] += failures

    def _rest(self, seconds: float) -> None:
        if not self._open:
            self._openings += 1
            log.warning("%s fails; it is given a rest of %.0f s", self._name, seconds)
        self._open = True
        self._rest_s = min(seconds, LONGEST_REST_S)
        self._rests_until = self._clock() + seconds
