"""How much one listener, and all together, may ask at once; and that a refusal says when."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from lyra.errors import TooManyRequestsError
from lyra.sandbox import Sandbox, sandbox_token
from lyra.settings import Settings
from lyra.web.limits import RateLimit
from lyra.web.places import Place, Places
from tests.conftest import Service, Start, settle
from tests.web.calls import call, chat, chatting, connected, init, read_until, request_bytes
from tests.web.stream_grammar import read_stream
from tests.web.test_errors import check_error
from tests.web.test_runs import until


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


@asynccontextmanager
async def unfinished(service: Service) -> AsyncIterator[None]:
    """A request whose body does not come holds a place for the length of the block."""
    async with connected(service) as (_, writer):
        auth = f"Authorization: {service.headers()['Authorization']}"
        head = request_bytes(service, "POST", "/lyra/chat", auth, "Content-Length: 9")
        writer.write(head)
        await until(lambda: free_places(service) == 0)
        yield


def free_places(service: Service) -> float | None:
    return service.services.metrics.registry.get_sample_value("lyra_places_free")


async def test_one_request_too_many_in_flight_is_a_503(start: Start) -> None:
    service = await start(max_in_flight=1, max_waiting=0)
    async with unfinished(service):
        answer = await init(service, sandbox_token(8))

    check_error(answer, "overloaded")
    assert answer.headers["Retry-After"] == "1"


async def test_a_request_that_waits_is_served_when_a_place_is_free(start: Start) -> None:
    service = await start(max_in_flight=1, max_waiting=1, waiting_s=10)
    async with asyncio.TaskGroup() as tasks, unfinished(service):
        waiting = tasks.create_task(init(service))
        waits = "lyra_places_waiting"
        value = service.services.metrics.registry.get_sample_value
        await until(lambda: value(waits) == 1)
        refused = await init(service, sandbox_token(8))

    assert (waiting.result().status, refused.status) == (200, 503)


async def test_a_request_does_not_wait_longer_than_it_may(start: Start) -> None:
    service = await start(max_in_flight=1, waiting_s=0.02)
    async with unfinished(service):
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


def served(waiting: deque[asyncio.Task[Place]]) -> list[Place]:
    """The places of those at the head of the queue who have one; they leave it."""
    places = []
    while waiting and waiting[0].done():
        first = waiting.popleft()
        if not first.cancelled() and first.exception() is None:
            places.append(first.result())
    return places


@given(st.lists(st.sampled_from(("take", "give", "leave")), max_size=40))
def test_places_are_never_lost_and_go_to_who_came_first(steps: list[str]) -> None:
    async def play() -> None:
        places = Places(Settings(max_in_flight=2, max_waiting=3, waiting_s=60))
        held: list[Place] = []
        waiting: deque[asyncio.Task[Place]] = deque()
        async with asyncio.TaskGroup() as tasks:
            for step in steps:
                if step == "take":
                    waiting.append(tasks.create_task(places.take()))
                elif step == "give" and held:
                    held.pop().release()
                elif step == "leave" and waiting:
                    waiting.pop().cancel()
                await settle()
                held += served(waiting)
                assert places.stats()["free"] + len(held) == 2
                assert not (waiting and places.stats()["free"])
            for task in waiting:
                task.cancel()

    with suppress(ExceptionGroup):  # those for whom there was no room
        asyncio.run(play())


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
    ],
)
async def test_a_forwarded_address_is_believed_of_trusted_proxies_alone(
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
