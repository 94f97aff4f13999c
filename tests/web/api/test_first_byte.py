"""When the first byte leaves, and what an init stream tells."""

from typing import Any

import orjson
import pytest
from aiohttp import ClientConnectionError, ClientPayloadError

from lyra.errors import LyraError
from lyra.listening.models import SECTIONS
from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import Service, Start
from tests.support.calls import Answer, chat, chatting, init, read_until
from tests.support.error_shape import check_error
from tests.support.stream_grammar import read_stream

EVENTS = "text/event-stream"


def events(answer: Answer) -> list[dict[str, Any]]:
    """The events of an init stream, whose framing is checked."""
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store, no-cache, no-transform"
    assert answer.headers["X-Accel-Buffering"] == "no"
    *frames, last, rest = answer.body.split(b"\n\n")
    assert (last, rest) == (b"data: [DONE]", b"")
    assert all(each.startswith(b"data: ") and b"\n" not in each for each in frames)
    return [orjson.loads(each.removeprefix(b"data: ")) for each in frames]


async def test_an_init_stream_reports_each_section_and_ends_in_json(
    service: Service,
) -> None:
    """The JSON is that of an answer without a stream."""
    *sections, ready = events(await init(service, Accept=EVENTS))

    plain = (await init(service)).json
    assert {one["name"] for one in sections} == set(SECTIONS)
    assert {one["type"] for one in sections} == {"section"}
    assert all(one["status"] == "ok" and one["ms"] >= 0 for one in sections)
    assert ready.pop("type") == "ready"
    assert {**ready, "cache": 0} == {**plain, "cache": 0}
    assert ready["cache"]["state"] == "miss"


async def test_an_init_stream_of_a_held_listener_is_as_complete(
    service: Service, sandbox: Sandbox
) -> None:
    await init(service)
    calls = sandbox.stats.total

    *sections, ready = events(await init(service, Accept=EVENTS))

    assert {one["name"] for one in sections} == set(SECTIONS)
    assert (ready["type"], ready["cache"]["state"]) == ("ready", "hit")
    assert sandbox.stats.total == calls


async def test_an_init_stream_names_the_section_that_is_missing(service: Service) -> None:
    token = sandbox_token(7, "typical", "legacy", "scope-artists")

    *sections, ready = events(await init(service, token, Accept=EVENTS))

    failed = [one for one in sections if one["status"] != "ok"]
    assert [(one["name"], one["status"], one["code"]) for one in failed] == [
        ("top_artists", "forbidden", "missing_scope")
    ]
    assert ready["sections"]["top_artists"]["status"] == "forbidden"


@pytest.mark.parametrize("fault", ["401", "401-me"])
async def test_a_rejected_token_is_a_401_for_cold_chat_and_init_stream(
    service: Service, sandbox: Sandbox, fault: str
) -> None:
    answers = [
        await chat(service, sandbox_token(1, "typical", "legacy", fault)),
        await init(service, sandbox_token(2, "typical", "legacy", fault), Accept=EVENTS),
    ]

    for answer in answers:
        check_error(answer, "spotify_token_rejected")
    assert sandbox.stats.model_calls == 0


async def test_a_listener_who_cannot_be_read_at_all_is_a_status_too(service: Service) -> None:
    token = sandbox_token(7, "typical", "legacy", "html")

    check_error(await chat(service, token), "spotify_unavailable")
    check_error(await init(service, token, Accept=EVENTS), "spotify_unavailable")


async def test_a_slow_token_check_does_not_hold_the_first_byte_back(
    start: Start, sandbox: Sandbox
) -> None:
    service = await start(first_byte_s=0.05)
    token = sandbox_token(7, "typical", "legacy", "slow-300-me")
    async with chatting(service, token) as response:
        first = await read_until(response, b"\n\n")
        closed = sandbox.stats.model_calls
        rest = await response.read()

    stream = read_stream(Answer(response.status, response.headers, first + rest))
    assert closed == 0
    assert stream.ending == "stop"


async def test_a_rejection_after_the_first_byte_is_a_chat_event(
    start: Start, sandbox: Sandbox
) -> None:
    service = await start(first_byte_s=0.05)
    token = sandbox_token(7, "typical", "legacy", "slow-300-me", "401-me")

    stream = read_stream(await chat(service, token))

    error = stream.of("data-error")[0]["data"]
    assert (error["code"], error["action"]) == ("spotify_token_rejected", "reauthorize")
    assert sandbox.stats.model_calls == 0


async def test_a_rejection_after_the_first_byte_is_an_init_event(start: Start) -> None:
    service = await start(first_byte_s=0.05)
    token = sandbox_token(7, "typical", "legacy", "slow-300-me", "401-me")

    answer = await init(service, token, Accept=EVENTS)

    last = events(answer)[-1]
    assert (last["type"], last["success"]) == ("error", False)
    assert last["error"]["code"] == "spotify_token_rejected"
    assert last["error"]["request_id"] == answer.headers["X-Request-Id"]


async def test_a_cold_chat_starts_once_the_token_is_accepted(
    service: Service,
) -> None:
    token = sandbox_token(7, "typical", "legacy", "slow-400-recent")
    async with chatting(service, token) as response:
        first = await read_until(response, b'"section":"profile"')

    assert b"recently_played" not in first
    assert b"thinking" not in first


async def test_an_init_that_breaks_after_its_first_byte_says_so(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await start(first_byte_s=0.05)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the cause, with a secret")

    monkeypatch.setattr("lyra.cache.loader.make_entry", broken)
    token = sandbox_token(7, "typical", "legacy", "slow-200-recent")

    *_, last = events(await init(service, token, Accept=EVENTS))

    assert (last["type"], last["error"]["code"]) == ("error", "internal")


@pytest.mark.parametrize("failure", [RuntimeError("a fault"), LyraError()], ids=["fault", "error"])
async def test_a_stream_that_cannot_end_properly_breaks_the_connection(
    service: Service, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    async def broken(_: object) -> None:
        raise failure

    monkeypatch.setattr("lyra.web.http.event_stream.EventStream.close", broken)

    with pytest.raises((ClientPayloadError, ClientConnectionError)):
        await chat(service)
