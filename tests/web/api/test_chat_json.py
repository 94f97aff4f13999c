"""One JSON answer in place of a stream, where the Accept header or the body asks for it."""

from typing import Any

import pytest

from tests.conftest import LONG_S, Service, Start
from tests.support.calls import QUESTION, Answer, chat, init
from tests.support.error_shape import check_error
from tests.support.stream_grammar import read_stream

WHOLE: dict[str, Any] = {**QUESTION, "stream": False}


@pytest.mark.parametrize(
    ("body", "accept"),
    [(QUESTION, "application/json"), (WHOLE, "*/*"), (WHOLE, "text/event-stream")],
)
async def test_one_json_answer_has_the_words_and_the_counts(
    service: Service, body: dict[str, Any], accept: str
) -> None:
    answer = await chat(service, body=body, Accept=accept)

    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.json["success"] is True
    assert answer.json["response"]
    assert isinstance(answer.json["tracks"], list)
    assert answer.json["model"] == "sandbox-model"
    assert answer.json["usage"]["outputTokens"] > 0
    assert answer.json["cache"]["state"] == "miss"


@pytest.mark.parametrize(
    "accept", ["*/*", "text/event-stream", "text/event-stream, application/json"]
)
async def test_whoever_does_not_ask_for_json_gets_the_stream(service: Service, accept: str) -> None:
    answer = await chat(service, Accept=accept)

    assert read_stream(answer).ending == "stop"


async def test_both_ways_say_the_same(service: Service) -> None:
    streamed, whole = await chat(service), await chat(service, body=WHOLE)

    assert read_stream(streamed).text == whole.json["response"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("errmid", "llm_unavailable"),
        ("drop", "llm_interrupted"),
        ("eof", "llm_truncated"),
        ("hang", "llm_timeout"),
        ("malformed", "llm_interrupted"),
        ("err-401", "llm_misconfigured"),
    ],
)
@pytest.mark.parametrize("cold", [True, False], ids=["cold", "warm"])
async def test_a_failure_of_any_moment_is_a_status(
    start: Start, fault: str, code: str, cold: bool
) -> None:
    word_s = 0.2 if code == "llm_timeout" else LONG_S
    service = await start(model=f"fault:{fault}", token_timeout_s=word_s)
    if not cold:
        await init(service)

    answer = await chat(service, body=WHOLE)

    check_error(answer, code)


@pytest.mark.parametrize(
    ("fault", "reason"), [("refusal", "content-filter"), ("max_tokens", "length")]
)
async def test_an_answer_that_is_not_whole_says_why(start: Start, fault: str, reason: str) -> None:
    service = await start(model=f"fault:{fault}")

    answer: Answer = await chat(service, body=WHOLE)

    assert (answer.status, answer.json["finish_reason"]) == (200, reason)
