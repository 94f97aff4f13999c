"""An upstream that fails is left alone for a while, and people are told at once."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from lyra.breaker import LEAST
from lyra.sandbox import Sandbox, sandbox_token
from tests.chat.scripted import Reply, event, scripted_model, stopped, streaming, words
from tests.conftest import Service, Start
from tests.web.calls import Answer, call, chat, init
from tests.web.test_errors import check_error

PLENTY = {"rate_per_minute": 10_000}


def refusing(status: int, kind: str, **more: Any) -> Reply:
    async def reply(_: web.Request) -> web.StreamResponse:
        error = {"type": "error", "error": {"type": kind, "message": "no", **more}}
        return web.json_response(error, status=status)

    return reply


async def asked(service: Service) -> Answer:
    return await call(
        service,
        "POST",
        "/lyra/chat",
        json={"message": "Hello?", "stream": False},
        headers=service.headers(),
    )


async def dependency(service: Service, name: str) -> dict[str, Any]:
    told: dict[str, Any] = (await call(service, "GET", "/readyz")).json["dependencies"][name]
    return told


@pytest.mark.parametrize(("status", "kind"), [(401, "authentication_error"), (403, "x")])
async def test_l1_a_refused_key_is_not_tried_again_and_the_operator_is_named(
    start: Start, status: int, kind: str
) -> None:
    async with scripted_model(refusing(status, kind)) as model:
        service = await start(llm_base_url=model.url)
        answers = [await asked(service) for _ in range(4)]

    for answer in answers:
        check_error(answer, "llm_misconfigured")
    assert len(model.sent) == 1
    assert (await dependency(service, "model"))["state"] == "resting"


async def test_a_request_that_the_model_does_not_like_rests_nobody(start: Start) -> None:
    async with scripted_model(refusing(400, "invalid_request_error")) as model:
        service = await start(llm_base_url=model.url)
        for _ in range(2):
            check_error(await asked(service), "llm_misconfigured")

    assert len(model.sent) == 2


async def test_l3_a_spent_limit_rests_the_model_for_ten_minutes(start: Start) -> None:
    details = {"details": {"error_code": "enforced_spend_limit_reached"}}
    async with scripted_model(refusing(429, "rate_limit_error", **details)) as model:
        service = await start(llm_base_url=model.url)
        first, second = await asked(service), await asked(service)

    check_error(first, "llm_rate_limited")
    error = check_error(second, "llm_rate_limited")
    assert len(model.sent) == 1
    assert error["reason"] == "resting"
    assert 500 < error["retry_after_s"] <= 600


async def test_a_model_that_keeps_failing_is_left_alone_and_works_again_after_its_rest(
    start: Start,
) -> None:
    async with scripted_model(refusing(529, "overloaded_error")) as model:
        service = await start(llm_base_url=model.url, **PLENTY)
        while (await dependency(service, "model"))["state"] == "ok":
            check_error(await asked(service), "llm_unavailable")
        calls = len(model.sent)
        error = check_error(await asked(service), "llm_unavailable")
        metrics = service.services.metrics.render().decode()

    assert calls == len(model.sent) == LEAST
    assert error["reason"] == "resting"
    assert "lyra_model_breaker_open 1.0" in metrics
    assert 'lyra_model_seconds_count{outcome="resting"} ' in metrics


async def test_leavers_never_rest_the_model(start: Start, sandbox: Sandbox) -> None:
    service = await start(model="fault:hang", **PLENTY)
    await init(service)
    for _ in range(LEAST + 1):
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
    for seed in range(30):
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
    assert (await dependency(service, "spotify"))["state"] == "resting"


async def test_rejected_tokens_never_rest_spotify(start: Start) -> None:
    service = await start(**PLENTY)
    for seed in range(60):
        await init(service, sandbox_token(seed, "typical", "restricted", "401"))

    assert (await dependency(service, "spotify"))["state"] != "resting"


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


async def test_t18_without_a_yes_of_spotify_no_model_is_called(start: Start) -> None:
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
