"""The breaker: opens for what all meet, one probe at a time, and no one owner can hold it."""

from collections.abc import Callable, Hashable, Iterable
from contextlib import ExitStack, suppress
from random import Random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lyra.circuit_breaker import (
    MAX_OPEN_S,
    MAX_OWNERS,
    MIN_OWNERS,
    OPEN_S,
    PROBE_S,
    REFUSAL_VALID_S,
    REFUSALS_NEEDED,
    WINDOW_S,
    Call,
    CircuitBreaker,
    CircuitOpenError,
)

REFUSAL = Exception("the key is refused")


def refused(call: Call) -> None:
    call.record_refusal(REFUSAL)


def left(_: Call) -> None:
    """Say nothing."""


VERDICTS = (Call.record_failure, refused, left)  # of one whose calls never succeed


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def owners(count: int, name: str = "owner") -> list[str]:
    return [f"{name} {number}" for number in range(count)]


def spend(
    breaker: CircuitBreaker, *, good: Iterable[Hashable] = (), bad: Iterable[Hashable] = ()
) -> None:
    for owner in good:
        with breaker.call(owner) as call:
            call.record_success()
    for owner in bad:
        with breaker.call(owner) as call:
            call.record_failure()


def refuse(breaker: CircuitBreaker, owner: Hashable, *rest_s: float) -> None:
    with breaker.call(owner) as call:
        call.record_refusal(REFUSAL, *rest_s)


def held(breaker: CircuitBreaker, owner: Hashable) -> CircuitOpenError:
    with pytest.raises(CircuitOpenError) as resting, breaker.call(owner):
        raise AssertionError("no call is made")
    return resting.value


def stats(breaker: CircuitBreaker) -> tuple[int, int, int]:
    """Whether it is open, how often it was opened, and how many calls were not made."""
    told = breaker.stats()
    return told["open"], told["openings_total"], told["rejected_total"]


def opened() -> tuple[CircuitBreaker, Clock]:
    clock = Clock()
    breaker = CircuitBreaker("it", clock)
    spend(breaker, bad=owners(MIN_OWNERS))
    return breaker, clock


@pytest.mark.parametrize(
    ("good", "bad", "rests"),
    [
        (MIN_OWNERS, MIN_OWNERS, True),
        (MIN_OWNERS + 1, MIN_OWNERS, False),
        (0, MIN_OWNERS - 1, False),
    ],
)
def test_it_opens_when_half_of_enough_owners_fail(good: int, bad: int, rests: bool) -> None:
    breaker = CircuitBreaker("it", Clock())
    spend(breaker, good=owners(good, "good"), bad=owners(bad))

    assert (breaker.retry_in_s > 0) is rests


def test_however_often_one_owner_fails_it_stays_closed() -> None:
    breaker = CircuitBreaker("it", Clock())
    spend(breaker, bad=["one"] * 1000)

    assert stats(breaker) == (0, 0, 0)


def test_one_owners_many_successes_do_not_hide_others_failures() -> None:
    breaker = CircuitBreaker("it", Clock())
    spend(breaker, good=["served"] * 1000, bad=owners(MIN_OWNERS))

    assert breaker.retry_in_s == OPEN_S


def test_a_bounded_number_of_owners_is_kept_the_latest_ones() -> None:
    breaker = CircuitBreaker("it", Clock())
    spend(breaker, bad=owners(MIN_OWNERS - 1), good=owners(MAX_OWNERS, "good"))
    assert breaker.stats()["owners"] == MAX_OWNERS
    spend(breaker, good=owners(MIN_OWNERS - 1, "later"))

    assert breaker.stats()["owners"] == MAX_OWNERS


def test_of_very_many_failed_probes_the_oldest_is_forgotten() -> None:
    breaker, clock = opened()
    for prober in owners(MAX_OWNERS + 1, "prober"):
        clock.now += breaker.retry_in_s
        spend(breaker, bad=[prober])
    clock.now += breaker.retry_in_s

    assert breaker.stats()["owners"] == MAX_OWNERS
    held(breaker, "prober 1")
    spend(breaker, good=["prober 0"])


