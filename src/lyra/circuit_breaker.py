"""A circuit breaker: withholds calls from an upstream that fails for everybody.

Every call has an owner, a token or an account. An owner may cause its own failures: words that a
filter refuses, a library that takes too long. So failing owners are counted, not failing calls.

Invariants, hunted by tests/test_circuit_breaker.py:
- the circuit does not open for fewer than MIN_OWNERS failing owners, nor while more owners succeed;
- if the upstream fails for everybody, it opens once MIN_OWNERS owners have met that, within two
  windows of the last success at the latest;
- an answer that speaks of every call, such as a refused key, opens it when REFUSALS_NEEDED owners
  get it and no call has succeeded in between, nor within the OPEN_S before: that would disprove it;
- an open circuit becomes half-open after a time. Then the calls of one owner at a time probe: their
  success closes it, their failure opens it again for twice as long. An owner whose probe did not
  succeed lets others go first, and a probe that hangs is not waited for: no owner keeps the circuit
  open. A call without a verdict proves nothing.
"""

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from math import inf

log = logging.getLogger(__name__)

WINDOW_S = 30.0
MIN_OWNERS = 5
REFUSALS_NEEDED = 2
REFUSAL_VALID_S = 600.0  # how long one owner's refusal waits for another's
OPEN_S, MAX_OPEN_S = 10.0, 60.0
PROBE_S = 5.0
MAX_OWNERS = 4096  # owners that are remembered: the latest ones


class CircuitOpenError(Exception):
    """The circuit is open: no call is made for `retry_after_s`, because of `cause`."""

    def __init__(self, retry_after_s: float, cause: Exception | None) -> None:
        super().__init__("the circuit of the upstream is open")
        self.retry_after_s = retry_after_s
        self.cause = cause


class Call:
    """One owner's call under way, which reports its outcome; without a report there is no verdict.

    `probes` is the number of the opening that it probes, 0 for an ordinary call.
    """

    __slots__ = ("_breaker", "_success_counted", "owner", "probes")

    def __init__(self, breaker: "CircuitBreaker", owner: Hashable, probes: int = 0) -> None:
        self._breaker = breaker
        self._success_counted = False
        self.owner = owner
        self.probes = probes

    def record_success(self) -> None:
        """Report that the upstream works; counted once."""
        if not self._success_counted:
            self._success_counted = True
            self._breaker._record_success(self)  # noqa: SLF001 - a part of it

    def record_answer(self) -> None:
        """Report a refusal, which shows that the upstream answers: it only ends an open circuit."""
        if self.probes:
            self.record_success()

    def record_failure(self) -> None:
        """Report that the upstream does not work, for this owner at least."""
        self._breaker._record_failure(self)  # noqa: SLF001

    def record_refusal(self, cause: Exception, open_s: float = OPEN_S) -> None:
        """Report that the upstream refuses every call, and for how long not to call it."""
        self._breaker._record_refusal(self, cause, open_s)  # noqa: SLF001


class _Tally:
    """The outcomes of one owner's calls within one window."""

    __slots__ = ("calls", "failures", "last", "since")

    def __init__(self, now: float) -> None:
        self.since = self.last = now
        self.calls = self.failures = 0

    @property
    def fails(self) -> bool:
        return 2 * self.failures >= self.calls


class _Owners:
    """The owners with a call within the window, and how many of them fail.

    Every operation takes constant time.
    """

    def __init__(self) -> None:
        self._tallies: OrderedDict[Hashable, _Tally] = OrderedDict()  # the latest at the end
        self.failing = 0

    def __len__(self) -> int:
        return len(self._tallies)

    def count(self, owner: Hashable, now: float, *, failed: bool) -> None:
        while self._tallies and next(iter(self._tallies.values())).last <= now - WINDOW_S:
            self._remove(next(iter(self._tallies)))
        tally = self._remove(owner)
        if tally is None or tally.since <= now - WINDOW_S:
            tally = _Tally(now)
        tally.last = now
        tally.calls += 1
        tally.failures += failed
        self._tallies[owner] = tally
        self.failing += tally.fails
        if len(self._tallies) > MAX_OWNERS:
            self._remove(next(iter(self._tallies)))

    def _remove(self, owner: Hashable) -> _Tally | None:
        tally = self._tallies.pop(owner, None)
        if tally is not None:
            self.failing -= tally.fails
        return tally

    def clear(self) -> None:
        self._tallies.clear()
        self.failing = 0


