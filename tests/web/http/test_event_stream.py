"""The checker of streams refuses what a chat kit would refuse; every path passes it."""

from typing import Any

import orjson
import pytest

from lyra.listening.models import SECTIONS
from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import LONG_S, Service, Start
from tests.support.calls import QUESTION, chat, chatting, connected, init, read_until, request_bytes
from tests.support.stream_grammar import GrammarError, read_body, read_stream

Part = dict[str, Any]

START: Part = {"type": "start", "messageId": "run_1", "messageMetadata": {}}
BEGIN: Part = {"type": "text-start", "id": "t1"}
DELTA: Part = {"type": "text-delta", "id": "t1", "delta": "Hello"}
END: Part = {"type": "text-end", "id": "t1"}
FINISH: Part = {"type": "finish", "finishReason": "stop", "messageMetadata": {}}
FAILED: Part = {**FINISH, "finishReason": "error"}
ERROR: Part = {"type": "error", "errorText": "No."}
DATA_ERROR: Part = {"type": "data-error", "data": {"code": "x"}, "transient": True}
ABORT: Part = {"type": "abort", "reason": "draining"}
DONE = b"data: [DONE]\n\n"


def frames(*parts: Part) -> bytes:
    return b"".join(b"data: %b\n\n" % orjson.dumps(part) for part in parts)


@pytest.mark.parametrize(
    "ending", [(FINISH,), (DATA_ERROR, ERROR, FAILED), (ABORT,)], ids=["finish", "error", "abort"]
)
def test_the_checker_accepts_each_of_the_three_endings(ending: tuple[Part, ...]) -> None:
    stream = read_body(b": ka\n\n" + frames(START, BEGIN, DELTA, END, *ending) + DONE)

    assert (stream.text, stream.comments) == ("Hello", 1)


@pytest.mark.parametrize(
    "body",
    [
        frames(START, FINISH),
        frames(START) + DONE,
        frames(FINISH) + DONE,
        frames(START, FINISH, FINISH) + DONE,
        frames(START, FINISH, ABORT) + DONE,
        frames(START, FAILED) + DONE,
        frames(START, ERROR, FAILED) + DONE,
        frames(START, ERROR, DATA_ERROR, FAILED) + DONE,
        frames(START, DATA_ERROR, ERROR) + DONE,
        frames(START, START, FINISH) + DONE,
        frames(START, DELTA, FINISH) + DONE,
        frames(START, BEGIN, DELTA, FINISH) + DONE,
        frames(START, BEGIN, DELTA, END, DELTA, FINISH) + DONE,
        frames(START, {"type": "novelty"}, FINISH) + DONE,
        frames(START, {**ABORT, "why": 1}) + DONE,
        frames(START, FINISH) + DONE + DONE,
        frames(START, FINISH) + DONE + b": ka\n\n",
        b"event: message\n" + frames(START, FINISH) + DONE,
        frames(START, {**FINISH, "finishReason": "tired"}) + DONE,
        (frames(START, FINISH) + DONE).replace(b"\n", b"\r\n"),
    ],
)
def test_the_checker_refuses_a_stream_that_breaks_a_rule(body: bytes) -> None:
    with pytest.raises(GrammarError):
        read_body(body)


async def test_a_cold_chat_tells_of_each_section_and_then_answers(service: Service) -> None:
    stream = read_stream(await chat(service))

    statuses = [part["data"] for part in stream.of("data-status")]
    assert stream.ending == "stop"
    assert {one["section"] for one in statuses if "section" in one} == set(SECTIONS)
    assert [one["phase"] for one in statuses if "section" not in one] == [
        "loading_listening",
        "thinking",
    ]
    assert stream.metadata["cache"]["state"] == "miss"


async def test_a_warm_chat_asks_spotify_for_nothing(service: Service, sandbox: Sandbox) -> None:
    await init(service)
    calls = sandbox.stats.total

    stream = read_stream(await chat(service))

    assert stream.ending == "stop"
    assert stream.metadata["cache"]["state"] == "hit"
    assert stream.metadata["cache"]["spotify_calls"] == 0
    assert [part["data"]["phase"] for part in stream.of("data-status")] == ["thinking"]
    assert sandbox.stats.total == calls


async def test_finish_tells_usage_and_times(service: Service) -> None:
    stream = read_stream(await chat(service))

    metadata = stream.parts[-1]["messageMetadata"]
    assert metadata["usage"]["inputTokens"] > 0
    assert 0 <= metadata["first_token_ms"] <= metadata["duration_ms"]


