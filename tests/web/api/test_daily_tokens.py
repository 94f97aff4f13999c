"""The day's tokens of an account over the socket: asked at once, and left early."""

import asyncio

from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import Start
from tests.support.calls import QUESTION, chat, chatting, init, read_until

TOKENS = [sandbox_token(7), sandbox_token(7, regime="legacy")]  # of one account


async def test_of_all_who_ask_at_once_the_model_hears_as_many_as_the_day_can_pay(
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


async def test_who_leaves_before_the_model_has_counted_has_used_the_prompt(
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


async def test_tokens_whose_account_spotify_does_not_name_share_the_tokens_of_one_account(
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
