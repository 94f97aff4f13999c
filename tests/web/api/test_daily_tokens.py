"""The day's tokens of an account over the socket: asked at once, and left early."""

import asyncio

from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import Start
from tests.support.calls import QUESTION, chat, chatting, init, read_until

TOKENS = [sandbox_token(7), sandbox_token(7, regime="legacy")]  # of one account


async def test_concurrent_questions_stay_within_the_daily_quota(
    start: Start, sandbox: Sandbox
) -> None:
    service = await start(model="fault:hang", daily_tokens=1000)
    for token in TOKENS:
        await init(service, token)
    async with chatting(service, TOKENS[0]) as first:
        await read_until(first, b"text-delta")
        others = await asyncio.gather(*(chat(service, TOKENS[n % 2]) for n in range(8)))

    assert [(each.status, each.json["error"]["reason"]) for each in others] == [
        (429, "daily_budget")
    ] * 8
    assert {each.headers["Retry-After"] for each in others} == {"1"}
    assert sandbox.stats.model_calls == 1


async def test_a_reader_leaving_before_usage_is_known_pays_the_prompt(
    start: Start, sandbox: Sandbox
) -> None:
    service = await start(model="fault:hanghead", daily_tokens=6000, first_byte_s=0.01)
    for token in TOKENS:
        await init(service, token)
    long = {**QUESTION, "message": "x" * 24_000}
    async with chatting(service, TOKENS[0], long) as response:
        await read_until(response, b"thinking")
        await sandbox.stats.until(lambda stats: stats.model_open == 1)
    await sandbox.stats.until(lambda stats: stats.model_open == 0)

    refused = await chat(service, TOKENS[1])
    assert (refused.status, refused.json["error"]["reason"]) == (429, "daily_budget")
    assert int(refused.headers["Retry-After"]) > 1
    assert sandbox.stats.model_calls == 1
    assert service.services.generator.quota.stats()["held"] == 0


async def test_tokens_without_a_known_account_share_one_quota(
    start: Start, sandbox: Sandbox
) -> None:
    service = await start(daily_tokens=1000)
    nameless = [sandbox_token(7, "typical", "legacy", "503-me", f"slow-{n}") for n in range(1, 9)]
    answers = [await chat(service, token) for token in nameless]
    named = await chat(service, TOKENS[0])

    passed = [answer.status for answer in answers].count(200)
    assert 1 <= passed <= 2
    assert sandbox.stats.model_calls == passed + 1
    assert {answer.json["error"]["reason"] for answer in answers[passed:]} == {"daily_budget"}
    assert {answer.headers["Retry-After"] for answer in answers[passed:]} == {"60"}
    assert named.status == 200