def test_an_owner_most_of_whose_calls_go_well_does_not_fail() -> None:
    breaker = CircuitBreaker("it", Clock())
    for owner in owners(4 * MIN_OWNERS):
        spend(breaker, good=[owner] * 4, bad=[owner] * 3)

    assert breaker.retry_in_s == 0


def test_failures_of_before_the_window_do_not_count() -> None:
    clock = Clock()
    breaker = CircuitBreaker("it", clock)
    spend(breaker, bad=owners(MIN_OWNERS - 1))
    clock.now += WINDOW_S + 1
    spend(breaker, bad=owners(MIN_OWNERS - 1, "later"))

    assert breaker.retry_in_s == 0


def test_an_open_one_holds_calls_back_and_says_for_how_long() -> None:
    breaker, clock = opened()
    clock.now += 3

    assert held(breaker, "another").retry_after_s == OPEN_S - 3
    assert stats(breaker) == (1, 1, 1)


def test_when_half_open_one_owner_probes_and_success_closes_it() -> None:
    breaker, clock = opened()
    clock.now += OPEN_S
    with breaker.call("one"), breaker.call("one") as second:
        held(breaker, "two")
        second.record_success()
    spend(breaker, good=["two"])

    assert breaker.stats()["open"] == 0


def test_a_failed_probe_doubles_the_rest_up_to_a_minute() -> None:
    breaker, clock = opened()
    rests = []
    for prober in owners(5, "prober"):
        clock.now += breaker.retry_in_s
        spend(breaker, bad=[prober])
        rests.append(breaker.retry_in_s)

    assert rests == [20, 40, MAX_OPEN_S, MAX_OPEN_S, MAX_OPEN_S]


def test_a_probe_that_ends_without_a_verdict_frees_its_place() -> None:
    breaker, clock = opened()
    clock.now += OPEN_S
    with pytest.raises(KeyboardInterrupt), breaker.call("one"):
        raise KeyboardInterrupt
    spend(breaker, good=["two"])

    assert breaker.stats()["open"] == 0


def test_a_probe_that_hangs_is_not_waited_for() -> None:
    breaker, clock = opened()
    clock.now += OPEN_S
    with breaker.call("one"):
        held(breaker, "two")
        clock.now += PROBE_S
        spend(breaker, good=["two"])

    assert breaker.stats()["open"] == 0


def test_whose_probe_has_failed_lets_others_go_first() -> None:
    breaker, clock = opened()
    clock.now += OPEN_S
    spend(breaker, bad=["one"])
    clock.now += breaker.retry_in_s

    assert held(breaker, "one").retry_after_s == OPEN_S
    spend(breaker, good=["two"])
    assert breaker.stats()["open"] == 0


def test_whose_probe_was_left_lets_others_go_first_too() -> None:
    breaker, clock = opened()
    clock.now += OPEN_S + 1000
    with breaker.call("one"):
        pass

    assert held(breaker, "one").retry_after_s == OPEN_S
    clock.now += OPEN_S
    spend(breaker, good=["one"])


def test_a_refusal_that_proves_a_working_upstream_only_closes_it() -> None:
    """It counts as nobody's success or failure."""
    breaker, clock = opened()
    clock.now += OPEN_S
    with breaker.call("refused") as call:
        call.record_answer()
    assert breaker.stats() == {"open": 0, "openings_total": 1, "rejected_total": 0, "owners": 0}
    with breaker.call("refused") as call:
        call.record_answer()

    assert breaker.stats()["owners"] == 0


def test_a_lone_owner_probes_again_all_the_same() -> None:
    breaker, clock = opened()
    clock.now += OPEN_S
    spend(breaker, bad=["one"])
    clock.now += breaker.retry_in_s + OPEN_S
    spend(breaker, good=["one"])

    assert breaker.stats()["open"] == 0


def test_a_call_of_before_the_rest_says_nothing_about_after_it() -> None:
    clock = Clock()
    breaker = CircuitBreaker("it", clock)
    with breaker.call("early") as good, breaker.call("early") as bad:
        spend(breaker, bad=owners(MIN_OWNERS))
        good.record_success()
        assert breaker.retry_in_s == OPEN_S
        clock.now += OPEN_S
        bad.record_failure()

    assert breaker.retry_in_s == 0


