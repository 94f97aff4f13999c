"""Signing out ends what is under way: nothing is read, kept, asked or answered any more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import orjson
import pytest
from yarl import URL

from lyra.errors import ForgottenError, LyraError, SessionEndedError
from lyra.sandbox import Sandbox, sandbox_token
from lyra.spotify.token import Token
from tests.conftest import APP, Start
from tests.support.calls import QUESTION, connected, read_answer
from tests.support.visitors import ANNA, BORIS, OWN, Clock, Visitor

HOUR = 3600
SIGN_OUT = ("POST", "/auth/logout")
FORGET = ("DELETE", "/lyra/session")


def question(anna: Visitor, path: str = "/lyra/chat", **more: Any) -> bytes:
    """A question as bytes, from the page of this browser."""
    body = orjson.dumps({**QUESTION, **more})
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {URL(anna.service.url).authority}\r\n"
        f"Cookie: lyra_sid={anna.session_id}\r\nSec-Fetch-Site: same-origin\r\n"
        "Accept: application/json\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def quiet(anna: Visitor) -> None:
    """Return when what was on its way to Spotify or the model before has arrived there."""
    for _ in range(3):
        await anna.go("GET", "/healthz")


def entries(anna: Visitor) -> int:
    return anna.service.services.lyra.listeners.stats()["entries"]


@asynccontextmanager
async def asking(anna: Visitor, path: str = "/lyra/chat") -> AsyncIterator[asyncio.Task[Any]]:
    """A question under way, which has to end within the block."""
    headers = {**OWN, "Accept": "application/json"}
    body = QUESTION if path == "/lyra/chat" else None
    task = asyncio.get_running_loop().create_task(anna.post(path, json=body, headers=headers))
    yield task
    await task


async def test_a_question_whose_body_comes_after_it_reads_nothing(
    start: Start, sandbox: Sandbox
) -> None:
    async with Visitor(await start(spotify_client_id=APP)) as anna:
        await anna.ready()
        sent = question(anna)
        async with connected(anna.service) as (reader, writer):
            writer.write(sent[:-5])
            await quiet(anna)
            assert (await anna.post("/auth/logout")).status == 204
            before = sandbox.stats.total
            writer.write(sent[-5:])
            answer = await read_answer(reader)

        assert (answer.status, answer.code) == (401, "session_ended")
        assert (sandbox.stats.total, sandbox.stats.model_calls) == (before, 0)
        assert entries(anna) == 0


@pytest.mark.parametrize("how", [SIGN_OUT, FORGET])
@pytest.mark.parametrize("path", ["/lyra/chat", "/lyra/init"])
async def test_a_fetch_under_way_reads_no_more_and_keeps_nothing(
    start: Start, sandbox: Sandbox, how: tuple[str, str], path: str
) -> None:
    async with Visitor(await start(spotify_client_id=APP)) as anna:
        await anna.ready(sandbox_token(7, "typical", "legacy", "hang-me~2"))
        async with asking(anna, path):
            await sandbox.stats.until(lambda stats: stats.by_endpoint["me"] == 2)
            assert (await anna.go(*how, headers=OWN)).status == 204
            await quiet(anna)
            before = sandbox.stats.total
        assert (sandbox.stats.total, sandbox.stats.model_calls) == (before, 0)
        assert entries(anna) == 0
        assert anna.service.services.lyra.listeners.stats()["flights"] == 0


@pytest.mark.parametrize("how", [SIGN_OUT, FORGET])
@pytest.mark.parametrize("fault", ["hang", "hanghead"])
async def test_a_running_answer_is_stopped_and_its_call_closed(
    start: Start, sandbox: Sandbox, how: tuple[str, str], fault: str
) -> None:
    service = await start(spotify_client_id=APP, model=f"fault:{fault}", first_byte_s=0.01)
    async with Visitor(service) as anna:
        await anna.ready()
        chat = anna.post("/lyra/chat", json={**QUESTION, "resumable": True}, headers=OWN)
        streaming = asyncio.get_running_loop().create_task(chat)
        await sandbox.stats.until(lambda stats: stats.model_open == 1)
        assert (await anna.go(*how, headers=OWN)).status == 204
        answer = await streaming
        await sandbox.stats.until(lambda stats: stats.model_open == 0)

        assert b'{"type":"abort","reason":"stopped"}' in answer.body
        assert answer.body.endswith(b"data: [DONE]\n\n")
        stats = service.services.runs.stats()
        assert (stats["live"], stats["kept"], entries(anna)) == (0, 0, 0)


async def test_answers_stop_before_anything_is_waited_for(
    start: Start, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept of a listener may be elsewhere too, where forgetting takes its time."""
    service = await start(spotify_client_id=APP, model="fault:hang")
    listeners, asked, answered = service.services.lyra.listeners, asyncio.Event(), asyncio.Event()
    clear = listeners.clear

    async def clear_slowly(token: Token) -> bool:
        asked.set()
        await answered.wait()
        return await clear(token)

    monkeypatch.setattr(listeners, "clear", clear_slowly)
    async with Visitor(service) as anna:
        await anna.ready()
        loop = asyncio.get_running_loop()
        streaming = loop.create_task(anna.post("/lyra/chat", json=QUESTION, headers=OWN))
        await sandbox.stats.until(lambda stats: stats.model_open == 1)
        leaving = loop.create_task(anna.post("/auth/logout", headers=OWN))
        await asked.wait()
        await sandbox.stats.until(lambda stats: stats.model_open == 0)
        stopped = (await streaming).body
        assert not leaving.done()
        answered.set()

        assert b'{"type":"abort","reason":"stopped"}' in stopped
        assert (await leaving).status == 204