@pytest.mark.parametrize(
    "fault", ["503-me", "scope-artists", "404-tracks", "html-recent", "truncated-playlists"]
)
async def test_a_listener_who_lacks_a_section_is_answered(service: Service, fault: str) -> None:
    stream = read_stream(await chat(service, sandbox_token(7, "typical", "legacy", fault)))

    statuses = [part["data"] for part in stream.of("data-status")]
    assert stream.ending == "stop"
    assert [one["status"] != "ok" for one in statuses if "section" in one].count(True) == 1


FAULTS = {
    "errmid": "llm_unavailable",
    "errmid-rate_limit_error": "llm_rate_limited",
    "errmid-authentication_error": "llm_misconfigured",
    "errfirst": "llm_unavailable",
    "errfirst-once": "stop",
    "drop": "llm_interrupted",
    "eof": "llm_truncated",
    "hang": "llm_timeout",
    "pings": "llm_timeout",
    "malformed": "llm_interrupted",
    "refusal": "content-filter",
    "max_tokens": "length",
    "noevent": "stop",
    "minimal": "stop",
    "unknown": "stop",
    "giant": "length",
    "many": "stop",
}


@pytest.mark.parametrize("cold", [True, False], ids=["cold", "warm"])
@pytest.mark.parametrize(("fault", "ending"), FAULTS.items())
async def test_every_fault_of_the_model_has_one_ending(
    start: Start, fault: str, ending: str, cold: bool
) -> None:
    # A short deadline only where it is what ends the answer: a busy machine takes its time.
    word_s = 0.5 if ending == "llm_timeout" else LONG_S
    service = await start(
        model=f"fault:{fault}",
        first_token_timeout_s=word_s,
        token_timeout_s=word_s,
        heartbeat_s=0.1,
    )
    if not cold:
        await init(service)

    stream = read_stream(await chat(service))

    assert stream.ending == ending


@pytest.mark.parametrize("fault", ["errmid", "drop", "eof", "malformed"])
async def test_words_before_a_failure_are_kept(start: Start, fault: str) -> None:
    service = await start(model=f"fault:{fault}")

    stream = read_stream(await chat(service))

    assert stream.text == "One two three"


async def test_an_answer_is_cut_at_its_bound_and_says_so(start: Start) -> None:
    service = await start(model="fault:giant", answer_max_bytes=1000)

    stream = read_stream(await chat(service))

    assert len(stream.text.encode()) == 1000
    assert stream.ending == "length"


async def test_an_answer_that_just_fits_is_whole(start: Start) -> None:
    service = await start(model="fault:giant", answer_max_bytes=199_998)

    stream = read_stream(await chat(service))

    assert (len(stream.text.encode()), stream.ending) == (199_998, "stop")


async def test_the_models_own_token_limit_shows_as_length(start: Start) -> None:
    service = await start(max_tokens=3)

    stream = read_stream(await chat(service))

    assert stream.ending == "length"


async def test_a_stream_that_is_drained_ends_with_abort(start: Start) -> None:
    service = await start(model="fault:hang")
    async with chatting(service) as response:
        seen = await read_until(response, b"text-delta")
        await service.stop()
        seen += await response.read()

    stream = read_body(seen)

    assert stream.parts[-1] == {"type": "abort", "reason": "draining"}


async def test_a_question_without_a_model_is_answered(start: Start) -> None:
    service = await start(llm="offline")

    stream = read_stream(await chat(service))

    assert stream.ending == "stop"
    assert (stream.metadata["offline"], stream.metadata["model"]) == (True, "lyra-offline")


async def test_every_demo_answer_says_that_its_listener_is_invented(start: Start) -> None:
    service = await start(demo_token=sandbox_token())

    stream = read_stream(await chat(service))

    assert stream.metadata["demo"] is True


async def test_a_reader_who_knows_no_chunks_gets_the_frames_alone(start: Start) -> None:
    service = await start()
    lines = (f"Authorization: Bearer {sandbox_token()}", "Content-Type: application/json")
    request = request_bytes(service, "POST", "/lyra/chat", *lines, body=orjson.dumps(QUESTION))
    async with connected(service) as (reader, writer):
        writer.write(request.replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        _, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")

    assert read_body(body).ending == "stop"