def test_a_probe_of_an_earlier_rest_says_nothing_about_this_one() -> None:
    breaker, clock = opened()
    clock.now += OPEN_S
    with breaker.call("slow") as slow:
        clock.now += PROBE_S
        spend(breaker, good=["quick"])
        spend(breaker, bad=owners(MIN_OWNERS))
        clock.now += OPEN_S
        slow.record_failure()
        assert breaker.retry_in_s == 0
        slow.record_success()

    assert breaker.stats()["open"] == 1


def test_one_owners_refusals_rest_nobody_and_a_seconds_rests_all() -> None:
    breaker = CircuitBreaker("it", Clock())
    for _ in range(100):
        refuse(breaker, "one")
    assert breaker.retry_in_s == 0
    refuse(breaker, "two")

    assert breaker.retry_in_s == OPEN_S
    assert held(breaker, "three").cause is REFUSAL


def test_who_is_served_between_two_refusals_gives_them_the_lie() -> None:
    breaker = CircuitBreaker("it", Clock())
    for owner in owners(100):
        refuse(breaker, owner)
        spend(breaker, good=["served"])

    assert breaker.stats()["openings_total"] == 0


def test_a_refusal_of_long_ago_is_no_second_word() -> None:
    clock = Clock()
    breaker = CircuitBreaker("it", clock)
    refuse(breaker, "one")
    clock.now += REFUSAL_VALID_S
    refuse(breaker, "two")

    assert breaker.retry_in_s == 0


def test_no_number_of_refusals_opens_it_while_others_are_served() -> None:
    clock = Clock()
    breaker = CircuitBreaker("it", clock)
    for _ in range(20):
        spend(breaker, good=["served"])
        clock.now += OPEN_S - 1
        for owner in owners(50, "refused"):
            refuse(breaker, owner)
    assert breaker.stats()["openings_total"] == 0
    clock.now += 1
    refuse(breaker, "refused 0")

    assert breaker.retry_in_s == OPEN_S


def test_refusals_of_before_a_rest_are_no_second_word_after_it() -> None:
    clock = Clock()
    breaker = CircuitBreaker("it", clock)
    for owner in owners(REFUSALS_NEEDED):
        refuse(breaker, owner)
    clock.now += OPEN_S
    spend(breaker, good=["served"])
    clock.now += OPEN_S
    refuse(breaker, "another")

    assert breaker.retry_in_s == 0


def test_a_rejection_carries_the_open_time_but_not_a_probes() -> None:
    clock = Clock()
    breaker = CircuitBreaker("it", clock)
    for owner in owners(REFUSALS_NEEDED):
        refuse(breaker, owner, 600)
    assert breaker.retry_in_s == 600
    clock.now += 600
    refuse(breaker, "another", 600)

    assert breaker.retry_in_s == MAX_OPEN_S


@pytest.mark.parametrize("seed", range(30))
def test_one_hostile_owner_is_nobodys_trouble_whatever_the_order(seed: int) -> None:
    """Its calls fail, are refused or hang always, the others' succeed: nobody is held back."""
    rng, clock = Random(seed), Clock()  # no secret
    breaker = CircuitBreaker("it", clock)
    with ExitStack() as hanging:
        for _ in range(2000):
            clock.now += rng.choice([0, 0.01, 1, 20])
            if rng.random() < 0.3:
                spend(breaker, good=[f"good {rng.randrange(5)}"])
                continue
            call = hanging.enter_context(breaker.call("hostile"))
            rng.choice(VERDICTS)(call)

        assert stats(breaker) == (0, 0, 0)


@pytest.mark.parametrize("seed", range(30))
def test_fewer_hostile_owners_than_are_served_hold_nobody_back(seed: int) -> None:
    rng, clock = Random(seed), Clock()
    breaker = CircuitBreaker("it", clock)
    hostile, served = owners(2 * MIN_OWNERS, "hostile"), owners(2 * MIN_OWNERS + 1, "served")
    for _ in range(200):
        asking = [*served, *rng.choices(hostile, k=50)]
        clock.now += WINDOW_S / 4
        spend(breaker, good=served)  # all are heard of, then in any order
        rng.shuffle(asking)
        for owner in asking:
            spend(breaker, **{"good" if owner in served else "bad": [owner]})

    assert breaker.stats()["openings_total"] == 0