async def test_another_listeners_answer_goes_on(start: Start, sandbox: Sandbox) -> None:
    service = await start(spotify_client_id=APP, model="fault:hang")
    async with Visitor(service) as anna, Visitor(service) as boris:
        await anna.ready(ANNA)
        await boris.ready(BORIS)
        streaming = asyncio.get_running_loop().create_task(boris.post("/lyra/chat", json=QUESTION))
        await sandbox.stats.until(lambda stats: stats.model_open == 1)
        await anna.post("/auth/logout")
        await quiet(anna)

        assert (sandbox.stats.model_open, entries(anna)) == (1, 1)
        streaming.cancel()
        await asyncio.wait([streaming])


async def test_a_token_that_is_being_renewed_is_not_read_with(
    start: Start, sandbox: Sandbox
) -> None:
    clock = Clock()
    async with Visitor(await start(clock=clock, spotify_client_id=APP)) as anna:
        await anna.ready(sandbox_token(7, "typical", "legacy", "slow-100-token~2"))
        clock.now += HOUR
        sandbox.clock.advance(HOUR)
        before = sandbox.stats.total
        async with asking(anna) as chat:
            await sandbox.stats.until(lambda stats: stats.logins["refresh"] == 1)
            await anna.post("/auth/logout")
        assert (chat.result().status, chat.result().code) == (401, "session_ended")
        assert (sandbox.stats.total, entries(anna)) == (before, 0)


@pytest.mark.parametrize(
    ("how", "error"), [(SIGN_OUT, SessionEndedError), (FORGET, ForgottenError)]
)
async def test_a_request_admitted_before_a_sign_out_reads_nothing(
    start: Start, sandbox: Sandbox, how: tuple[str, str], error: type[LyraError]
) -> None:
    """As a question does that waits in between, for Redis or for its turn."""
    async with Visitor(await start(spotify_client_id=APP)) as anna:
        await anna.ready()
        services = anna.service.services
        assert services.logins is not None
        token = await services.logins.token(
            anna.session_id or "", reads_spotify=True, on_wait=lambda: None
        )
        assert (await anna.go(*how, headers=OWN)).status == 204
        before = sandbox.stats.total
        with pytest.raises(error):
            await services.lyra.listeners.lookup(token)
        await quiet(anna)

        assert (sandbox.stats.total, entries(anna)) == (before, 0)


async def test_who_leaves_while_signing_out_has_signed_out(start: Start, sandbox: Sandbox) -> None:
    service = await start(spotify_client_id=APP, model="fault:hang")
    async with Visitor(service) as anna:
        await anna.ready()
        streaming = asyncio.get_running_loop().create_task(anna.post("/lyra/chat", json=QUESTION))
        await sandbox.stats.until(lambda stats: stats.model_open == 1)
        logins = service.services.logins
        assert logins is not None
        leaving = asyncio.get_running_loop().create_task(logins.end(anna.session_id or ""))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving, streaming])

        assert not (await anna.session())["signed_in"]
        assert entries(anna) == 0


async def test_a_new_log_in_leaves_nothing_of_the_former_listener(
    start: Start, sandbox: Sandbox
) -> None:
    service = await start(spotify_client_id=APP)
    async with Visitor(service) as anna:
        await anna.ready(ANNA)
        await anna.init()
        await anna.ready(BORIS)
        assert entries(anna) == 0
        read = sandbox.stats.total
        await anna.init()
        await anna.ready(BORIS)  # the same account once more: what is held stays
        assert (await anna.init()).json["cache"]["state"] == "hit"
        assert sandbox.stats.total == read + 5 + 1


async def test_what_is_asked_after_forgetting_is_read_anew(start: Start) -> None:
    async with Visitor(await start(spotify_client_id=APP)) as anna:
        await anna.ready()
        for _ in range(2):
            assert (await anna.init()).json["cache"]["state"] == "miss"
            assert (await anna.go("DELETE", "/lyra/session", headers=OWN)).status == 204


@pytest.mark.parametrize("seed", range(6))
async def test_at_whatever_moment_it_comes_nothing_goes_on_after_it(
    start: Start, sandbox: Sandbox, seed: int
) -> None:
    """Questions with their bodies in pieces, signed out of after any number of the loop's steps."""
    random = Random(seed)
    service = await start(spotify_client_id=APP, rate_per_minute=1000)
    async with Visitor(service) as anna:
        for _ in range(12):
            await anna.ready()
            sent = question(anna, stream=random.random() < 0.5)
            cut = random.choice([0, random.randrange(len(sent)), len(sent)])
            async with connected(service) as (reader, writer):
                writer.write(sent[:cut])
                for _ in range(random.randrange(120)):
                    await asyncio.sleep(0)
                assert (await anna.post("/auth/logout")).status == 204
                await quiet(anna)
                before = (sandbox.stats.total, sandbox.stats.model_calls)
                writer.write(sent[cut:])
                await reader.readuntil(b"\r\n\r\n")
                await sandbox.stats.until(lambda stats: stats.model_open == 0)
                assert (sandbox.stats.total, sandbox.stats.model_calls) == before
            assert entries(anna) == 0
            assert service.services.runs.stats()["live"] == 0
