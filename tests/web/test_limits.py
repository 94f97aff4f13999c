"""How much one listener, and all together, may ask at once; and that a refusal says when."""

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from lyra.errors import TooManyRequestsError
from lyra.sandbox import sandbox_token
from lyra.web.limits import RateLimit
from tests.conftest import Start
from tests.web.calls import call, chat, chatting, init, read_until
from tests.web.stream_grammar import read_stream
from tests.web.test_errors import check_error


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def admitted(limit: RateLimit, caller: str = "a") -> bool:
    try:
        limit.spend(caller)
    except TooManyRequestsError:
        return False
    return True


def test_a_burst_of_a_minutes_requests_is_admitted_and_no_more() -> None:
    limit = RateLimit(5, entries=10, clock=Clock())

    assert [admitted(limit) for _ in range(7)] == [True] * 5 + [False] * 2


def test_a_refusal_says_when_the_next_one_is_due_and_then_it_is() -> None:
    clock = Clock()
    limit = RateLimit(5, entries=10, clock=clock)
    for _ in range(5):
        limit.spend("a")

    with pytest.raises(TooManyRequestsError) as refused:
        limit.spend("a")

    assert refused.value.retry_after_s == pytest.approx(12)
    clock.now += refused.value.retry_after_s or 0
    assert [admitted(limit), admitted(limit)] == [True, False]


def test_callers_do_not_share_a_limit() -> None:
    limit = RateLimit(1, entries=10, clock=Clock())

    assert [admitted(limit, caller) for caller in "abab"] == [True, True, False, False]


def test_a_caller_who_had_to_be_forgotten_starts_afresh() -> None:
    limit = RateLimit(1, entries=2, clock=Clock())

    assert [admitted(limit, caller) for caller in "abca"] == [True] * 4


@given(st.integers(1, 20), st.lists(st.floats(0, 40), max_size=60))
def test_no_minute_ever_holds_more_than_twice_the_rate(rate: int, waits: list[float]) -> None:
    """The burst and a minute's refill: the bound of every limiter that refills evenly."""
    clock = Clock()
    limit = RateLimit(rate, entries=2, clock=clock)
    times: list[float] = []
    for wait in waits:
        clock.now += wait
        if admitted(limit):
            times.append(clock.now)

    assert all(later >= earlier for earlier, later in pairwise(times))
    assert all(sum(t <= each < t + 60 for each in times) <= 2 * rate for t in times)


async def test_one_chat_too_many_in_a_minute_is_a_429(start: Start) -> None:
    service = await start(rate_per_minute=2)
    answers = [await chat(service) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    told = check_error(answers[-1], "too_many_requests")
    assert told["reason"] == "rate"
    assert 0 < told["retry_after_s"] <= 30
    assert (await chat(service, sandbox_token(8))).status == 200


async def test_one_stream_too_many_of_a_listener_is_a_429(start: Start) -> None:
    service = await start(streams_per_token=1, model="fault:hang")
    async with chatting(service) as response:
        await read_until(response, b"text-delta")
        answer = await chat(service)
        async with chatting(service, sandbox_token(8)) as other:
            assert other.status == 200

    told = check_error(answer, "too_many_requests")
    assert (told["reason"], answer.headers["Retry-After"]) == ("streams", "1")


async def test_one_stream_too_many_of_all_is_a_503(start: Start) -> None:
    service = await start(max_streams=1, model="fault:hang")
    async with chatting(service) as response:
        await read_until(response, b"text-delta")
        answer = await chat(service, sandbox_token(8))

    check_error(answer, "overloaded")
    assert answer.headers["Retry-After"] == "1"


async def test_one_request_too_many_in_flight_is_a_503(start: Start) -> None:
    service = await start(max_in_flight=1, model="fault:hang")
    async with chatting(service) as response:
        await read_until(response, b"text-delta")
        answer = await init(service, sandbox_token(8))

    check_error(answer, "overloaded")
    assert answer.headers["Retry-After"] == "1"


async def test_whoever_leaves_or_is_refused_frees_the_place(start: Start) -> None:
    service = await start(max_in_flight=1)
    for _ in range(3):
        check_error(await call(service, "GET", "/nowhere"), "not_found")

    assert (await init(service)).status == 200


async def test_an_ended_stream_frees_its_place(start: Start) -> None:
    service = await start(streams_per_token=1, max_streams=1)

    endings = [read_stream(await chat(service)).ending for _ in range(3)]

    assert endings == ["stop"] * 3


async def test_a_failed_answer_frees_its_place(start: Start) -> None:
    service = await start(streams_per_token=1, max_streams=1, model="fault:err-401")
    await init(service)

    for _ in range(3):
        check_error(await chat(service), "llm_misconfigured")


async def test_a_draining_process_admits_no_chat(start: Start) -> None:
    service = await start()
    service.services.runs.draining = True

    answer = await chat(service)

    check_error(answer, "draining")
    assert answer.headers["Retry-After"] == "1"
