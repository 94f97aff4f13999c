"""curl, as the lines of README and docs/API.md use it."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest

from lyra.sandbox import sandbox_token
from tests.conftest import Service, Start
from tests.interop.conftest import found
from tests.support.calls import QUESTION
from tests.support.stream_grammar import read_body
from tests.support.wire_formats import BROKEN


@asynccontextmanager
async def curl(
    service: Service, *more: str, token: str = ""
) -> AsyncIterator[asyncio.StreamReader]:
    """What `curl -sN` writes while it asks the question."""
    process = await asyncio.create_subprocess_exec(
        found("curl"),
        "-sN",
        "--noproxy",
        "*",
        f"{service.url}/lyra/chat",
        "-H",
        f"Authorization: Bearer {token or sandbox_token()}",
        "-H",
        "Content-Type: application/json",
        "-d",
        orjson.dumps(QUESTION).decode(),
        *more,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_it_reads_an_answer(service: Service) -> None:
    async with curl(service) as output:
        stream = read_body(await output.read())

    assert stream.ending == "stop"
    assert stream.text.startswith("Your top artist")


@pytest.mark.parametrize("fault", ["errmid", "drop", "eof"])
async def test_it_reads_a_failure(start: Start, fault: str) -> None:
    async with curl(await start(model=f"fault:{fault}")) as output:
        stream = read_body(await output.read())

    assert (stream.text, stream.ending) == ("One two three", BROKEN[fault])


async def test_it_reads_the_end_of_a_drained_answer(start: Start) -> None:
    service = await start(model="fault:hang")
    async with curl(service) as output:
        seen = await output.readuntil(b"text-delta")
        await service.stop()
        stream = read_body(seen + await output.read())

    assert (stream.text, stream.ending) == ("One", "abort")


async def test_it_shows_words_before_the_answer_has_ended(start: Start) -> None:
    service = await start(model="fault:hang")
    async with curl(service) as output:
        seen = await output.readuntil(b'"delta":"One"')

    assert b"[DONE]" not in seen


async def test_it_shows_the_status_of_a_refused_token(service: Service) -> None:
    expired = sandbox_token(7, "expired")
    async with curl(service, "-w", "\n%{http_code}", token=expired) as output:
        body, _, status = (await output.read()).rpartition(b"\n")

    assert status == b"401"
    assert orjson.loads(body)["error"]["code"] == "spotify_token_rejected"


async def test_it_reads_one_json_object_where_it_asks_for_one(service: Service) -> None:
    async with curl(service, "-H", "Accept: application/json") as output:
        told = orjson.loads(await output.read())

    assert told["success"] is True
    assert told["response"].startswith("Your top artist")
