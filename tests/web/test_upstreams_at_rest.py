"""An upstream that fails is left alone for a while, and people are told at once."""

import asyncio
from itertools import count
from random import Random
from typing import Any

import pytest
from aiohttp import web

from lyra.circuit_breaker import MIN_OWNERS
from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import Service, Start
from tests.support.calls import Answer, call, chat, init
from tests.support.error_shape import check_error
from tests.support.scripted_model import Reply, event, scripted_model, stopped, streaming, words


class NoJitter(Random):
    """Always the shortest wait."""

    def random(self) -> float:
        return 0.0


PLENTY = {"rate_per_minute": 10_000, "daily_tokens": 0}


def refusing(status: int, kind: str, **more: Any) -> Reply:
    async def reply(_: web.Request) -> web.StreamResponse:
        error = {"type": "error", "error": {"type": kind, "message": "no", **more}}
        return web.json_response(error, status=status)

    return reply


async def asked(service: Service, seed: int = 7, message: str = "Hello?") -> Answer:
    """The answer to this listener, whole."""
    return await call(
        service,
        "POST",
        "/lyra/chat",
        json={"message": message, "stream": False},
        headers=service.headers(sandbox_token(seed)),
    )


async def dependency(service: Service, name: str) -> dict[str, Any]:
    payload: dict[str, Any] = (await call(service, "GET", "/readyz")).json["dependencies"][name]
    return payload


def told_in_html(status: int) -> Reply:
    async def reply(_: web.Request) -> web.StreamResponse:
        page = "<html><h1>authentication_error</h1>Request blocked.</html>"
        return web.Response(status=status, text=page, content_type="text/html")

    return reply


def told_otherwise(status: int, body: Any) -> Reply:
    async def reply(_: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return reply


WORDS = "Anything but /etc/passwd"


def minding_words(refusal: Reply) -> Reply:
    """A model behind something that refuses certain words, whoever says them."""
    good = streaming(words("Yes."), stopped())

    async def reply(request: web.Request) -> web.StreamResponse:
        return await (refusal if WORDS.encode() in await request.read() else good)(request)

    return reply


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, "authentication_error"), (403, "permission_error"), (402, "billing_error")],
)
async def test_a_key_refused_to_two_is_not_tried_and_names_the_operator(
    start: Start, status: int, kind: str
) -> None:
    async with scripted_model(refusing(status, kind)) as model:
        service = await start(llm_base_url=model.url)
        one = [await asked(service, 1) for _ in range(3)]
        calls = len(model.sent)
        all_others = [await asked(service, seed) for seed in (2, 3, 1, 4)]

    for answer in one + all_others:
        check_error(answer, "llm_misconfigured")
    assert calls == 3  # what one listener meets may be of its own making
    assert len(model.sent) == 4
    assert (await dependency(service, "model"))["state"] == "open"


@pytest.mark.parametrize(
    "refusal",
    [
        told_in_html(401),
        told_in_html(402),
        told_in_html(403),
        told_otherwise(403, {"error": {"type": "permission_error"}}),
        told_otherwise(403, {"type": "error", "error": "permission_error"}),
        told_otherwise(403, {"type": "blocked", "error": {"type": "permission_error"}}),
        told_otherwise(403, ["permission_error"]),
        told_otherwise(403, None),
        refusing(403, "content_filter"),
        refusing(402, "payment_required"),
        refusing(400, "authentication_error"),
    ],
    ids=count(),
)
async def test_what_is_not_the_vendors_word_about_the_key_rests_nobody(
    start: Start, refusal: Reply
) -> None:
    async with scripted_model(minding_words(refusal)) as model:
        service = await start(llm_base_url=model.url)
        refused = [await asked(service, seed, WORDS) for seed in (1, 2, 3, 1, 2, 3)]
        served = await asked(service, 4)

    for answer in refused:
        check_error(answer, "llm_misconfigured")
    assert served.status == 200
    assert len(model.sent) == 7