@pytest.mark.parametrize("seed", range(30))
def test_an_upstream_failing_for_all_opens_it_at_enough_owners(seed: int) -> None:
    rng = Random(seed)
    breaker, failed = CircuitBreaker("it", Clock()), set[str]()
    while not breaker.retry_in_s:
        assert len(failed) < MIN_OWNERS
        owner = rng.choice(owners(100))
        spend(breaker, bad=[owner])
        failed.add(owner)

    assert len(failed) == MIN_OWNERS


@pytest.mark.parametrize("seed", range(30))
def test_an_upstream_dying_in_a_busy_hour_opens_in_two_windows(seed: int) -> None:
    rng, clock = Random(seed), Clock()
    breaker = CircuitBreaker("it", clock)
    for _ in range(20_000):
        clock.now += 0.01
        spend(breaker, good=[f"owner {rng.randrange(500)}"])
    died = clock.now
    while not breaker.retry_in_s:
        clock.now += 0.01
        spend(breaker, bad=[f"owner {rng.randrange(500)}"])

    assert clock.now - died <= 2 * WINDOW_S


@pytest.mark.parametrize("seed", range(30))
def test_no_hostile_owner_keeps_it_open_once_the_upstream_works(seed: int) -> None:
    """It asks as often as it can, to fail, hang or leave; another comes back when it is told."""
    rng = Random(seed)
    breaker, clock = opened()
    since, due = clock.now, clock.now + rng.uniform(0, 100)
    hanging = ExitStack()
    while breaker.stats()["open"]:
        assert clock.now - since <= 100 + 2 * MAX_OPEN_S
        with suppress(CircuitOpenError):
            call = hanging.enter_context(breaker.call("hostile"))
            if rng.random() < 0.5:
                call.record_failure()
        if rng.random() < 0.2:
            hanging.close()
        if clock.now >= due:
            try:
                spend(breaker, good=["good"])
            except CircuitOpenError as resting:
                due = clock.now + resting.retry_after_s
        clock.now += 0.25
    hanging.close()


class Life(RuleBasedStateMachine):
    """Any order of calls, verdicts and time: it never probes in a rest, and never stays shut."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = CircuitBreaker("it", self.clock)
        self.live: list[tuple[object, Call]] = []
        self.held = 1.0

    @rule(owner=st.integers(0, 9))
    def begin(self, owner: int) -> None:
        block = self.breaker.call(owner)
        probing = self.breaker.stats()["open"]
        try:
            call = block.__enter__()
        except CircuitOpenError as resting:
            self.held = resting.retry_after_s
            return
        if probing:
            assert self.breaker.retry_in_s == 0
        self.live.append((block, call))

    @rule(
        data=st.data(),
        verdict=st.sampled_from([*VERDICTS, Call.record_success, Call.record_answer]),
    )
    def end(self, data: st.DataObject, verdict: Callable[[Call], None]) -> None:
        if not self.live:
            return
        block, call = self.live.pop(data.draw(st.integers(0, len(self.live) - 1)))
        verdict(call)
        block.__exit__(None, None, None)  # type: ignore[attr-defined]

    @rule(bad=st.integers(0, 2 * MIN_OWNERS))
    def burst(self, bad: int) -> None:
        if self.breaker.stats()["open"] == 0 and not self.live:
            for owner in range(bad):
                if self.breaker.stats()["open"]:
                    break
                spend(self.breaker, bad=[owner])

    @rule(seconds=st.floats(0, 70))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def a_rest_ends(self) -> None:
        assert 0 <= self.breaker.retry_in_s <= MAX_OPEN_S
        assert self.held > 0

    def teardown(self) -> None:
        for block, _ in self.live:
            block.__exit__(None, None, None)  # type: ignore[attr-defined]
        self.clock.now += MAX_OPEN_S
        spend(self.breaker, good=["another"])
        assert self.breaker.stats()["open"] == 0


TestLife = Life.TestCase
