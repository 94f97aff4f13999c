"""With an aiohttp that was not tried, connections have its own deadlines, and all else holds."""

import asyncio
import logging

import aiohttp
import pytest

from lyra.sandbox import sandbox_token
from tests.conftest import Service, Start
from tests.support.calls import (
    QUESTION,
    call,
    chat,
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
from tests.support.stream_grammar import read_stream


@pytest.fixture
async def stock(start: Start, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A service on an aiohttp that says it is a newer one."""
    monkeypatch.setattr(aiohttp, "__version__", "3.99.0")
    return await start()


async def test_the_log_says_once_that_it_was_not_tried(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "lyra.web.gateway.timed_protocol")
    await init(await start())
    assert caplog.messages == []
    monkeypatch.setattr(aiohttp, "__version__", "3.99.0")
    await init(await start())

    assert [message for message in caplog.messages if "3.99.0" in message] == caplog.messages
    assert len(caplog.messages) == 1


async def test_a_private_name_missing_in_aiohttp_means_stock_protocol(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        "lyra.web.gateway.timed_protocol._USED", frozenset({"finish_response", "gone"})
    )
    service = await start(header_timeout_s=0.05)

    assert (await init(service)).status == 200
    assert "its own deadlines apply" in caplog.text


async def test_a_listener_is_loaded_asked_about_and_answered(stock: Service) -> None:
    loaded = await init(stock)
    streamed = read_stream(await chat(stock))
    whole = await chat(stock, body={**QUESTION, "stream": False})

    assert (loaded.status, loaded.json["cache"]["state"]) == (200, "miss")
    assert streamed.ending == "stop"
    assert (whole.status, whole.json["success"]) == (200, True)


async def test_an_answer_is_stopped(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiohttp, "__version__", "3.99.0")
    service = await start(model="fault:hang")
    async with chatting(service, body={**QUESTION, "id": "talk"}) as response:
        seen = await read_until(response, b"text-delta")
        stopped = await call(service, "POST", "/lyra/chat/talk/stop", headers=service.headers())
        seen += await response.read()

    assert stopped.status == 204
    assert seen.endswith(b"data: [DONE]\n\n")


async def test_errors_have_their_shape(stock: Service) -> None:
    check_error(await init(stock, sandbox_token(1, "expired")), "spotify_token_rejected")
    check_error(await raw(stock, b"nonsense\r\n\r\n"), "invalid_request")
    check_error(await call(stock, "GET", "/nowhere"), "not_found")
    refused = request_bytes(stock, "GET", "/nowhere", "Expect: wonders")
    check_error(await raw(stock, refused), "invalid_request")


async def test_pipelined_and_split_requests_are_answered_in_order(stock: Service) -> None:
    wire = request_bytes(stock, "GET", "/healthz") + request_bytes(stock, "GET", "/nowhere")
    async with connected(stock) as (reader, writer):
        writer.write(wire)
        for at in range(0, len(wire), 7):
            writer.write(wire[at : at + 7])
            await asyncio.sleep(0)
        statuses = [(await read_answer(reader)).status for _ in range(4)]

    assert statuses == [200, 404, 200, 404]


async def test_one_address_has_its_share_of_connections(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiohttp, "__version__", "3.99.0")
    service = await start(max_connections=4)
    probe = request_bytes(service, "GET", "/healthz")
    async with connected(service) as (reader, writer):
        writer.write(probe)
        assert (await read_answer(reader)).status == 200
        async with connected(service) as (second, _):
            assert await read_to_end(second) == b""
        async with connected(service, "127.0.0.2") as (third, other):
            other.write(probe)
            assert (await read_answer(third)).status == 200
