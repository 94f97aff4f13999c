"""Three failures in a row open the breaker; one probe at a time finds out when to close it."""

import logging

import pytest

from lyra.redis.breaker import ConsecutiveBreaker
from tests.cache.conftest import Clock

REST_S = 5.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> ConsecutiveBreaker:
    return ConsecutiveBreaker(clock, rest_s=REST_S)


def fail(breaker: ConsecutiveBreaker, times: int) -> None:
    for _ in range(times):
        assert breaker.admit() is not None
        breaker.record_failure("timeout")


def test_two_failures_leave_it_closed(breaker: ConsecutiveBreaker) -> None:
    fail(breaker, 2)

    assert not breaker.open
    assert breaker.failing


def test_an_answer_between_failures_starts_the_count_anew(breaker: ConsecutiveBreaker) -> None:
    fail(breaker, 2)
    breaker.record_success()
    fail(breaker, 2)

    assert not breaker.open


def test_three_failures_in_a_row_hold_every_call_back(
    breaker: ConsecutiveBreaker, clock: Clock
) -> None:
    fail(breaker, 3)
    clock.now += REST_S - 0.001

    assert breaker.resting
    assert breaker.admit() is None


def test_after_the_rest_one_probe_goes_at_a_time(breaker: ConsecutiveBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += REST_S

    assert breaker.admit() is not None
    assert breaker.admit() is None


def test_a_probe_that_fails_means_another_rest(breaker: ConsecutiveBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += REST_S
    fail(breaker, 1)

    assert breaker.admit() is None
    clock.now += REST_S
    assert breaker.admit() is not None


def test_a_probe_that_is_answered_closes_it(breaker: ConsecutiveBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += REST_S
    breaker.admit()
    breaker.record_success()

    assert not breaker.open
    assert breaker.admit() is not None
    assert breaker.admit() is not None


def test_an_abandoned_probe_leaves_its_place_to_the_next(
    breaker: ConsecutiveBreaker, clock: Clock
) -> None:
    fail(breaker, 3)
    clock.now += REST_S
    probe = breaker.admit()
    assert probe is not None
    breaker.abandon(probe)

    assert breaker.admit() is not None


def test_a_call_from_before_cannot_give_the_probes_place_away(
    breaker: ConsecutiveBreaker, clock: Clock
) -> None:
    early = breaker.admit()
    assert early is not None
    fail(breaker, 3)
    clock.now += REST_S
    breaker.admit()
    breaker.abandon(early)

    assert breaker.admit() is None


def test_abandoned_calls_do_not_count(breaker: ConsecutiveBreaker) -> None:
    for _ in range(5):
        admitted = breaker.admit()
        assert admitted is not None
        breaker.abandon(admitted)

    assert not breaker.failing


def test_an_outage_is_two_lines_in_the_log(
    breaker: ConsecutiveBreaker, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fail(breaker, 3)
    for _ in range(3):
        clock.now += REST_S
        fail(breaker, 1)
    breaker.record_success()
    breaker.record_success()

    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "INFO"]
