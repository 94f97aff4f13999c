"""Requests that come in pieces: none that comes is cut, and none that does not come is waited for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.conftest import Service, Start, settle
from tests.support.calls import (
    AUTH,
    BODY,
    JSON,
    connected,
    init,
    narrow,
    raw,
    read_answer,
    read_to_end,
    request_bytes,
)
from tests.support.error_shape import check_error
from tests.support.scripted_model import opened, scripted_model, stopped, words
from tests.support.waits import until

SHORT_S = 0.2  # a head's time
LASTING_S = 1.0  # the same, among many
CHUNKED = b"4\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (BODY[:4], len(BODY) - 4, BODY[4:])


def probe(service: Service) -> bytes:
    return request_bytes(service, "GET", "/healthz")


def question(service: Service, *, chunked: bool) -> bytes:
    lines = (
        AUTH,
        JSON,
        "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(BODY)}",
    )
    head = request_bytes(service, "POST", "/lyra/chat", *lines)
    return head + (CHUNKED if chunked else BODY)


@asynccontextmanager
async def long_answers(
    start: Start, header_timeout_s: float = SHORT_S
) -> AsyncIterator[tuple[Service, asyncio.Event, list[int]]]:
    """A service with short deadlines whose answers end only when the event is set; those begun."""
    all_sent, begun = asyncio.Event(), list[int]()

    async def wait(request: web.Request) -> web.StreamResponse:
        response = await opened(request)
        await response.write(words("One "))
        begun.append(1)
        await all_sent.wait()
        await response.write(words("word.") + stopped())
        return response

    async with scripted_model(wait) as model:
        service = await start(
            llm_base_url=model.url,
            header_timeout_s=header_timeout_s,
            rate_per_minute=100_000,
            streams_per_token=10_000,
            daily_tokens=0,
        )
        assert (await init(service)).status == 200
        try:
            yield service, all_sent, begun
        finally:
            all_sent.set()


async def asked_in_two(service: Service, wire: bytes, at: int, sending: asyncio.Semaphore) -> bytes:
    """All that is answered to these bytes, cut there, up to the answer of the last request."""
    await sending.acquire()  # a busy machine makes late what is not meant to be late
    async with connected(service) as (reader, writer):
        writer.write(wire[:at])
        await asyncio.sleep(at * 37 % 2000 / 1e6)  # what is tried: what comes just behind
        writer.write(wire[at:])
        sending.release()
        answered = await reader.readuntil(b"[DONE]\n\n")
        return answered + await reader.readuntil(b'{"alive":true}')


@pytest.mark.parametrize("pipelined", [False, True], ids=["alone", "pipelined"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
async def test_wherever_a_request_is_cut_its_answer_has_its_ending(
    start: Start, chunked: bool, pipelined: bool
) -> None:
    """With 0 to 2 ms between the two pieces, and another request in front of it and behind it."""
    async with long_answers(start, LASTING_S) as (service, all_sent, begun):
        before = probe(service) if pipelined else b""
        wire = before + question(service, chunked=chunked) + probe(service)
        cuts, sending = range(1, len(wire)), asyncio.Semaphore(4)
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(asked_in_two(service, wire, at, sending)) for at in cuts]
            await until(lambda: len(begun) == len(cuts))
            await asyncio.sleep(1.5 * LASTING_S)  # a deadline that should not be has passed
            all_sent.set()

    for each in asking:
        answer = each.result()
        assert answer.count(b'"type":"finish"') == 1
        assert answer.count(b'{"alive":true}') == 1 + pipelined


PARTS = [b"G", b"GET /he", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"\r\n\r\nGET /he"]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("front", ["nothing", "length", "chunks"])
async def test_half_a_head_right_behind_a_request_has_a_heads_deadline(
    start: Start, front: str, part: bytes
) -> None:
    service = await start(header_timeout_s=SHORT_S)
    lines = {
        "nothing": (),
        "length": ("Content-Length: 8",),
        "chunks": ("Transfer-Encoding: chunked",),
    }[front]
    body = {"nothing": b"", "length": b"a\r\n\r\nbcd", "chunks": b"2\r\nab\r\n0\r\n\r\n"}[front]
    async with connected(service) as (reader, writer):
        writer.write(request_bytes(service, "GET", "/healthz", *lines) + body + part)
        assert (await read_answer(reader)).status == 200
        assert await read_to_end(reader) == b""


@pytest.mark.parametrize("kind", ["length", "chunks"])
async def test_half_a_head_behind_a_response_is_timed_from_its_end(start: Start, kind: str) -> None:
    async with (
        long_answers(start) as (service, all_sent, begun),
        connected(service) as (reader, writer),
    ):
        writer.write(question(service, chunked=kind == "chunks") + b"GET /he")
        await until(lambda: bool(begun))
        await asyncio.sleep(2 * SHORT_S)
        all_sent.set()
        assert (await read_to_end(reader)).endswith(b"[DONE]\n\n\r\n0\r\n\r\n")


async def test_a_body_behind_its_response_leaves_the_connection_idle(
    start: Start,
) -> None:
    service = await start(header_timeout_s=SHORT_S)
    async with connected(service) as (reader, writer):
        writer.write(request_bytes(service, "GET", "/healthz", "Content-Length: 4"))
        assert (await read_answer(reader)).status == 200
        writer.write(b"abcd")
        await asyncio.sleep(2 * SHORT_S)  # longer than a head may take
        writer.write(probe(service))
        assert (await read_answer(reader)).status == 200


async def test_line_breaks_behind_a_request_are_no_head(start: Start) -> None:
    service = await start(header_timeout_s=SHORT_S)
    async with connected(service) as (reader, writer):
        writer.write(probe(service) + b"\r\n")
        assert (await read_answer(reader)).status == 200
        writer.write(b"\r\n")
        await asyncio.sleep(2 * SHORT_S)
        writer.write(b"\r\n" + probe(service))
        assert (await read_answer(reader)).status == 200


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "tcp"])
@pytest.mark.parametrize("length", [0, 4])
async def test_a_request_behind_a_declined_upgrade_is_answered(
    service: Service, protocol: str, length: int
) -> None:
    lines = ("Connection: Upgrade", f"Upgrade: {protocol}", f"Content-Length: {length}")
    async with connected(service) as (reader, writer):
        upgrade = request_bytes(service, "GET", "/healthz", *lines)
        writer.write(upgrade + b"abcd"[:length] + probe(service))
        for _ in range(2):
            assert (await read_answer(reader)).status == 200


async def test_half_a_head_behind_an_upgrade_has_its_deadline(start: Start) -> None:
    service = await start(header_timeout_s=SHORT_S)
    lines = ("Connection: Upgrade", "Upgrade: websocket")
    async with connected(service) as (reader, writer):
        writer.write(request_bytes(service, "GET", "/healthz", *lines) + b"GET /he")
        assert (await read_answer(reader)).status == 200
        assert await read_to_end(reader) == b""


async def test_a_body_that_drips_is_a_408_however_often_a_byte_comes(start: Start) -> None:
    service = await start(body_timeout_s=0.3, header_timeout_s=SHORT_S)
    lines = (AUTH, JSON, "Content-Length: 1000")
    async with connected(service) as (reader, writer), asyncio.TaskGroup() as tasks:
        writer.write(request_bytes(service, "POST", "/lyra/chat", *lines))
        dripping = tasks.create_task(drip(writer))
        check_error(await read_answer(reader), "request_timeout")
        dripping.cancel()


@pytest.mark.parametrize(
    "begun", [b"", b"5", b"5\r\nab", b"2\r\nab\r\n0\r\n", b"2\r\nab\r\n0\r\nX-Trailer: "]
)
async def test_a_chunked_body_that_stops_anywhere_is_a_408(start: Start, begun: bytes) -> None:
    service = await start(body_timeout_s=0.3, header_timeout_s=SHORT_S)
    lines = (AUTH, JSON, "Transfer-Encoding: chunked")

    answer = await raw(service, request_bytes(service, "POST", "/lyra/chat", *lines) + begun)

    check_error(answer, "request_timeout")


async def drip(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b" ")
        await asyncio.sleep(0.01)


async def test_a_reader_that_takes_no_response_is_cut_off(start: Start) -> None:
    service = await start(write_timeout_s=0.2)
    async with narrow(service) as (_, writer):
        writer.write(request_bytes(service, "GET", "/openapi.json") * 300)
        while not writer.transport.is_closing():
            writer.write(probe(service))
            await settle()
            await asyncio.sleep(0.05)
