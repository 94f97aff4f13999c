"""Going down: every live stream gets its ending, and one that can finish does."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import aiohttp
import pytest
from aiohttp import web

from lyra.app import create_app
from lyra.sandbox import Sandbox
from lyra.settings import Settings
from lyra.web.context import SERVICES
from lyra.web.gateway.server import Runner, listen
from tests.conftest import Service, Start
from tests.support.calls import QUESTION, Answer, call, chatting, init, read_answer, read_until
from tests.support.error_shape import check_error
from tests.support.scripted_model import opened, scripted_model, stopped, words
from tests.support.stream_grammar import read_body
from tests.support.waits import until


async def test_without_a_drain_time_live_streams_are_aborted_at_once(start: Start) -> None:
    service = await start(model="fault:hang", drain_s=0)
    async with chatting(service) as one, chatting(service) as two:
        seen = [await read_until(each, b"text-delta") for each in (one, two)]
        await service.stop()
        bodies = [begun + await each.read() for begun, each in zip(seen, (one, two), strict=True)]

    for body in bodies:
        stream = read_body(body)
        assert (stream.ending, stream.text) == ("abort", "One")
    assert b'lyra_answers_total{ending="draining"} 2.0' in service.services.metrics.render()


async def test_a_stream_that_can_finish_in_time_does(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()

    async def paused(request: web.Request) -> web.StreamResponse:
        response = await opened(request)
        await response.write(words("Before"))
        await go_on.wait()
        await response.write(words(" and after.") + stopped())
        return response

    async with scripted_model(paused) as model:
        service = await start(llm_base_url=model.url, drain_s=10)
        draining = announce_drain(service, monkeypatch)
        async with chatting(service) as response, asyncio.TaskGroup() as tasks:
            seen = await read_until(response, b"text-delta")
            tasks.create_task(_stopped(service))
            await draining.wait()
            go_on.set()
            seen += await response.read()

    stream = read_body(seen)
    assert (stream.ending, stream.text) == ("stop", "Before and after.")


async def _stopped(service: Service) -> None:
    await service.stop()


def announce_drain(service: Service, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """An event that is set when the service begins to drain."""
    begun = asyncio.Event()
    drain = service.services.runs.drain

    async def announced() -> None:
        begun.set()
        await drain()

    monkeypatch.setattr(service.services.runs, "drain", announced)
    return begun


async def test_a_stream_that_cannot_finish_in_time_is_aborted(start: Start) -> None:
    service = await start(model="fault:hang", drain_s=0.1)
    async with chatting(service) as response:
        seen = await read_until(response, b"text-delta")
        await service.stop()
        seen += await response.read()

    assert read_body(seen).ending == "abort"


@pytest.mark.parametrize("body", [{**QUESTION, "stream": False}, QUESTION], ids=["json", "stream"])
async def test_a_drained_chat_without_a_first_byte_is_a_503(
    start: Start, sandbox: Sandbox, body: dict[str, object]
) -> None:
    service = await start(model="fault:hanghead", drain_s=0, first_byte_s=10)
    await init(service)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(
            call(service, "POST", "/lyra/chat", json=body, headers=service.headers())
        )
        await sandbox.stats.until(lambda stats: stats.model_open == 1)
        tasks.create_task(_stopped(service))

    answer: Answer = waiting.result()
    check_error(answer, "draining")
    assert answer.headers["Retry-After"] == "1"


async def test_a_service_that_is_down_takes_no_connection(start: Start) -> None:
    service = await start()
    await service.stop()

    with pytest.raises(aiohttp.ClientConnectionError):
        await call(service, "GET", "/healthz")


async def test_a_drain_closes_the_models_calls(start: Start) -> None:
    closed = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = await opened(request)
        await response.write(words("One"))
        try:
            await asyncio.Event().wait()
        finally:
            closed.set()
        return response

    async with scripted_model(endless) as model:
        service = await start(llm_base_url=model.url, drain_s=0)
        async with chatting(service) as response:
            await read_until(response, b"text-delta")
            await service.stop()
            await closed.wait()


ASKED = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Runner, int]]:
    """A service and its port, down by the end of the block."""
    settings = Settings(llm="offline", spotify_api_url="http://127.0.0.1:9")
    runner = Runner(create_app(settings), settings)
    await runner.setup()
    try:
        yield runner, await listen(runner, "127.0.0.1", 0)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("before", [b"", ASKED[:9]], ids=["a request", "the rest of its head"])
@pytest.mark.parametrize("used", [False, True], ids=["new", "at rest"])
async def test_what_is_on_its_way_when_the_process_leaves_is_answered(
    before: bytes, *, used: bool
) -> None:
    """It comes when the listening socket is closed, on a connection that is there already."""

    async def ask(reader: StreamReader, writer: StreamWriter) -> bytes:
        await runner.app[SERVICES].shutting_down.wait()
        writer.write(ASKED[len(before) :])
        answer = await read_answer(reader)
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        return await reader.read()

    async with served() as (runner, port), asyncio.TaskGroup() as tasks:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with closing(writer):
            await until(lambda: runner.server.connections.stats()["open"] == 1)
            if used:
                writer.write(ASKED)
                assert (await read_answer(reader)).headers.get("Connection") != "close"
            writer.write(before)
            asking = tasks.create_task(ask(reader, writer))
            await runner.begin_shutdown()
            await runner.cleanup()
            assert await asking == b""
