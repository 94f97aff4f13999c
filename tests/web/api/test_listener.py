"""Load, look, show, forget: the routes about a listener."""

import asyncio
from typing import Any

import pytest

from lyra.listening.models import SECTIONS
from lyra.sandbox import Sandbox, sandbox_token
from tests.cache.conftest import Clock, MiddleOfRange
from tests.conftest import Service, Start
from tests.support.calls import Answer, call, chat, init
from tests.support.stream_grammar import read_stream

LEGACY = sandbox_token(7, "typical", "legacy")


async def status(service: Service, token: str | None = None) -> Answer:
    return await call(service, "GET", "/lyra/status", headers=service.headers(token))


async def profile(service: Service, token: str | None = None) -> Answer:
    return await call(service, "GET", "/lyra/profile", headers=service.headers(token))


async def forget(service: Service, token: str | None = None) -> Answer:
    return await call(service, "DELETE", "/lyra/session", headers=service.headers(token))


async def test_status_of_an_unknown_token_is_empty_without_a_fetch(
    service: Service, sandbox: Sandbox
) -> None:
    answer = await status(service)

    assert answer.json["cache_ready"] is False
    assert (answer.json["cache_status"], answer.json["has_user_data"]) == ("empty", False)
    assert sandbox.stats.total == 0


async def test_status_of_a_held_listener_is_fresh_without_a_fetch(
    service: Service, sandbox: Sandbox
) -> None:
    await init(service)
    calls = sandbox.stats.total

    payload = (await status(service)).json

    assert (payload["cache_ready"], payload["cache_status"]) == (True, "fresh")
    assert payload["age_s"] < 60 < payload["expires_in_s"] <= 3600
    assert payload["top_artists_count"] == 50
    assert sandbox.stats.total == calls == 5


async def test_an_init_tells_who_it_is_and_what_was_read(service: Service) -> None:
    payload = (await init(service, LEGACY)).json

    assert payload["success"] is True
    assert payload["summary"]
    assert set(payload["profile"]) == {"id", "display_name", "image"}
    assert payload["genre_analysis"]["genres"]
    assert {name: one["status"] for name, one in payload["sections"].items()} == dict.fromkeys(
        SECTIONS, "ok"
    )
    assert payload["cache"]["state"] == "miss"
    assert payload["cache"]["spotify_calls"] == 5


async def test_a_second_init_is_a_hit(service: Service, sandbox: Sandbox) -> None:
    first, second = await init(service), await init(service)

    assert second.json["cache"]["state"] == "hit"
    assert second.json["cache"]["spotify_calls"] == 0
    assert {**first.json, "cache": 0} == {**second.json, "cache": 0}
    assert sandbox.stats.total == 5


async def test_many_first_requests_are_one_fetch(service: Service, sandbox: Sandbox) -> None:
    token = sandbox_token(7, "typical", "legacy", "slow-100-me")

    answers = await asyncio.gather(
        *(init(service, token) for _ in range(10)), *(profile(service, token) for _ in range(10))
    )

    states = [answer.json["cache"]["state"] for answer in answers]
    assert (states.count("miss"), states.count("joined")) == (1, 19)
    assert sandbox.stats.total == 5


async def test_a_cold_profile_is_loaded_and_complete(service: Service) -> None:
    payload = (await profile(service, LEGACY)).json

    assert payload["success"] is True
    assert [len(payload[name]) for name in ("top_artists", "top_tracks", "recently_played")] == [
        50,
        50,
        50,
    ]
    assert len(payload["plays_by_hour"]) == 24
    assert sum(payload["plays_by_hour"]) == 50
    assert payload["playlists"]
    assert payload["genre_analysis"]["genres"]
    assert 3 <= len(payload["suggestions"]) <= 4
    assert set(payload["sections"]) == set(SECTIONS)
    assert payload["cache"]["state"] == "miss"


