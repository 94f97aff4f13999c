"""Proposed playlists among processes: any of them saves, once, whatever happens to Redis and to them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import Start
from tests.support.proposals import URIS, Proposing, only
from tests.support.redis_servers import RedisServer
from tests.support.scripted_model import scripted_model
from tests.support.service_pair import SECRET, until_subscribed
from tests.support.visitors import Clock

ANNA = sandbox_token(7, "typical", "restricted")
RENEWED = sandbox_token(7, "typical", "restricted", "lat-0-0")
BORIS = sandbox_token(8, "typical", "restricted")
Pair = tuple[Proposing, Proposing]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def pair(start: Start, server: RedisServer, clock: Clock) -> AsyncIterator[Pair]:
    """Two processes' worth of one service."""
    async with scripted_model() as model:
        settings = {"redis_url": server.url, "secret": SECRET, "llm_base_url": model.url}
        services = [
            await start(wall_clock=clock, spotify_timeout_s=3, **settings) for _ in range(2)
        ]
        for service in services:
            await until_subscribed(service)
        first, second = (Proposing(service, model) for service in services)
        yield first, second


async def test_another_process_saves_what_one_has_proposed(pair: Pair, sandbox: Sandbox) -> None:
    proposal = await pair[0].propose(ANNA)
    shown = await pair[1].show(proposal, ANNA)
    saved = await pair[1].save(proposal, ANNA, name="Low Tides")

    assert shown.json["proposal"]["uris"] == URIS
    assert (only(sandbox, ANNA).name, only(sandbox, ANNA).uris) == ("Low Tides", URIS)
    again = await pair[0].save(proposal, ANNA)
    assert again.json == saved.json


async def test_two_processes_that_save_at_once_make_one_playlist(
    pair: Pair, sandbox: Sandbox
) -> None:
    proposal = await pair[0].propose(ANNA)
    answers = await asyncio.gather(*[each.save(proposal, ANNA) for each in pair * 3])

    assert {answer.status for answer in answers} == {201}
    assert len({answer.json["playlist"]["uri"] for answer in answers}) == 1
    assert only(sandbox, ANNA).uris == URIS


async def test_what_one_process_has_begun_another_finishes(pair: Pair, sandbox: Sandbox) -> None:
    token = sandbox_token(7, "typical", "restricted", "500-replace~1+3")
    proposal = await pair[0].propose(token)
    assert (await pair[0].save(proposal, token, uris=URIS[:4])).status == 503
    assert (await pair[1].show(proposal, token)).json["proposal"]["state"] == "begun"

    assert (await pair[1].save(proposal, token)).status == 201
    assert only(sandbox, token).uris == URIS[:4]


async def test_a_process_that_goes_down_in_mid_save_leaves_it_to_another(
    pair: Pair, sandbox: Sandbox
) -> None:
    token = sandbox_token(7, "typical", "restricted", "hang-replace~1+1")
    proposal = await pair[0].propose(token)
    saving = asyncio.get_running_loop().create_task(pair[0].save(proposal, token))
    await sandbox.stats.until(lambda stats: stats.by_endpoint["replace"] == 1)
    await pair[0].service.stop()
    await asyncio.wait([saving])
    saving.exception()

    assert (await pair[1].save(proposal, token)).status == 201
    assert only(sandbox, token).uris == URIS


async def test_while_redis_is_away_saving_is_refused_and_goes_well_afterwards(
    pair: Pair, server: RedisServer, sandbox: Sandbox
) -> None:
    proposal = await pair[0].propose(ANNA)
    server.hang()
    refused = await pair[0].save(proposal, ANNA)
    server.go_on()

    assert refused.json["error"]["code"] == "proposals_unavailable"
    assert refused.json["error"]["retryable"]
    assert sandbox.made_playlists(ANNA) == []
    saved = await pair[1].save(proposal, ANNA)
    while saved.json.get("error", {}).get("code") == "proposals_unavailable":
        saved = await pair[1].save(proposal, ANNA)
    assert only(sandbox, ANNA).uris == URIS


async def test_nobody_else_finds_it_at_any_process(pair: Pair) -> None:
    proposal = await pair[0].propose(ANNA)

    assert {(await each.show(proposal, BORIS)).status for each in pair} == {404}


async def test_what_a_listener_forgets_at_one_process_is_gone_at_all(pair: Pair) -> None:
    proposals = [await pair[0].propose(ANNA), await pair[1].propose(ANNA)]
    async with pair[1].service.http.delete(
        "/lyra/session", headers=pair[1].service.headers(ANNA)
    ) as answer:
        assert answer.status == 204

    for proposal in proposals:
        assert {(await each.show(proposal, ANNA)).status for each in pair} == {404}


async def test_another_token_of_the_account_takes_it_over_and_its_forgetting_takes_it_away(
    pair: Pair,
) -> None:
    proposal = await pair[0].propose(ANNA)
    assert (await pair[1].show(proposal, RENEWED)).status == 200
    async with pair[0].service.http.delete(
        "/lyra/session", headers=pair[0].service.headers(RENEWED)
    ) as answer:
        assert answer.status == 204

    assert (await pair[1].show(proposal, ANNA)).status == 404


async def test_a_listener_has_the_five_latest_of_all_processes(pair: Pair, clock: Clock) -> None:
    proposals = []
    for number in range(7):
        clock.now += 1
        proposals.append(await pair[number % 2].propose(ANNA))

    found = [(await pair[0].show(each, ANNA)).status for each in proposals]
    assert found == [404, 404, 200, 200, 200, 200, 200]


async def test_all_processes_count_the_saves_of_a_day_together(
    start: Start, server: RedisServer, clock: Clock
) -> None:
    async with scripted_model() as model:
        settings: dict[str, Any] = {
            "redis_url": server.url,
            "secret": SECRET,
            "llm_base_url": model.url,
        }
        services = [await start(wall_clock=clock, saves_per_day=3, **settings) for _ in range(2)]
        pair = [Proposing(service, model) for service in services]
        answers = []
        for number in range(4):
            each = pair[number % 2]
            answers.append((await each.save(await each.propose(ANNA), ANNA)).status)

    assert answers == [201, 201, 201, 429]


async def test_nothing_of_a_proposal_can_be_read_in_redis(pair: Pair, server: RedisServer) -> None:
    proposal = await pair[0].propose(ANNA)
    async with Redis.from_url(server.url) as redis:
        keys = [key async for key in redis.scan_iter()]
        values = [await redis.get(key) for key in keys if await redis.type(key) == b"string"]

    assert any(b":proposal:" in key for key in keys)
    everything = b"".join(keys + [value or b"" for value in values])
    for text in (proposal, "Slow Tides", URIS[0], ANNA):
        assert text.encode() not in everything
