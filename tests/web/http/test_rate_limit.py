"""How much one listener, and all together, may ask at once; and that a refusal says when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st
from multidict import CIMultiDict

from lyra.errors import TooManyRequestsError
from lyra.sandbox import Sandbox, sandbox_token
from lyra.web.http.rate_limit import RateLimit
from tests.conftest import Service, Start
from tests.support.calls import QUESTION, call, chat, chatting, init, read_until
from tests.support.error_shape import check_error
from tests.support.stream_grammar import read_stream
from tests.support.waits import until


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
    error = check_error(answers[-1], "too_many_requests")
    assert error["reason"] == "rate"
    assert 0 < error["retry_after_s"] <= 30
    assert (await chat(service, sandbox_token(8))).status == 200


async def test_one_stream_too_many_of_a_listener_is_a_429(start: Start) -> None:
    service = await start(streams_per_token=1, model="fault:hang")
    async with chatting(service) as response:
        await read_until(response, b"text-delta")
        answer = await chat(service)
        async with chatting(service, sandbox_token(8)) as other:
            assert other.status == 200

    error = check_error(answer, "too_many_requests")
    assert (error["reason"], answer.headers["Retry-After"]) == ("streams", "1")


async def test_one_stream_too_many_of_all_is_a_503(start: Start) -> None:
    service = await start(max_streams=1, model="fault:hang")
    async with chatting(service) as response:
        await read_until(response, b"text-delta")
        answer = await chat(service, sandbox_token(8))

    check_error(answer, "overloaded")
    assert answer.headers["Retry-After"] == "1"


@asynccontextmanager
async def working(service: Service) -> AsyncIterator[None]:
    """A request that is worked on holds a place for the length of the block."""
    done = asyncio.Event()

    async def peek(_: object) -> None:
        await done.wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service.services.lyra.listeners, "peek", peek)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(call(service, "GET", "/lyra/status", headers=service.headers()))
            await until(lambda: free_places(service) == 0)
            yield
            done.set()


def free_places(service: Service) -> float | None:
    return service.services.metrics.registry.get_sample_value("lyra_concurrency_free")


async def test_one_request_too_many_in_flight_is_a_503(start: Start) -> None:
    service = await start(max_in_flight=1, max_waiting=0)
    async with working(service):
        answer = await init(service, sandbox_token(8))

    check_error(answer, "overloaded")
    assert answer.headers["Retry-After"] == "1"


async def test_a_request_that_waits_is_served_when_a_place_is_free(start: Start) -> None:
    service = await start(max_in_flight=1, max_waiting=1, waiting_s=10)
    async with asyncio.TaskGroup() as tasks, working(service):
        waiting = tasks.create_task(init(service))
        waits = "lyra_concurrency_waiting"
        value = service.services.metrics.registry.get_sample_value
        await until(lambda: value(waits) == 1)
        refused = await init(service, sandbox_token(8))

    assert (waiting.result().status, refused.status) == (200, 503)


async def test_a_request_does_not_wait_longer_than_it_may(start: Start) -> None:
    service = await start(max_in_flight=1, waiting_s=0.02)
    async with working(service):
        check_error(await init(service), "overloaded")
        assert (await call(service, "GET", "/healthz")).status == 200
        assert (await call(service, "GET", "/readyz")).status == 200


async def test_waiters_of_a_fetch_and_streams_hold_no_place(start: Start, sandbox: Sandbox) -> None:
    service = await start(max_in_flight=1, max_waiting=0, model="fault:hang")
    slow = sandbox_token(9, "typical", "legacy", "slow-300-recent")
    async with chatting(service) as response, asyncio.TaskGroup() as tasks:
        await read_until(response, b"text-delta")
        waiting = tasks.create_task(init(service, slow))
        await sandbox.stats.until(lambda stats: stats.total == 10)
        answer = await call(service, "GET", "/lyra/status", headers=service.headers())

    assert (answer.status, waiting.result().status) == (200, 200)


async def test_many_tokens_of_one_address_share_a_rate(start: Start) -> None:
    service = await start(rate_per_minute=2, clock=lambda: 1000.0)
    answers = [await chat(service, sandbox_token(number)) for number in range(11)]

    assert [answer.status for answer in answers] == [200] * 10 + [429]
    assert answers[-1].json["error"]["reason"] == "address"


async def test_unknown_tokens_of_one_address_are_counted(start: Start, sandbox: Sandbox) -> None:
    service = await start(rate_per_minute=1, clock=lambda: 1000.0)
    answers = [await init(service, sandbox_token(number)) for number in range(21)]
    again = await init(service, sandbox_token(0))

    assert [answer.status for answer in answers] == [200] * 20 + [429]
    assert answers[-1].json["error"]["reason"] == "new_tokens"
    assert (again.json["cache"]["state"], sandbox.stats.total) == ("hit", 100)


@pytest.mark.parametrize(
    ("trusted", "forwarded", "statuses"),
    [
        ((), ("1.1.1.1", "2.2.2.2"), [200, 429]),
        (("127.0.0.0/8",), ("1.1.1.1", "2.2.2.2"), [200, 200]),
        (("127.0.0.0/8",), ("1.1.1.1", "9.9.9.9, 1.1.1.1"), [200, 429]),
        (("127.0.0.0/8", "10.0.0.0/8"), ("1.1.1.1, 10.0.0.9", "1.1.1.1"), [200, 429]),
        (("127.0.0.0/8",), ("2001:db8::1", "2001:db8::2"), [200, 429]),
        (("127.0.0.0/8",), ("2001:db8::1", "2001:db8:0:1::1"), [200, 200]),
        (("127.0.0.0/8",), ("rubbish", "other rubbish"), [200, 429]),
        (("127.0.0.0/8",), ("1.1.1.1:51000", "1.1.1.1:52000"), [200, 429]),
        (("127.0.0.0/8",), ("1.1.1.1:51000", "2.2.2.2:51000"), [200, 200]),
        (("127.0.0.0/8",), ("[2001:db8::1]:51000", "[2001:db8:0:1::1]:51000"), [200, 200]),
        (("127.0.0.0/8",), ("1.1.1.1", "::ffff:1.1.1.1"), [200, 429]),
        (("127.0.0.0/8", "::ffff:10.0.0.9"), ("1.1.1.1, ::ffff:10.0.0.9", "1.1.1.1"), [200, 429]),
        (("127.0.0.0/8", "10.0.0.0/8"), ("1.1.1.1, ::ffff:10.0.0.9", "1.1.1.1"), [200, 429]),
        (
            ("127.0.0.0/8", "10.0.0.0/8"),
            ("1.1.1.1, ::ffff:10.0.0.9", "2.2.2.2, ::ffff:10.0.0.9"),
            [200, 200],
        ),
    ],
)
async def test_a_forwarded_address_counts_from_trusted_proxies_alone(
    start: Start, trusted: tuple[str, ...], forwarded: tuple[str, str], statuses: list[int]
) -> None:
    service = await start(rate_per_minute=1, trusted_proxies=trusted, clock=lambda: 1000.0)
    for number in range(4):
        await chat(service, sandbox_token(number), **{"X-Forwarded-For": forwarded[0]})
    answers = [
        await chat(service, sandbox_token(10 + place), **{"X-Forwarded-For": each})
        for place, each in enumerate(forwarded)
    ]

    assert [answer.status for answer in answers] == statuses


@pytest.mark.parametrize("lines", [["9.9.9.9, 1.1.1.1"], ["9.9.9.9", "1.1.1.1"]])
async def test_a_clients_forwarded_line_does_not_hide_the_proxys(
    start: Start, lines: list[str]
) -> None:
    service = await start(rate_per_minute=1, trusted_proxies=("127.0.0.1",), clock=lambda: 1000.0)
    answers = []
    for number in range(6):
        headers = CIMultiDict(service.headers(sandbox_token(number)))
        for line in lines:
            headers.add("X-Forwarded-For", line.replace("9.9.9.9", f"9.9.9.{number}"))
        answers.append(await call(service, "POST", "/lyra/chat", json=QUESTION, headers=headers))

    assert [answer.status for answer in answers] == [200] * 5 + [429]


async def test_an_address_has_a_rate_for_forgetting_and_stopping(start: Start) -> None:
    service = await start(rate_per_minute=1, clock=lambda: 1000.0)
    ways = [("DELETE", "/lyra/session"), ("POST", "/lyra/chat/run_0/stop")]
    answers = []
    for number in range(6):
        headers = service.headers(sandbox_token(number))
        answers.append(await call(service, *ways[number % 2], headers=headers))
    nobody = await call(service, "DELETE", "/lyra/session")
    answer = await chat(service, sandbox_token(7))

    assert [answer.status for answer in answers] == [204, 404, 204, 404, 204, 429]
    assert check_error(answers[-1], "too_many_requests")["reason"] == "address"
    assert (nobody.status, answer.status) == (401, 200)


ROUTES = ["/lyra/chat", "/v1/chat/completions", "/lyra/agui"]


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("body", [b"{}", b"no JSON", b"[]"])
async def test_a_refused_body_counts_for_the_rate_like_any_other(
    start: Start, path: str, body: bytes
) -> None:
    service = await start(rate_per_minute=2, clock=lambda: 1000.0)
    headers = service.headers(**{"Content-Type": "application/json"})
    answers = [await call(service, "POST", path, data=body, headers=headers) for _ in range(3)]

    assert [answer.status for answer in answers] == [400, 400, 429]
    assert answers[-1].json["error"]["reason"] == "rate"


@pytest.mark.parametrize("path", ROUTES)
async def test_a_body_that_is_refused_costs_its_address_too(start: Start, path: str) -> None:
    service = await start(rate_per_minute=1, clock=lambda: 1000.0)
    statuses = []
    for number in range(6):
        headers = service.headers(sandbox_token(number), **{"Content-Type": "text/plain"})
        answer = await call(service, "POST", path, data=b"{}", headers=headers)
        statuses.append(answer.status)
    nobody = await call(service, "POST", path, data=b"{}")

    assert statuses == [415] * 5 + [429]
    assert nobody.status == 401


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