@pytest.mark.parametrize(
    ("settings", "offered"),
    [
        ({}, True),
        ({"llm": "offline"}, True),
        ({"tools": "off"}, False),
        ({"tools": "off", "llm": "offline"}, False),
        ({"llm_context": "none"}, False),
    ],
    ids=str,
)
async def test_new_music_is_suggested_where_an_answer_can_look_it_up(
    start: Start, settings: dict[str, Any], *, offered: bool
) -> None:
    first = (await profile(await start(**settings), LEGACY)).json["suggestions"][0]

    assert (first == "Recommend some music I do not know yet") is offered


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("503-me", "profile"),
        ("scope-artists", "top_artists"),
        ("404-tracks", "top_tracks"),
        ("html-recent", "recently_played"),
        ("cut-playlists", "playlists"),
    ],
)
async def test_a_missing_section_is_named_in_init_and_profile(
    service: Service, fault: str, name: str
) -> None:
    token = sandbox_token(7, "typical", "legacy", fault)

    for answer in (await init(service, token), await profile(service, token)):
        sections = answer.json["sections"]
        assert answer.json["success"] is True
        assert [each for each in SECTIONS if sections[each]["status"] != "ok"] == [name]
        assert sections[name]["message"]


async def test_a_forgotten_listener_is_gone_at_once(service: Service, sandbox: Sandbox) -> None:
    await init(service)

    gone = await forget(service)

    assert (gone.status, gone.body) == (204, b"")
    assert (await status(service)).json["cache_status"] == "empty"
    assert (await init(service)).json["cache"]["state"] == "miss"
    assert sandbox.stats.total == 10


async def test_forgetting_one_listener_leaves_the_others(service: Service) -> None:
    other = sandbox_token(8)
    await init(service)
    await init(service, other)

    await forget(service)

    assert (await status(service, other)).json["cache_status"] == "fresh"


async def test_forgetting_an_unknown_listener_is_no_error(service: Service) -> None:
    assert (await forget(service)).status == 204


@pytest.mark.parametrize("first", ["init", "chat"])
async def test_forgetting_during_a_fetch_wins(
    service: Service, sandbox: Sandbox, first: str
) -> None:
    token = sandbox_token(7, "typical", "legacy", "slow-200-recent")
    asking = init if first == "init" else chat
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(asking(service, token))
        await sandbox.stats.until(lambda stats: stats.total >= 5)
        await forget(service, token)

    assert waiting.result().status == 200
    assert (await status(service, token)).json["cache_status"] == "empty"


async def test_each_token_is_answered_from_its_own_listener(service: Service) -> None:
    tokens = [sandbox_token(seed) for seed in range(1, 7)]

    loaded = await asyncio.gather(*(init(service, token) for token in tokens * 3))
    shown = await asyncio.gather(*(profile(service, token) for token in tokens))

    ids = [answer.json["profile"]["id"] for answer in loaded]
    assert ids[:6] == ids[6:12] == ids[12:]
    assert ids[:6] == [answer.json["profile"]["id"] for answer in shown]
    assert len(set(ids)) == 6


@pytest.mark.parametrize("persona", ["heavy", "new", "empty", "one_artist", "odd"])
async def test_every_kind_of_listener_can_be_loaded_shown_and_answered(
    service: Service, persona: str
) -> None:
    for regime in ("restricted", "legacy", "mixed"):
        token = sandbox_token(7, persona, regime)

        assert (await init(service, token)).status == 200
        assert (await profile(service, token)).status == 200
        assert read_stream(await chat(service, token)).ending == "stop"


async def test_an_entry_is_fresh_to_its_last_instant_and_then_stale(
    start: Start,
) -> None:
    clock = Clock()
    service = await start(rng=MiddleOfRange(), clock=clock, cache_ttl_s=100)
    await init(service)

    clock.now += 99.6
    nearly = (await status(service)).json
    clock.now += 0.4
    over = (await status(service)).json

    assert (nearly["cache_status"], nearly["expires_in_s"]) == ("fresh", 0)
    assert (over["cache_status"], over["cache_ready"]) == ("stale", True)
