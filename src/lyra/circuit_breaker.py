"""Keeps calls away from an upstream that fails for everybody, and only from such a one.

Every call has an owner, for whom it is made. What an owner meets may be of its own making: words
that a filter refuses, a library that takes too long. So owners are counted, not calls.

Invariants, hunted by tests/test_circuit_breaker.py:
- fewer than LEAST owners never open it, nor owners who are outnumbered by those who are served;
- one that fails for everybody is open once LEAST owners have met that, within two windows of its
  last success at the latest;
- an answer that says it of every call, such as a refused key, opens it when a second owner gets it
  as well, nobody was served in between, nor within REST_S: that would give them the lie;
- a rest ends. Then one owner's calls probe at a time: their success closes the breaker, their
  failure doubles the rest. An owner whose probe did not succeed lets others go first, and a probe
  that hangs is not waited for: no owner keeps it open. A call without a verdict proves nothing.
"""

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from math import inf

log = logging.getLogger(__name__)

WINDOW_S = 30.0
LEAST = 5
AGREED = 2
REFUSED_S = 600.0  # how long what one owner was told waits for a second one's word
REST_S, LONGEST_REST_S = 10.0, 60.0
PROBE_S = 5.0
MOST_OWNERS = 4096  # owners who are remembered; of more, those who were heard of last


class CircuitOpenError(Exception):
    """No call is made for now; `retry_after_s` says for how long, `cause` why."""

    def __init__(self, retry_after_s: float, cause: Exception | None) -> None:
        super().__init__("the circuit of the upstream is open")
        self.retry_after_s = retry_after_s
        self.cause = cause


class Call:
    """One owner's call under way, to be told how it went; silence is no verdict.

    `probes` is the number of the opening that it probes, 0 when it is an ordinary call.
    """

    __slots__ = ("_breaker", "_proved", "owner", "probes")

    def __init__(self, breaker: "CircuitBreaker", owner: Hashable, probes: int = 0) -> None:
        self._breaker = breaker
        self._proved = False
        self.owner = owner
        self.probes = probes

    def ok(self) -> None:
        """The upstream works; counted once."""
        if not self._proved:
            self._proved = True
            self._breaker._succeeded(self)  # noqa: SLF001 - a part of it

    def answered(self) -> None:
        """The upstream works, as a refusal shows: it ends a rest, and counts for nothing else."""
        if self.probes:
            self.ok()

    def failed(self) -> None:
        """The upstream does not work, for this owner at least."""
        self._breaker._failed(self)  # noqa: SLF001

    def refused(self, cause: Exception, rest_s: float = REST_S) -> None:
        """The upstream has said that it answers no call at all, and for how long not to ask."""
        self._breaker._refused(self, cause, rest_s)  # noqa: SLF001


class _Tally:
    """How the calls of one owner went within one window."""

    __slots__ = ("calls", "failures", "last", "since")

    def __init__(self, now: float) -> None:
        self.since = self.last = now
        self.calls = self.failures = 0

    @property
    def fails(self) -> bool:
        return 2 * self.failures >= self.calls


class _Owners:
    """The owners heard of within the window, and how many of them fail.

    A step costs the same however many there are.
    """

    def __init__(self) -> None:
        self._tallies: OrderedDict[Hashable, _Tally] = OrderedDict()  # heard of last at the end
        self.failing = 0

    def __len__(self) -> int:
        return len(self._tallies)

    def count(self, owner: Hashable, now: float, *, failed: bool) -> None:
        while self._tallies and next(iter(self._tallies.values())).last <= now - WINDOW_S:
            self._leave(next(iter(self._tallies)))
        tally = self._leave(owner)
        if tally is None or tally.since <= now - WINDOW_S:
            tally = _Tally(now)
        tally.last = now
        tally.calls += 1
        tally.failures += failed
        self._tallies[owner] = tally
        self.failing += tally.fails
        if len(self._tallies) > MOST_OWNERS:
            self._leave(next(iter(self._tallies)))

    def _leave(self, owner: Hashable) -> _Tally | None:
        tally = self._tallies.pop(owner, None)
        if tally is not None:
            self.failing -= tally.fails
        return tally

    def clear(self) -> None:
        self._tallies.clear()
        self.failing = 0