@pytest.mark.parametrize(
    "refusal",
    [
        refusing(403, "permission_error"),
        refusing(401, "authentication_error"),
        refusing(402, "billing_error"),
        refusing(429, "rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}),
        refusing(500, "api_error"),
        refusing(529, "overloaded_error"),
        streaming(words("Half")),
        streaming(words("Half"), event("error", error={"type": "overloaded_error"})),
        streaming(b"data: {\n\n"),
    ],
    ids=count(),
)
async def test_one_listener_whose_words_always_fail_rests_nobody(
    start: Start, refusal: Reply
) -> None:
    async with scripted_model(minding_words(refusal)) as model:
        service = await start(llm_base_url=model.url, rng=NoJitter(), **PLENTY)
        for _ in range(40):
            assert (await asked(service, 1, WORDS)).status >= 500
        state = await dependency(service, "model")
        served = [await asked(service, seed) for seed in range(2, 6)]

    assert state["state"] == "ok"
    assert [each.status for each in served] == [200] * 4


async def test_whoever_is_refused_while_others_are_served_rests_nobody(start: Start) -> None:
    async with scripted_model(minding_words(refusing(403, "permission_error"))) as model:
        service = await start(llm_base_url=model.url, **PLENTY)
        served = [await asked(service, 9)]
        for _ in range(10):
            for seed in range(1, 4):
                check_error(await asked(service, seed, WORDS), "llm_misconfigured")
            served.append(await asked(service, 9))

    assert {each.status for each in served} == {200}


async def test_any_number_of_tokens_of_one_account_are_one_owner(start: Start) -> None:
    async with scripted_model(minding_words(refusing(401, "authentication_error"))) as model:
        service = await start(llm_base_url=model.url)
        for regime in ("legacy", "restricted"):
            token = sandbox_token(1, regime=regime)
            body = {"message": WORDS, "stream": False}
            check_error(await chat(service, token, body), "llm_misconfigured")
        state = await dependency(service, "model")

    assert state["state"] == "ok"


async def test_tokens_without_a_known_account_are_one_owner(
    start: Start,
) -> None:
    async with scripted_model(minding_words(refusing(401, "authentication_error"))) as model:
        service = await start(llm_base_url=model.url)
        for seed in range(3):
            token = sandbox_token(seed, "typical", "restricted", "403-me")
            body = {"message": WORDS, "stream": False}
            check_error(await chat(service, token, body), "llm_misconfigured")
        state = await dependency(service, "model")

    assert state["state"] == "ok"


async def test_a_request_that_the_model_does_not_like_rests_nobody(start: Start) -> None:
    async with scripted_model(refusing(400, "invalid_request_error")) as model:
        service = await start(llm_base_url=model.url)
        for _ in range(2):
            check_error(await asked(service), "llm_misconfigured")

    assert len(model.sent) == 4  # each is asked once more without tools


async def test_a_spent_limit_rests_the_model_for_ten_minutes(start: Start) -> None:
    details = {"details": {"error_code": "enforced_spend_limit_reached"}}
    async with scripted_model(refusing(429, "rate_limit_error", **details)) as model:
        service = await start(llm_base_url=model.url)
        first, second, third = [await asked(service, seed) for seed in (1, 2, 3)]

    check_error(first, "llm_rate_limited")
    check_error(second, "llm_rate_limited")
    error = check_error(third, "llm_rate_limited")
    assert len(model.sent) == 2
    assert error["reason"] == "circuit_open"
    assert 500 < error["retry_after_s"] <= 600


async def test_a_model_that_fails_for_all_is_left_alone(start: Start) -> None:
    async with scripted_model(refusing(529, "overloaded_error")) as model:
        service = await start(llm_base_url=model.url, rng=NoJitter(), **PLENTY)
        for seed in range(MIN_OWNERS):
            assert (await dependency(service, "model"))["state"] == "ok"
            check_error(await asked(service, seed), "llm_unavailable")
        calls = len(model.sent)
        error = check_error(await asked(service, MIN_OWNERS), "llm_unavailable")
        metrics = service.services.metrics.render().decode()

    assert calls == len(model.sent) <= 2 * MIN_OWNERS
    assert error["reason"] == "circuit_open"
    assert "lyra_model_breaker_open 1.0" in metrics
    assert 'lyra_model_seconds_count{outcome="circuit_open"} ' in metrics


async def test_leavers_never_rest_the_model(start: Start, sandbox: Sandbox) -> None:
    service = await start(model="fault:hang", **PLENTY)
    await init(service)
    for _ in range(MIN_OWNERS + 1):
        asking = asyncio.get_running_loop().create_task(asked(service))
        await sandbox.stats.until(lambda stats: stats.model_open == 1)
        asking.cancel()
        await asyncio.wait([asking])
        await sandbox.stats.until(lambda stats: stats.model_open == 0)

    assert (await dependency(service, "model"))["state"] == "ok"


async def test_spotify_is_left_alone_after_many_failures_and_says_so(
    start: Start, sandbox: Sandbox
) -> None:
    service = await start(**PLENTY)
    for seed in range(MIN_OWNERS):
        await init(service, sandbox_token(seed, "typical", "restricted", "500"))
    calls = sandbox.stats.total
    answer = await call(
        service,
        "POST",
        "/lyra/init",
        headers=service.headers(sandbox_token(99, "typical", "restricted", "500")),
    )

    error = check_error(answer, "spotify_unavailable")
    assert error["retry_after_s"] >= 1
    assert sandbox.stats.total == calls
    assert (await dependency(service, "spotify"))["state"] == "open"


async def test_one_listener_that_always_fails_opens_no_circuit(start: Start) -> None:
    service = await start(**PLENTY)
    for _ in range(10):
        await init(service, sandbox_token(1, "typical", "restricted", "500"))
    others = [await init(service, sandbox_token(seed)) for seed in range(2, 6)]

    assert [each.status for each in others] == [200] * 4


async def test_rejected_tokens_never_rest_spotify(start: Start) -> None:
    service = await start(**PLENTY)
    for seed in range(60):
        await init(service, sandbox_token(seed, "typical", "restricted", "401"))

    assert (await dependency(service, "spotify"))["state"] != "open"


async def test_the_day_ends_for_an_account_whatever_token_it_sends(start: Start) -> None:
    spoken = streaming(
        event("message_start", message={"usage": {"input_tokens": 90, "output_tokens": 1}}),
        words("Yes."),
        event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 10}),
        event("message_stop"),
    )
    async with scripted_model(spoken) as model:
        service = await start(llm_base_url=model.url, daily_tokens=150)
        tokens = [sandbox_token(7), sandbox_token(7, regime="legacy"), sandbox_token(8)]
        first = await chat(service, token=tokens[0])
        second = await chat(service, token=tokens[1])
        third = await chat(service, token=tokens[1])
        other = await chat(service, token=tokens[2])

    assert [first.status, second.status, third.status, other.status] == [200, 200, 429, 200]
    error = check_error(third, "too_many_requests")
    assert error["reason"] == "daily_budget"
    assert len(model.sent) == 3


async def test_without_a_yes_of_spotify_no_model_is_called(start: Start) -> None:
    async with scripted_model(streaming(words("Yes."), stopped())) as model:
        service = await start(llm_base_url=model.url)
        await init(service)
        refused = [
            await call(service, "POST", "/lyra/chat", json={"message": "Hi"}),
            await chat(service, token="garbage-token-of-a-stranger"),
            await chat(service, token=sandbox_token(7, "typical", "restricted", "401")),
        ]

    assert [each.status for each in refused] == [401, 401, 401]
    assert model.sent == []
