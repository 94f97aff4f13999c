"""The breaker: opens by its rule alone, one probe at a time, and no caller's leaving counts."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lyra.breaker import LEAST, LONGEST_REST_S, REST_S, WINDOW_S, Breaker, Call, RestingError


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def spend(breaker: Breaker, *, good: int = 0, bad: int = 0) -> None:
    for _ in range(good):
        with breaker.call() as call:
            call.ok()
    for _ in range(bad):
        with breaker.call() as call:
            call.failed()


def opened() -> tuple[Breaker, Clock]:
    clock = Clock()
    breaker = Breaker("it", clock)
    spend(breaker, bad=LEAST)
    return breaker, clock


@pytest.mark.parametrize(
    ("good", "bad", "rests"), [(25, 25, True), (26, 25, False), (0, 49, False)]
)
def test_it_opens_when_half_of_fifty_calls_failed(good: int, bad: int, rests: bool) -> None:
    breaker = Breaker("it", Clock())
    spend(breaker, good=good, bad=bad)

    assert (breaker.rests_s > 0) is rests


def test_failures_of_before_the_window_do_not_count() -> None:
    clock = Clock()
    breaker = Breaker("it", clock)
    spend(breaker, bad=LEAST - 1)
    clock.now += WINDOW_S + 1
    spend(breaker, bad=LEAST - 1)

    assert breaker.rests_s == 0


def test_an_open_one_holds_calls_back_and_says_for_how_long() -> None:
    breaker, clock = opened()
    clock.now += 3
    with pytest.raises(RestingError) as held, breaker.call():
        raise AssertionError("no call is made")

    assert held.value.retry_after_s == REST_S - 3
    assert breaker.stats() == {"open": 1, "openings_total": 1, "held_back_total": 1}


def test_after_its_rest_one_group_probes_and_its_success_closes_it() -> None:
    breaker, clock = opened()
    clock.now += REST_S
    with breaker.call("one"), breaker.call("one") as second:
        with pytest.raises(RestingError), breaker.call("two"):
            raise AssertionError("one group at a time")
        second.ok()
    spend(breaker, good=1)

    assert breaker.stats()["open"] == 0


def test_a_failed_probe_doubles_the_rest_up_to_a_minute() -> None:
    breaker, clock = opened()
    rests = []
    for _ in range(5):
        clock.now += breaker.rests_s
        spend(breaker, bad=1)
        rests.append(breaker.rests_s)

    assert rests == [20, 40, LONGEST_REST_S, LONGEST_REST_S, LONGEST_REST_S]


def test_a_probe_that_ends_without_a_verdict_frees_its_place() -> None:
    breaker, clock = opened()
    clock.now += REST_S
    with pytest.raises(KeyboardInterrupt), breaker.call("one"):
        raise KeyboardInterrupt
    with breaker.call("two") as call:
        call.ok()

    assert breaker.stats()["open"] == 0


def test_a_call_of_before_the_rest_says_nothing_about_after_it() -> None:
    clock = Clock()
    breaker = Breaker("it", clock)
    with breaker.call() as early:
        spend(breaker, bad=LEAST)
        early.ok()

    assert breaker.rests_s == REST_S


class Life(RuleBasedStateMachine):
    """Any order of calls, verdicts and time: it never probes twice, and never stays shut."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker("it", self.clock)
        self.live: list[tuple[object, Call]] = []
        self.held = 1.0

    @rule()
    def begin(self) -> None:
        block = self.breaker.call()
        probing = self.breaker.stats()["open"]
        try:
            call = block.__enter__()
        except RestingError as resting:
            self.held = resting.retry_after_s
            return
        if probing:
            assert self.breaker.rests_s == 0
        self.live.append((block, call))

    @rule(data=st.data(), verdict=st.sampled_from(["ok", "failed", "left"]))
    def end(self, data: st.DataObject, verdict: str) -> None:
        if not self.live:
            return
        block, call = self.live.pop(data.draw(st.integers(0, len(self.live) - 1)))
        if verdict != "left":
            getattr(call, verdict)()
        block.__exit__(None, None, None)  # type: ignore[attr-defined]

    @rule(bad=st.integers(0, 60))
    def burst(self, bad: int) -> None:
        if self.breaker.stats()["open"] == 0 and not self.live:
            for _ in range(bad):
                if self.breaker.stats()["open"]:
                    break
                spend(self.breaker, bad=1)

    @rule(seconds=st.floats(0, 70))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def a_rest_ends(self) -> None:
        assert 0 <= self.breaker.rests_s <= LONGEST_REST_S
        assert self.held > 0

    def teardown(self) -> None:
        for block, _ in self.live:
            block.__exit__(None, None, None)  # type: ignore[attr-defined]
        self.clock.now += LONGEST_REST_S
        spend(self.breaker, good=1)
        assert self.breaker.stats()["open"] == 0


TestLife = Life.TestCase
