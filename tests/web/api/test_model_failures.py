"""Failures of the model: a status while there is still one to give, else parts; never its words."""

from random import Random

import pytest
from aiohttp import web

from lyra.chat.ending_notices import EMPTY, REFUSED, REFUSED_MORE
from lyra.sandbox import Sandbox
from tests.conftest import CANARY_KEY, Start
from tests.support.calls import chat, init
from tests.support.error_shape import check_error
from tests.support.scripted_model import (
    ODD_TEXTS,
    opened,
    scripted_model,
    stopped,
    streaming,
    words,
)
from tests.support.stream_grammar import read_stream


class NoJitter(Random):
    """Always the shortest wait."""

    def random(self) -> float:
        return 0.0


@pytest.mark.parametrize("cold", [True, False], ids=["cold", "warm"])
@pytest.mark.parametrize(
    "refused",
    [
        (400, "llm_misconfigured", 2),  # once more without tools
        (401, "llm_misconfigured", 1),
        (402, "llm_misconfigured", 1),
        (403, "llm_misconfigured", 1),
        (404, "llm_misconfigured", 1),
        (413, "body_too_large", 1),
        (429, "llm_rate_limited", 2),
        (500, "llm_unavailable", 2),
        (503, "llm_unavailable", 2),
        (529, "llm_unavailable", 2),
    ],
)
async def test_a_refusal_is_a_status_when_warm_and_an_event_when_cold(
    start: Start, sandbox: Sandbox, refused: tuple[int, str, int], cold: bool
) -> None:
    status, code, calls = refused
    service = await start(model=f"fault:err-{status}", rng=NoJitter())
    if not cold:
        await init(service)

    answer = await chat(service)

    if cold:
        assert read_stream(answer).ending == code
    else:
        check_error(answer, code)
    assert sandbox.stats.model_calls == calls
    assert b"sandbox:" not in answer.everything


@pytest.mark.parametrize(
    ("sent", "told", "calls"), [("3600", 60, 1), ("61", 60, 1), ("30", 30, 1), ("4", 4, 1)]
)
async def test_a_long_pause_is_passed_on_clamped_and_not_waited_for(
    start: Start, sandbox: Sandbox, sent: str, told: int, calls: int
) -> None:
    service = await start(model=f"fault:err-429-{sent}")
    await init(service)

    answer = await chat(service)

    assert check_error(answer, "llm_rate_limited")["retry_after_s"] == told
    assert sandbox.stats.model_calls == calls


@pytest.mark.parametrize("header", ["soon", "nan", "inf", "-inf", "", "Mon, 99 Foo", "1e400"])
async def test_a_pause_that_makes_no_sense_is_not_passed_on(start: Start, header: str) -> None:
    async def busy(_: web.Request) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": header})

    async with scripted_model(busy) as model:
        service = await start(llm_base_url=model.url, rng=NoJitter())
        await init(service)
        answer = await chat(service)

    assert "Retry-After" not in answer.headers
    check_error(answer, "llm_rate_limited")


async def test_a_pause_given_as_a_date_is_told_in_seconds(start: Start) -> None:
    async def busy(_: web.Request) -> web.StreamResponse:
        dates = {
            "Date": "Sun, 22 Nov 2026 10:00:00 GMT",
            "Retry-After": "Sun, 22 Nov 2026 10:00:30 GMT",
        }
        return web.Response(status=429, headers=dates)

    async with scripted_model(busy) as model:
        service = await start(llm_base_url=model.url)
        await init(service)
        answer = await chat(service)

    assert answer.headers["Retry-After"] == "30"


@pytest.mark.parametrize("fault", ["erronce-529", "erronce-500", "errfirst-once"])
async def test_a_failure_before_the_first_word_is_retried_unseen(
    start: Start, sandbox: Sandbox, fault: str
) -> None:
    service = await start(model=f"fault:{fault}", rng=NoJitter())
    await init(service)

    stream = read_stream(await chat(service))

    assert stream.ending == "stop"
    assert sandbox.stats.model_calls == 2


@pytest.mark.parametrize("fault", ["errmid", "drop", "eof", "malformed"])
async def test_a_failure_after_the_first_word_is_never_retried(
    start: Start, sandbox: Sandbox, fault: str
) -> None:
    service = await start(model=f"fault:{fault}")

    await chat(service)

    assert sandbox.stats.model_calls == 1


async def test_a_silent_model_is_a_504_while_no_byte_has_left(start: Start) -> None:
    service = await start(model="fault:hanghead", first_token_timeout_s=0.2, first_byte_s=10)
    await init(service)

    answer = await chat(service)

    check_error(answer, "llm_timeout")


async def test_a_silent_model_is_an_event_once_the_first_byte_has_left(start: Start) -> None:
    service = await start(model="fault:hanghead", first_token_timeout_s=0.5, first_byte_s=0.05)
    await init(service)

    answer = await chat(service)

    assert read_stream(answer).ending == "llm_timeout"