class CircuitBreaker:
    """The circuit breaker of one upstream; `clock` counts seconds, `name` is for the log."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self._name = name
        self._clock = clock
        self._owners = _Owners()
        # Owners that met a refusal of every call, and when, since the last success.
        self._refusals: OrderedDict[Hashable, float] = OrderedDict()
        self._served_at = -inf
        self._open = False
        self._open_until = 0.0
        self._open_s = OPEN_S
        self._cause: Exception | None = None
        self._probing: Counter[Hashable] = Counter()
        self._last_probe_at = 0.0
        # Owners whose probes did not succeed, and until when other owners go first.
        self._failed_probes: OrderedDict[Hashable, float] = OrderedDict()
        self._openings = 0
        self._rejected = 0

    @contextmanager
    def call(self, owner: Hashable) -> Iterator[Call]:
        """Allow one call of this owner within the block.

        Raises:
            CircuitOpenError: the call must not be made.
        """
        if not self._open:
            yield Call(self, owner)
            return
        self._admit_probe(owner)
        call = Call(self, owner, self._openings)
        try:
            yield call
        finally:
            self._end_probe(call)

    @property
    def retry_in_s(self) -> float:
        """Seconds until a call may be made; 0 when one may be made now."""
        return max(0.0, self._open_until - self._clock()) if self._open else 0.0

    def stats(self) -> Mapping[str, int]:
        """Return counters (`_total`), whether it is open, and how many owners are remembered."""
        return {
            "owners": len(self._owners) + len(self._failed_probes),
            "open": int(self._open),
            "openings_total": self._openings,
            "rejected_total": self._rejected,
        }

    def _admit_probe(self, owner: Hashable) -> None:
        now = self._clock()
        wait_s = self._open_until - now
        if owner in self._failed_probes:  # others go first: it may cause its own failures
            wait_s = max(wait_s + OPEN_S, self._failed_probes[owner] - now)
        if owner not in self._probing:
            if self._probing and now < self._last_probe_at + PROBE_S:
                wait_s = max(wait_s, 1.0)
            elif wait_s <= 0:
                self._last_probe_at = now
        if wait_s > 0:
            self._rejected += 1
            raise CircuitOpenError(wait_s, self._cause)
        self._probing[owner] += 1

    def _record_success(self, call: Call) -> None:
        self._served_at = self._clock()
        if not self._open:
            self._refusals.clear()
            self._owners.count(call.owner, self._clock(), failed=False)
        elif call.probes == self._openings:  # a call from before the opening proves nothing
            self._open, self._open_s, self._cause = False, OPEN_S, None
            self._failed_probes.clear()
            log.warning("%s works again; its circuit is closed", self._name)

    def _record_failure(self, call: Call) -> None:
        if self._open:
            self._record_failed_probe(call)
            return
        self._owners.count(call.owner, self._clock(), failed=True)
        if self._owners.failing >= MIN_OWNERS and 2 * self._owners.failing >= len(self._owners):
            self._trip(self._open_s)

    def _record_refusal(self, call: Call, cause: Exception, open_s: float) -> None:
        if self._open:
            self._record_failed_probe(call)  # one owner's word: not for as long as two owners'
            return
        now = self._clock()
        self._refusals[call.owner] = now
        self._refusals.move_to_end(call.owner)
        if len(self._refusals) > REFUSALS_NEEDED:
            self._refusals.popitem(last=False)
        agreed = (
            len(self._refusals) == REFUSALS_NEEDED
            and min(self._refusals.values()) > now - REFUSAL_VALID_S
        )
        if agreed and now - self._served_at >= OPEN_S:
            self._cause = cause
            self._trip(open_s)

    def _record_failed_probe(self, call: Call) -> None:
        if call.probes != self._openings:
            return  # a call from before the opening proves nothing
        if not self.retry_in_s:
            self._trip(min(2 * self._open_s, MAX_OPEN_S))

    def _end_probe(self, call: Call) -> None:
        """Let others go first if this probe has not closed the breaker."""
        self._probing -= Counter((call.owner,))  # owners without a probe are not kept
        if not self._open or call.probes != self._openings:
            return
        self._failed_probes[call.owner] = self._clock() + OPEN_S
        self._failed_probes.move_to_end(call.owner)
        if len(self._failed_probes) > MAX_OWNERS:
            self._failed_probes.popitem(last=False)

    def _trip(self, open_s: float) -> None:
        if not self._open:
            self._openings += 1
            self._owners.clear()
            self._refusals.clear()
            log.warning("%s fails; its circuit is open for %.0f s", self._name, open_s)
        self._open = True
        self._open_s = min(open_s, MAX_OPEN_S)
        self._open_until = self._clock() + open_s