class CircuitBreaker:
    """One upstream's breaker; `clock` counts seconds, `name` is a word for the log."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self._name = name
        self._clock = clock
        self._owners = _Owners()
        # Who was told that no call is answered, and when, since somebody was served.
        self._refusals: OrderedDict[Hashable, float] = OrderedDict()
        self._served_at = -inf
        self._open = False
        self._rests_until = 0.0
        self._rest_s = REST_S
        self._cause: Exception | None = None
        self._probing: Counter[Hashable] = Counter()
        self._probed_at = 0.0
        # Owners whose probes did not succeed, and until when they let others go first.
        self._have_failed: OrderedDict[Hashable, float] = OrderedDict()
        self._openings = 0
        self._rejected = 0

    @contextmanager
    def call(self, owner: Hashable) -> Iterator[Call]:
        """Make one call of this owner within the block.

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
        return max(0.0, self._rests_until - self._clock()) if self._open else 0.0

    def stats(self) -> Mapping[str, int]:
        """Counters (names in `_total`), whether it is open, and how many owners are remembered."""
        return {
            "owners": len(self._owners) + len(self._have_failed),
            "open": int(self._open),
            "openings_total": self._openings,
            "rejected_total": self._rejected,
        }

    def _admit_probe(self, owner: Hashable) -> None:
        now = self._clock()
        waits_s = self._rests_until - now
        if owner in self._have_failed:  # others go first: what it met may be of its own making
            waits_s = max(waits_s + REST_S, self._have_failed[owner] - now)
        if owner not in self._probing:
            if self._probing and now < self._probed_at + PROBE_S:
                waits_s = max(waits_s, 1.0)
            elif waits_s <= 0:
                self._probed_at = now
        if waits_s > 0:
            self._rejected += 1
            raise CircuitOpenError(waits_s, self._cause)
        self._probing[owner] += 1

    def _succeeded(self, call: Call) -> None:
        self._served_at = self._clock()
        if not self._open:
            self._refusals.clear()
            self._owners.count(call.owner, self._clock(), failed=False)
        elif call.probes == self._openings:  # what began before the rest proves nothing
            self._open, self._rest_s, self._cause = False, REST_S, None
            self._have_failed.clear()
            log.warning("%s works again; its circuit is closed", self._name)

    def _failed(self, call: Call) -> None:
        if self._open:
            self._probe_failed(call)
            return
        self._owners.count(call.owner, self._clock(), failed=True)
        if self._owners.failing >= LEAST and 2 * self._owners.failing >= len(self._owners):
            self._trip(self._rest_s)

    def _refused(self, call: Call, cause: Exception, rest_s: float) -> None:
        if self._open:
            self._probe_failed(call)  # one owner's word: not for as long as when two agree
            return
        now = self._clock()
        self._refusals[call.owner] = now
        self._refusals.move_to_end(call.owner)
        if len(self._refusals) > AGREED:
            self._refusals.popitem(last=False)
        agreed = len(self._refusals) == AGREED and min(self._refusals.values()) > now - REFUSED_S
        if agreed and now - self._served_at >= REST_S:
            self._cause = cause
            self._trip(rest_s)

    def _probe_failed(self, call: Call) -> None:
        if call.probes != self._openings:
            return  # what began before the rest proves nothing
        if not self.retry_in_s:
            self._trip(min(2 * self._rest_s, LONGEST_REST_S))

    def _end_probe(self, call: Call) -> None:
        """Let others go first if this probe has not closed the breaker."""
        self._probing -= Counter((call.owner,))  # owners without a probe are not kept
        if not self._open or call.probes != self._openings:
            return
        self._have_failed[call.owner] = self._clock() + REST_S
        self._have_failed.move_to_end(call.owner)
        if len(self._have_failed) > MOST_OWNERS:
            self._have_failed.popitem(last=False)

    def _trip(self, seconds: float) -> None:
        if not self._open:
            self._openings += 1
            self._owners.clear()
            self._refusals.clear()
            log.warning("%s fails; its circuit is open for %.0f s", self._name, seconds)
        self._open = True
        self._rest_s = min(seconds, LONGEST_REST_S)
        self._rests_until = self._clock() + seconds