async def test_the_models_pings_do_not_count_as_words(start: Start) -> None:
    service = await start(model="fault:pings", first_token_timeout_s=0.3, token_timeout_s=0.3)

    stream = read_stream(await chat(service))

    assert (stream.ending, stream.text) == ("llm_timeout", "")


async def test_the_whole_answer_has_a_deadline_too(start: Start) -> None:
    service = await start(model="fault:pings", answer_timeout_s=0.3)

    stream = read_stream(await chat(service))

    assert stream.ending == "llm_timeout"


async def test_a_redirect_of_the_model_is_not_followed(start: Start) -> None:
    async with scripted_model() as elsewhere:

        async def moved(_: web.Request) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": f"{elsewhere.url}v1/messages"})

        async with scripted_model(moved) as model:
            service = await start(llm_base_url=model.url)
            await init(service)
            answer = await chat(service)

        check_error(answer, "llm_misconfigured")
        assert elsewhere.sent == []


async def test_an_unreachable_model_is_tried_twice_and_is_a_503(
    start: Start, unused_tcp_port: int
) -> None:
    service = await start(llm_base_url=f"http://127.0.0.1:{unused_tcp_port}", rng=NoJitter())
    await init(service)

    answer = await chat(service)

    check_error(answer, "llm_unavailable")


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>captive</html>"), (200, b""), (200, b"data: 7\n\n"), (200, b"data: {}\n\n")],
)
async def test_an_answer_that_is_no_stream_never_looks_complete(
    start: Start, status: int, body: bytes
) -> None:
    async def odd(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, content_type="text/html")

    async with scripted_model(odd) as model:
        service = await start(llm_base_url=model.url, rng=NoJitter())
        stream = read_stream(await chat(service))

    assert stream.ending in ("llm_truncated", "llm_interrupted")


async def test_whatever_the_model_says_arrives_as_it_was_said(start: Start) -> None:
    async with scripted_model(streaming(*map(words, ODD_TEXTS), stopped())) as model:
        service = await start(llm_base_url=model.url)
        stream = read_stream(await chat(service))

    assert stream.text == "".join(ODD_TEXTS)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content-filter"),
        ("pause_turn", "other"),
        ("invented_later", "other"),
    ],
)
async def test_every_stop_reason_has_its_finish_reason(
    start: Start, reason: str, told: str
) -> None:
    async with scripted_model(streaming(words("Yes."), stopped(reason))) as model:
        service = await start(llm_base_url=model.url)
        stream = read_stream(await chat(service))

    assert stream.ending == told


SILENT = [
    ("", "end_turn", EMPTY, "stop"),
    (" \n", "end_turn", EMPTY, "stop"),
    ("", "refusal", REFUSED, "content-filter"),
    ("I", "refusal", REFUSED_MORE, "content-filter"),
    ("Words.", "end_turn", None, "stop"),
]


@pytest.mark.parametrize(("said", "reason", "notice", "told"), SILENT)
async def test_an_answer_that_says_nothing_says_so(
    start: Start, said: str, reason: str, notice: str | None, told: str
) -> None:
    async with scripted_model(streaming(words(said), stopped(reason))) as model:
        service = await start(llm_base_url=model.url)
        stream = read_stream(await chat(service))
        whole = (await chat(service, Accept="application/json")).json

    assert (stream.text, stream.ending) == (said, told)
    assert stream.parts[-1]["messageMetadata"].get("notice") == notice
    assert (whole.get("notice"), whole["finish_reason"]) == (notice, told)
    assert whole["response"] == (said if said.strip() else notice)
    assert said.strip() or not stream.of("data-because")


@pytest.mark.parametrize("vendor_text", ["overloaded: call Mallory", "quota of org_invented"])
async def test_no_word_of_a_vendors_error_reaches_the_reader(
    start: Start, vendor_text: str
) -> None:
    error = {"type": "error", "error": {"type": "api_error", "message": vendor_text}}

    async def refused(_: web.Request) -> web.StreamResponse:
        return web.json_response(error, status=404, reason=vendor_text)

    async def failed(request: web.Request) -> web.StreamResponse:
        response = await opened(request)
        await response.write(b'event: error\ndata: {"type":"error","error":{"type":"x","message":"')
        await response.write(vendor_text.encode() + b'"}}\n\n')
        return response

    async with scripted_model(refused, failed) as model:
        service = await start(llm_base_url=model.url, rng=NoJitter())
        await init(service)
        answers = [await chat(service), await chat(service)]

    assert [answer.status for answer in answers] == [500, 200]
    assert all(vendor_text.encode() not in answer.everything for answer in answers)


@pytest.mark.parametrize(
    "fault", ["err-401", "err-529", "errmid", "errfirst", "drop", "eof", "malformed", "redirect"]
)
async def test_no_fault_of_the_model_shows_its_key(
    start: Start, everything_logged: pytest.LogCaptureFixture, fault: str
) -> None:
    service = await start(model=f"fault:{fault}", rng=NoJitter())
    await init(service)

    answer = await chat(service)

    logged = everything_logged.text + repr([each.args for each in everything_logged.records])
    assert CANARY_KEY.encode() not in answer.everything
    assert CANARY_KEY not in logged
    assert logged
