"""Connections: who is slow, silent, or one too many is let go, and nobody else notices."""

import asyncio
import socket

import pytest

from tests.conftest import Service, Start
from tests.web.calls import call, connected, init, raw, read_answer, request_bytes
from tests.web.test_errors import check_error


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What still comes up to the end of the connection."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


@pytest.mark.parametrize(
    "begun", [b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"]
)
async def test_c8_a_head_that_does_not_come_whole_in_time_ends_the_connection(
    start: Start, begun: bytes
) -> None:
    service = await start(header_timeout_s=0.1)
    async with connected(service) as (reader, writer):
        writer.write(begun)
        assert await ended(reader) == b""

    assert (await call(service, "GET", "/healthz")).status == 200


async def test_c8_a_head_that_drips_is_not_waited_for(start: Start) -> None:
    service = await start(header_timeout_s=0.2)
    async with connected(service) as (reader, writer), asyncio.TaskGroup() as tasks:
        dripping = tasks.create_task(drip(writer))
        assert await ended(reader) == b""
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
        assert await ended(reader) == b""


async def test_a_connection_at_rest_is_kept(start: Start) -> None:
    service = await start(header_timeout_s=0.05)
    async with connected(service) as (reader, writer):
        for _ in range(3):
            writer.write(request_bytes(service, "GET", "/healthz"))
            assert (await read_answer(reader)).status == 200
            await asyncio.sleep(0.1)  # longer than a head may take


async def test_c7_a_connection_too_many_is_refused_and_the_others_are_served(start: Start) -> None:
    service = await start(max_connections=2)
    async with connected(service) as one, connected(service) as two:
        for reader, writer in (one, two):
            writer.write(request_bytes(service, "GET", "/healthz"))
            assert (await read_answer(reader)).status == 200
        async with connected(service) as (reader, writer):
            writer.write(request_bytes(service, "GET", "/healthz"))
            assert await ended(reader) == b""
        one[1].write(request_bytes(service, "GET", "/healthz"))
        assert (await read_answer(one[0])).status == 200


async def test_c5_the_kernel_is_told_when_a_peer_has_vanished(
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


async def test_c22_a_body_that_is_too_large_is_refused_before_it_is_sent(service: Service) -> None:
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


async def test_pages_are_isolated_and_tls_is_demanded_where_it_is_spoken(start: Start) -> None:
    plain, public = await start(), await start(public_url="https://lyra.example.org")
    page = await call(public, "GET", "/")
    answer = await init(public)

    assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert page.headers["Cross-Origin-Embedder-Policy"] == "credentialless"
    assert "max-age=63072000" in answer.headers["Strict-Transport-Security"]
    assert "Strict-Transport-Security" not in (await init(plain)).headers
