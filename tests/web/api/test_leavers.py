"""Readers who leave: the model's call is closed, the shared fetch goes on, nobody raises alarm."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import orjson
import pytest
from aiohttp import web

from lyra.sandbox import Sandbox, sandbox_token
from lyra.sandbox.stats import Stats
from tests.conftest import Service, Start, settle
from tests.support.calls import (
    QUESTION,
    call,
    chat,
    chatting,
    connected,
    init,
    request_bytes,
    reset,
)
from tests.support.scripted_model import opened, scripted_model, words
from tests.support.waits import until

Leave = Callable[[asyncio.StreamWriter], None]

LEAVES = pytest.mark.parametrize(
    "leave", [asyncio.StreamWriter.close, reset], ids=["by FIN", "by RST"]
)


def chat_bytes(service: Service, token: str | None = None, **more: object) -> bytes:
    auth = f"Authorization: {service.headers(token)['Authorization']}"
    return request_bytes(
        service,
        "POST",
        "/lyra/chat",
        auth,
        "Content-Type: application/json",
        body=orjson.dumps({**QUESTION, **more}),
    )


def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    return [each.getMessage() for each in records if each.levelno >= logging.WARNING]


@LEAVES
async def test_leaving_in_mid_stream_closes_the_models_call(
    start: Start, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, leave: Leave
) -> None:
    service = await start(model="fault:hang")
    async with connected(service) as (reader, writer):
        writer.write(chat_bytes(service))
        await reader.readuntil(b"text-delta")
        leave(writer)
        await sandbox.model_closed()

    await service.stop()
    assert sandbox.stats.model_cancelled == 1
    assert alarms(caplog) == []


@LEAVES
@pytest.mark.parametrize("fault", ["hanghead", "pings"])
async def test_leaving_before_the_first_word_closes_the_models_call(
    start: Start, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, leave: Leave, fault: str
) -> None:
    service = await start(model=f"fault:{fault}")
    await init(service)
    async with connected(service) as (_, writer):
        writer.write(chat_bytes(service))
        await sandbox.stats.until(lambda stats: stats.model_open == 1)
        leave(writer)
        await sandbox.model_closed()

    await service.stop()
    assert sandbox.stats.model_cancelled == 1
    assert alarms(caplog) == []


async def test_leaving_a_json_answer_closes_the_models_call(start: Start, sandbox: Sandbox) -> None:
    service = await start(model="fault:hang")
    await init(service)
    async with connected(service) as (_, writer):
        writer.write(chat_bytes(service, stream=False))
        await sandbox.stats.until(lambda stats: stats.model_open == 1)

    await sandbox.model_closed()


def _asked(token_calls: int) -> Callable[[Stats], bool]:
    return lambda stats: stats.total >= token_calls


@LEAVES
async def test_leaving_a_cold_load_cancels_no_fetch_and_calls_no_model(
    start: Start, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, leave: Leave
) -> None:
    service = await start()
    token = sandbox_token(7, "typical", "legacy", "slow-200-recent")
    async with connected(service) as (_, writer):
        writer.write(chat_bytes(service, token))
        await sandbox.stats.until(_asked(5))
        leave(writer)
        answer = await init(service, token)

    assert answer.json["cache"]["state"] in ("joined", "hit")
    await service.stop()
    assert (sandbox.stats.total, sandbox.stats.model_calls) == (5, 0)
    assert alarms(caplog) == []


@LEAVES
async def test_the_fetch_of_an_init_outlives_the_one_who_began_it(
    service: Service, sandbox: Sandbox, leave: Leave
) -> None:
    token = sandbox_token(7, "typical", "legacy", "slow-200-me")
    auth = f"Authorization: {service.headers(token)['Authorization']}"
    async with connected(service) as (_, writer):
        writer.write(request_bytes(service, "POST", "/lyra/init", auth))
        await sandbox.stats.until(_asked(5))
        leave(writer)
        followers = [init(service, token) for _ in range(5)]
        answers = await asyncio.gather(*followers)

    assert [answer.status for answer in answers] == [200] * 5
    assert sandbox.stats.total == 5


@LEAVES
@pytest.mark.parametrize("fault", ["hanghead", "pings", "hang"])
async def test_a_place_is_free_again_once_its_reader_has_left(
    start: Start, sandbox: Sandbox, leave: Leave, fault: str
) -> None:
    service = await start(model=f"fault:{fault}", streams_per_token=1, first_byte_s=0.01)
    await init(service)
    async with connected(service) as (_, writer):
        writer.write(chat_bytes(service))
        await sandbox.stats.until(lambda stats: stats.model_open == 1)
        leave(writer)
        await sandbox.model_closed()

    async with chatting(service) as response:
        assert response.status == 200


async def test_a_reader_who_does_not_read_is_cut_off(start: Start) -> None:
    closed = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = await opened(request)
        try:
            while True:
                await response.write(words("w" * 65_536))
        finally:
            closed.set()

    async with scripted_model(endless) as model:
        service = await start(
            llm_base_url=model.url, answer_max_bytes=64 * 2**20, write_timeout_s=0.3
        )
        async with connected(service) as (_, writer):
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(chat_bytes(service))
            await closed.wait()

        assert (await call(service, "GET", "/healthz")).status == 200


async def test_one_reader_who_leaves_disturbs_no_other(start: Start, sandbox: Sandbox) -> None:
    service = await start()
    await init(service)
    async with connected(service) as (_, writer):
        writer.write(chat_bytes(service))
        reset(writer)
        answers = await asyncio.gather(*(chat(service) for _ in range(4)))

    assert all(answer.body.endswith(b"data: [DONE]\n\n") for answer in answers)
    await sandbox.stats.until(lambda stats: stats.model_open == 0)


@LEAVES
@pytest.mark.parametrize("fault", ["hang", "hanghead"])
async def test_nothing_of_who_has_left_waits_for_the_garbage_collector(
    start: Start, sandbox: Sandbox, leave: Leave, fault: str
) -> None:
    """Full collections are rare in `lyra serve`: what leaves cycles behind would pile up."""
    service = await start(model=f"fault:{fault}")
    async with garbage() as cycles, connected(service) as (reader, writer):
        writer.write(chat_bytes(service))
        if fault == "hang":
            await reader.readuntil(b"text-delta")
        await until(lambda: sandbox.stats.model_calls == 1)
        leave(writer)
        await sandbox.model_closed()
        await until(lambda: service.services.runs.stats()["live"] == 0)
        await settle()

    ours = [each for each in cycles if type(each).__module__.startswith("lyra.")]
    assert {type(each).__qualname__ for each in ours} == set()


@asynccontextmanager
async def garbage() -> AsyncIterator[list[object]]:
    """What only a collection would find of the block's objects, once it has ended."""
    gc.collect()
    gc.disable()
    found: list[object] = []
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found.extend(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
