"""Clients that flood, pretend or leave: bounded work, and the others are served."""

import asyncio
import socket
import time

import pytest
from aiohttp import web
from yarl import URL

from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import Service, Start
from tests.faults.conftest import OTHER, answered, others_served
from tests.support.calls import call, connected, init, request_bytes, reset
from tests.support.error_shape import check_error
from tests.support.scripted_model import opened, scripted_model, stopped, words
from tests.support.visitors import Clock
from tests.support.waits import until

FLOOD = 2_000


@pytest.mark.parametrize("leave", [True, False], ids=["leaves", "stays"])
async def test_a_flood_of_pipelined_requests_holds_nobody_up(start: Start, leave: bool) -> None:
    async with others_served(start) as service, connected(service) as (reader, writer):
        writer.write(request_bytes(service, "GET", "/healthz") * FLOOD)
        await reader.readuntil(b'{"alive":true}')
        await answered(service)
        if leave:
            reset(writer)
        else:
            for _ in range(FLOOD - 1):
                await reader.readuntil(b'{"alive":true}')


@pytest.mark.parametrize("method", ["TRACE", "PATCH", "PUT", "PROPFIND"])
@pytest.mark.parametrize("path", ["/lyra/init", "/lyra/chat", "/healthz", "/"])
async def test_an_unknown_method_names_those_that_are_known(
    start: Start, method: str, path: str
) -> None:
    async with others_served(start) as service:
        answer = await call(service, method, path, headers=service.headers())

    assert answer.status == 405
    assert answer.headers["Allow"]


@pytest.mark.parametrize(
    "path",
    [
        "//lyra/init",
        "/lyra//init",
        "/lyra/../lyra/init",
        "/%2e%2e/etc/passwd",
        "/lyra%2finit",
        "/lyra/init;x=1",
        "/lyra/init%00",
        "/static/../app.py",
        "/static/%2e%2e/%2e%2e/app.py",
        "/admin",
        "/%2fmetrics",
        "/debug",
    ],
)
async def test_an_odd_path_is_a_404_and_reads_no_file(start: Start, path: str) -> None:
    async with others_served(start) as service, connected(service) as (reader, writer):
        writer.write(request_bytes(service, "POST", path, f"Authorization: Bearer {OTHER}"))
        head = await reader.readuntil(b"\r\n\r\n")

    assert head.split(b" ")[1] in {b"404", b"405"}


async def test_very_many_first_requests_of_a_listener_share_one_fetch(
    start: Start, sandbox: Sandbox
) -> None:
    async with others_served(start, max_in_flight=1_000) as service:
        before = sandbox.stats.total
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(init(service, sandbox_token(1))) for _ in range(300)]
        assert sandbox.stats.total - before == 5

    assert {each.result().status for each in asking} == {200}


async def test_a_flood_of_invented_tokens_takes_no_room_from_listeners(
    start: Start, sandbox: Sandbox
) -> None:
    async with others_served(start, cache_max_entries=20) as service:
        for batch in range(6):
            async with asyncio.TaskGroup() as tasks:
                asking = [
                    tasks.create_task(init(service, f"invented-token-{batch}-{n}-of-a-stranger"))
                    for n in range(25)
                ]
            assert {each.result().status for each in asking} == {401}
        stats = service.services.lyra.listeners.stats()
        before = sandbox.stats.total
        await answered(service)

    assert stats["entries"] == 1
    assert sandbox.stats.total == before


async def test_unknown_tokens_of_one_address_have_a_rate_limit(
    start: Start, sandbox: Sandbox
) -> None:
    service = await start(rate_per_minute=1, clock=Clock())
    answers = [await init(service, f"invented-token-{n}-of-a-stranger") for n in range(21)]

    assert {answer.status for answer in answers[:20]} == {401}
    assert check_error(answers[20], "too_many_requests")["reason"] == "new_tokens"
    assert sandbox.stats.total == 100


HEAD_S, READERS = 0.5, 60
GAPS_S = [n * 2e-5 for n in range(READERS)]  # between head and body: up to 1.2 ms


async def test_answers_that_outlast_a_heads_time_have_their_endings(start: Start) -> None:
    """The real times are in `make bench ONLY=lasting`: 10 s for a head, 15 s an answer."""
    told, begun = asyncio.Event(), list[int]()

    async def lasting(request: web.Request) -> web.StreamResponse:
        response = await opened(request)
        await response.write(words("Yes."))
        begun.append(1)
        await told.wait()
        await response.write(stopped())
        return response

    settings = {"header_timeout_s": HEAD_S, "streams_per_token": 1_000, "daily_tokens": 0}
    sending = asyncio.Semaphore(4)  # a busy machine makes late what is not meant to be late
    async with (
        scripted_model(lasting) as model,
        others_served(start, llm_base_url=model.url, **settings) as service,
        asyncio.TaskGroup() as tasks,
    ):
        gaps_s = [GAPS_S[number % len(GAPS_S)] for number in range(READERS)]
        asking = [tasks.create_task(_in_two(service, gap_s, sending)) for gap_s in gaps_s]
        await until(lambda: len(begun) == READERS)
        await asyncio.sleep(2 * HEAD_S)  # a deadline that should not be has passed
        told.set()

    assert all(each.result().count(b'"type":"finish"') == 1 for each in asking)


async def _in_two(service: Service, gap_s: float, sending: asyncio.Semaphore) -> bytes:
    """The whole answer to a question whose body comes so long behind its head."""
    body = b'{"message":"Hello?"}'
    lines = (f"Authorization: Bearer {OTHER}", "Content-Type: application/json")
    whole = request_bytes(service, "POST", "/lyra/chat", *lines, body=body)
    async with sending:
        # In a thread: a client of the service's own loop meets only some of that loop's turns.
        sock = await asyncio.to_thread(_sent, service, whole[: -len(body)], body, gap_s)
    reader, writer = await asyncio.open_connection(sock=sock)
    try:
        return await reader.readuntil(b"[DONE]\n\n")
    finally:
        writer.close()


def _sent(service: Service, head: bytes, body: bytes, gap_s: float) -> socket.socket:
    url = URL(service.url)
    sock = socket.create_connection((url.host or "", url.port or 0))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(head)
    time.sleep(gap_s)
    sock.sendall(body)
    sock.setblocking(False)
    return sock
