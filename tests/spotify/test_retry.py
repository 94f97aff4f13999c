from random import Random

import pytest
from hypothesis import given, strategies as st

from lyra.spotify.failures import MEANINGS, FailureCode, SpotifyFailure
from lyra.spotify.retry import ATTEMPTS, MAX_SHARES, Retries, RetryBudget

RETRIED: list[FailureCode] = [code for code, meaning in MEANINGS.items() if meaning.retryable]
FINAL: list[FailureCode] = [code for code, meaning in MEANINGS.items() if not meaning.retryable]


class Highest(Random):
    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def budget_of(tokens: float = 100.0) -> RetryBudget:
    return RetryBudget(Clock(), tokens)


@pytest.fixture
def retries() -> Retries:
    return Retries(budget_of(), Highest(), "one")


@pytest.mark.parametrize("code", FINAL)
def test_what_cannot_change_is_not_tried_again(retries: Retries, code: FailureCode) -> None:
    assert retries.delay(SpotifyFailure(code), 10) is None


@pytest.mark.parametrize("code", RETRIED)
def test_what_may_pass_is_tried_again(retries: Retries, code: FailureCode) -> None:
    assert retries.delay(SpotifyFailure(code), 10) is not None


def test_three_attempts_are_all(retries: Retries) -> None:
    fault = SpotifyFailure("server_error")

    delays = [retries.delay(fault, 10) for _ in range(ATTEMPTS)]

    assert delays == [0.1, 0.2, None]


@pytest.mark.parametrize("code", ["truncated", "rate_limited"])
def test_a_broken_body_and_a_rate_limit_are_tried_again_once(
    retries: Retries, code: FailureCode
) -> None:
    failure = SpotifyFailure(code)
    retries.delay(failure, 10)

    assert retries.delay(failure, 10) is None


def test_a_short_pause_is_sat_out_with_a_little_more(retries: Retries) -> None:
    failure = SpotifyFailure("rate_limited", retry_after_s=2)

    assert retries.delay(failure, 10) == pytest.approx(2.2)


@pytest.mark.parametrize(("pause_s", "left_s"), [(4, 60), (2, 2.5)])
def test_a_pause_that_is_long_or_passes_the_deadline_is_not(
    retries: Retries, pause_s: float, left_s: float
) -> None:
    failure = SpotifyFailure("rate_limited", retry_after_s=pause_s)

    assert retries.delay(failure, left_s) is None


def test_a_server_error_with_a_long_pause_is_not_sat_out(retries: Retries) -> None:
    assert retries.delay(SpotifyFailure("server_error", retry_after_s=60), 100) is None


def test_nothing_is_tried_when_the_deadline_is_near(retries: Retries) -> None:
    assert retries.delay(SpotifyFailure("connection"), 0.01) is None


def tried_again(budget: RetryBudget, owner: str, code: FailureCode = "server_error") -> bool:
    return Retries(budget, Highest(), owner).delay(SpotifyFailure(code), 10) is not None


def test_an_empty_retry_budget_ends_retries_until_successes() -> None:
    budget = budget_of(tokens=1)
    first = tried_again(budget, "one")
    second = tried_again(budget, "two")
    for _ in range(11):
        budget.earn()

    assert (first, second, tried_again(budget, "two")) == (True, False, True)


def test_an_owner_that_always_fails_spends_its_share_alone() -> None:
    clock = Clock()
    budget = RetryBudget(clock)
    for _ in range(60):  # an hour of it
        taken = sum(tried_again(budget, "failing") for _ in range(1000))
        assert taken <= 10
        assert tried_again(budget, "another")
        clock.now += 60


def test_a_share_comes_back_within_a_minute() -> None:
    clock = Clock()
    budget = RetryBudget(clock)
    while tried_again(budget, "one"):
        pass
    clock.now += 60

    assert sum(tried_again(budget, "one") for _ in range(1000)) == 10


def test_when_all_fail_the_whole_budget_bounds_them() -> None:
    budget = budget_of(tokens=100)

    assert sum(tried_again(budget, f"owner {number}") for number in range(1000)) == 100


def test_no_more_shares_are_remembered_than_there_may_be() -> None:
    budget = budget_of(tokens=2 * MAX_SHARES)
    while tried_again(budget, "one"):
        pass
    for number in range(MAX_SHARES):
        tried_again(budget, f"owner {number}")

    assert tried_again(budget, "one")  # who is forgotten starts afresh


def test_a_pause_that_is_sat_out_takes_nothing_from_the_others() -> None:
    budget = budget_of(tokens=1)
    for number in range(1000):
        assert tried_again(budget, f"paused {number}", "rate_limited")

    assert tried_again(budget, "another")


def test_with_an_empty_budget_a_pause_is_sat_out_all_the_same() -> None:
    budget = budget_of(tokens=0)

    assert tried_again(budget, "one", "rate_limited")


@given(st.integers(), st.sampled_from(RETRIED), st.floats(0, 100), st.floats(0, 20))
def test_no_wait_passes_the_deadline(
    seed: int, code: FailureCode, pause_s: float, left_s: float
) -> None:
    retries = Retries(budget_of(), Random(seed), "one")  # jitter is no secret

    delay = retries.delay(SpotifyFailure(code, retry_after_s=pause_s), left_s)

    assert delay is None or 0 <= delay < left_s
