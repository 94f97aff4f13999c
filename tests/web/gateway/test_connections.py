"""Connections: who is slow, silent, or one too many is let go, and nobody else notices."""

import asyncio
import socket
from contextlib import AsyncExitStack

import pytest

from tests.conftest import Service, Start, settle
from tests.support.calls import (
    AUTH,
    BODY,
    JSON,
    call,
    chatting,
    connected,
    init,
    raw,
    read_answer,
    read_to_end,
    read_until,
    request_bytes,
)
from tests.support.error_shape import check_error
from tests.support.waits import until


def chat_bytes(service: Service) -> bytes:
    return request_bytes(service, "POST", "/lyra/chat", AUTH, JSON, body=BODY)


@pytest.mark.parametrize(
    "begun", [b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"]
)
async def test_a_head_that_misses_its_deadline_ends_the_connection(
    start: Start, begun: bytes
) -> None:
    service = await start(header_timeout_s=0.1)
    async with connected(service) as (reader, writer):
        writer.write(begun)
        assert await read_to_end(reader) == b""

    assert (await call(service, "GET", "/healthz")).status == 200


async def test_a_head_that_drips_is_not_waited_for(start: Start) -> None:
    service = await start(header_timeout_s=0.2)
    async with connected(service) as (reader, writer), asyncio.TaskGroup() as tasks:
        dripping = tasks.create_task(drip(writer))
        assert await read_to_end(reader) == b""
        dripping.cancel()


async def drip(writer: asyncio.StreamWriter) -> None:
    for letter in b"GET /healthz HTTP/1.1\r\nX-Slow: " + b"x" * 2000:
        writer.write(bytes([letter]))
        await asyncio.sleep(0.01)


async def test_the_second_head_of_a_connection_has_its_deadline_too(start: Start) -> None:
    service = await start(header_timeout_s=0.2)
    async with connected(service) as (reader, writer):
        writer.write(request_bytes(service, "GET", "/healthz"))
        assert (await read_answer(reader)).status == 200
        writer.write(b"GET /he")
        assert await read_to_end(reader) == b""


async def test_a_connection_at_rest_is_kept(start: Start) -> None:
    service = await start(header_timeout_s=0.05)
    async with connected(service) as (reader, writer):
        for _ in range(3):
            writer.write(request_bytes(service, "GET", "/healthz"))
            assert (await read_answer(reader)).status == 200
            await asyncio.sleep(0.1)  # longer than a head may take


async def test_a_connection_too_many_is_refused_while_all_others_work(start: Start) -> None:
    service = await start(
        max_connections=2, trusted_proxies=("127.0.0.1",), model="fault:hang", rate_per_minute=1000
    )
    async with chatting(service) as one, chatting(service) as two:
        for response in (one, two):
            await read_until(response, b"text-delta")
        async with connected(service) as (reader, writer):
            writer.write(request_bytes(service, "GET", "/healthz"))
            assert await read_to_end(reader) == b""
        assert service.services.runs.stats()["readers"] == 2


async def test_who_has_its_share_is_served_on_and_so_are_others(start: Start) -> None:
    """One at rest goes for each newcomer: a household of many is not locked out of a full share."""
    service = await start(max_connections=8)
    async with AsyncExitStack() as stack:
        for _ in range(20):
            reader, writer = await stack.enter_async_context(connected(service))
            writer.write(request_bytes(service, "GET", "/healthz"))
            assert (await read_answer(reader)).status == 200
        reader, writer = await stack.enter_async_context(connected(service, "127.0.0.2"))
        writer.write(request_bytes(service, "GET", "/healthz"))
        assert (await read_answer(reader)).status == 200
        assert told(service)["lyra_connections_open"] == 3


async def test_a_client_busy_with_its_share_gets_no_more_connections(start: Start) -> None:
    """All others still get theirs."""
    service = await start(max_connections=8, model="fault:hang")
    async with chatting(service) as one, chatting(service) as two:
        for response in (one, two):
            await read_until(response, b"text-delta")
        async with connected(service) as (reader, _):
            assert await read_to_end(reader) == b""
        async with connected(service, "127.0.0.2") as (reader, writer):
            writer.write(request_bytes(service, "GET", "/healthz"))
            assert (await read_answer(reader)).status == 200


def told(service: Service) -> dict[str, float]:
    """The metrics of connections."""
    metrics = service.services.metrics.registry.collect()
    samples = (sample for metric in metrics for sample in metric.samples)
    return {each.name: each.value for each in samples if "connections" in each.name}


PART = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: "


async def test_endless_heads_are_bounded_together_and_others_served(
    start: Start,
) -> None:
    """One address has a quarter, 16 KiB here, and loses the head it began first."""
    service = await start(heads_max_bytes=65_536)
    async with AsyncExitStack() as stack:
        hostile = [await stack.enter_async_context(connected(service)) for _ in range(12)]
        for _, writer in hostile:
            writer.write(PART + b"a" * 3_900)
        for reader, _ in hostile[:8]:
            assert await read_to_end(reader) == b""
        reader, writer = await stack.enter_async_context(connected(service, "127.0.0.2"))
        head = request_bytes(service, "GET", "/healthz")
        writer.write(head[:-2])
        await until(lambda: told(service)["lyra_connections_head_bytes"] > 15_800)
        writer.write(head[-2:])
        assert (await read_answer(reader)).status == 200
        assert (await call(service, "GET", "/healthz")).status == 200
        assert 15_000 < told(service)["lyra_connections_head_bytes"] <= 16_384


async def test_what_waits_behind_requests_is_bounded_too(start: Start) -> None:
    service = await start(heads_max_bytes=65_536, model="fault:hang")
    async with connected(service) as (reader, writer):
        writer.write(chat_bytes(service))
        await reader.readuntil(b"text-delta")
        writer.write(PART + b"a" * 20_000)
        assert b"[DONE]" not in await read_to_end(reader)


LONG = b"X-Long: %b\r\n" % (b"a" * 4_000)


@pytest.mark.parametrize("pieces", [1, 5], ids=["in one", "in pieces"])
async def test_a_head_too_long_in_all_is_refused_and_closes(service: Service, pieces: int) -> None:
    head = request_bytes(service, "GET", "/healthz")[:-2] + LONG * 5
    size = -(-len(head) // pieces)
    async with connected(service) as (reader, writer):
        for at in range(0, len(head), size):
            writer.write(head[at : at + size])
            await settle()
        check_error(await read_answer(reader), "head_too_large")
        assert await reader.read() == b""


async def test_a_head_of_many_long_fields_is_read_while_it_fits(service: Service) -> None:
    head = request_bytes(service, "GET", "/healthz")[:-2] + LONG * 4

    assert (await raw(service, head[:16_300].rstrip(b"a\r\n") + b"\r\n\r\n")).status == 200


async def test_trailers_without_end_are_not_kept(service: Service) -> None:
    lines = (AUTH, JSON, "Transfer-Encoding: chunked")
    body = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
    async with connected(service) as (reader, writer):
        writer.write(request_bytes(service, "POST", "/lyra/chat", *lines) + body)
        for _ in range(6):
            writer.write(LONG)
            await settle()
        check_error(await read_answer(reader), "invalid_request")
        assert await read_to_end(reader) == b""


async def test_the_kernel_is_told_when_a_peer_has_vanished(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_options: list[int] = []
    real = socket.socket.setsockopt

    def noted(self: socket.socket, level: int, option: int, value: int) -> None:
        set_options.append(option)
        real(self, level, option, value)

    monkeypatch.setattr(socket.socket, "setsockopt", noted)
    async with connected(service) as (reader, writer):
        writer.write(request_bytes(service, "GET", "/healthz"))
        assert (await read_answer(reader)).status == 200

    assert {socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE, socket.SO_SNDBUF} <= set(set_options)


async def test_a_body_that_is_too_large_is_refused_before_it_is_sent(service: Service) -> None:
    async with connected(service) as (reader, writer):
        lines = (
            "Expect: 100-continue",
            "Content-Length: 2000000",
            "Authorization: Bearer abcdefgh",
        )
        writer.write(request_bytes(service, "POST", "/lyra/chat", *lines))
        check_error(await read_answer(reader), "body_too_large")


async def test_a_body_that_is_welcome_is_asked_for(service: Service) -> None:
    body = b'{"message": "Hello?", "stream": false}'
    async with connected(service) as (reader, writer):
        auth = f"Authorization: {service.headers()['Authorization']}"
        lines = (auth, "Expect: 100-continue", "Content-Type: application/json")
        head = request_bytes(service, "POST", "/lyra/chat", *lines, f"Content-Length: {len(body)}")
        writer.write(head)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        answer = await read_answer(reader)

    assert (answer.status, answer.json["success"]) == (200, True)


@pytest.mark.parametrize("expected", [b"a-miracle", b"100-cont\xa1nue", b"100-continue, x"])
@pytest.mark.parametrize("target", ["GET /healthz", "GET /nowhere", "OPTIONS /lyra/profile"])
async def test_an_unknown_expectation_is_refused_in_our_words(
    service: Service, target: str, expected: bytes
) -> None:
    answer = await raw(service, request_bytes(service, *target.split(), b"Expect: " + expected))

    check_error(answer, "invalid_request")


async def test_pages_are_isolated_and_hsts_is_sent_over_tls(start: Start) -> None:
    plain, public = await start(), await start(public_url="https://lyra.example.org")
    page = await call(public, "GET", "/")
    answer = await init(public)

    assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert page.headers["Cross-Origin-Embedder-Policy"] == "credentialless"
    assert "max-age=63072000" in answer.headers["Strict-Transport-Security"]
    assert "Strict-Transport-Security" not in (await init(plain)).headers
