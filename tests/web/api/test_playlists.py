"""Saving a proposed playlist over the socket, with whatever Spotify does on the way."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from lyra.playlists.proposal import Proposal
from lyra.playlists.proposals import Caller, Draft
from lyra.sandbox import Sandbox, sandbox_token
from lyra.spotify.token import Token
from tests.conftest import LONG_S, Start
from tests.support.calls import call, chat
from tests.support.proposals import URIS, Proposing, only
from tests.support.scripted_model import scripted_model
from tests.support.visitors import Clock

ANNA = sandbox_token(7, "typical", "restricted")
BORIS = sandbox_token(8, "typical", "restricted")
TIMEOUT_S = 2.0  # of Spotify; what waits for it waits this long at most
HALF_AN_HOUR = 1800
DAY = 86_400


def anna(*faults: str) -> str:
    """Another token of the same account, with these faults."""
    return sandbox_token(7, "typical", "restricted", *faults)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def opened(start: Start, clock: Clock, **settings: Any) -> AsyncIterator[Proposing]:
    async with scripted_model() as model:
        yield Proposing(
            await start(
                llm_base_url=model.url,
                wall_clock=clock,
                **{"spotify_timeout_s": TIMEOUT_S, **settings},
            ),
            model,
        )


@pytest.fixture
async def lyra(start: Start, clock: Clock) -> AsyncIterator[Proposing]:
    async with opened(start, clock) as proposing:
        yield proposing


async def test_what_was_shown_is_saved(lyra: Proposing, sandbox: Sandbox) -> None:
    proposal = await lyra.propose(ANNA)
    saved = await lyra.save(proposal, ANNA)

    made = only(sandbox, ANNA)
    assert saved.status == 201
    assert saved.json == {
        "success": True,
        "playlist": {
            "uri": f"spotify:playlist:{made.id}",
            "url": f"https://open.spotify.com/playlist/{made.id}",
            "name": "Slow Tides",
            "count": 10,
        },
    }
    assert (made.name, made.uris, made.on_profile) == ("Slow Tides", URIS, False)
    assert made.description.startswith("Made with Lyra (lyra-")


async def test_nothing_is_written_before_the_listener_saves(
    lyra: Proposing, sandbox: Sandbox
) -> None:
    proposal = await lyra.propose(ANNA)
    await lyra.show(proposal, ANNA)

    assert sandbox.stats.written == {"create": 0, "replace": 0, "add": 0}


async def test_the_listeners_own_name_order_and_choice_are_saved(
    lyra: Proposing, sandbox: Sandbox
) -> None:
    chosen = [URIS[3], URIS[0]]
    saved = await lyra.save(await lyra.propose(ANNA), ANNA, name="  Low\n Tides ", uris=chosen)

    assert saved.json["playlist"]["count"] == 2
    assert (only(sandbox, ANNA).name, only(sandbox, ANNA).uris) == ("Low Tides", chosen)


async def test_what_was_replaced_since_it_was_seen_is_not_saved(
    lyra: Proposing, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal, proposals = await lyra.propose(ANNA), lyra.service.services.lyra.proposals
    found, token = proposals.find, Token(ANNA)

    async def replaced_when_found(proposal_id: str, caller: Caller) -> Proposal:
        seen = await found(proposal_id, caller)
        draft = Draft("Another", seen.tracks[:2])
        await proposals.propose_instead(proposal_id, token, None, draft)
        return seen

    monkeypatch.setattr(proposals, "find", replaced_when_found)
    refused = await lyra.save(proposal, ANNA)

    assert refused.json["error"]["code"] == "invalid_request"
    assert sandbox.made_playlists(ANNA) == []


async def test_a_repeat_returns_the_same_playlist_whatever_it_chooses(
    lyra: Proposing, sandbox: Sandbox
) -> None:
    proposal = await lyra.propose(ANNA)
    first = await lyra.save(proposal, ANNA)
    second = await lyra.save(proposal, ANNA, name="Other", uris=URIS[:1])

    assert second.json == first.json
    assert only(sandbox, ANNA).uris == URIS
    shown = (await lyra.show(proposal, ANNA)).json["proposal"]
    assert (shown["state"], shown["playlist"]) == ("saved", first.json["playlist"])


async def test_two_requests_at_once_make_one_playlist(lyra: Proposing, sandbox: Sandbox) -> None:
    proposal = await lyra.propose(ANNA)
    answers = await asyncio.gather(*[lyra.save(proposal, ANNA) for _ in range(5)])

    assert {answer.json["playlist"]["uri"] for answer in answers} == {
        f"spotify:playlist:{only(sandbox, ANNA).id}"
    }


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"uris": [f"spotify:track:{'z' * 22}"]}, "`$.uris[0]` is not in the proposal"),
        ({"uris": [URIS[0], URIS[0]]}, "`$.uris[1]` is not in the proposal"),
        ({"uris": []}, "`uris` is empty"),
        ({"uris": "all"}, "`$.uris`"),
        ({"uris": URIS * 11}, "`$.uris`"),
        ({"name": " \n"}, "`name` is empty"),
        ({"name": 7}, "`$.name`"),
        ({"owner": "anna"}, "unknown field"),
    ],
)
async def test_a_choice_that_was_not_proposed_is_refused_and_writes_nothing(
    lyra: Proposing, sandbox: Sandbox, choice: dict[str, Any], says: str
) -> None:
    proposal = await lyra.propose(ANNA)
    refused = await lyra.save(proposal, ANNA, **choice)

    assert (refused.status, refused.json["error"]["code"]) == (400, "invalid_request")
    assert says in refused.json["error"]["message"]
    assert sandbox.made_playlists(ANNA) == []
    assert (await lyra.save(proposal, ANNA)).status == 201


async def test_an_empty_body_saves_it_as_it_is(lyra: Proposing, sandbox: Sandbox) -> None:
    path = f"/lyra/playlists/{await lyra.propose(ANNA)}"
    answer = await call(lyra.service, "POST", path, headers=lyra.service.headers(ANNA))

    assert answer.status == 201
    assert only(sandbox, ANNA).uris == URIS


async def test_nobody_else_finds_it(lyra: Proposing, sandbox: Sandbox) -> None:
    proposal = await lyra.propose(ANNA)
    tries = [
        await lyra.show(proposal, BORIS),
        await lyra.save(proposal, BORIS),
        await lyra.dismiss(proposal, BORIS),
        await lyra.show("no-such-id", ANNA),
    ]

    assert {(each.status, each.json["error"]["message"]) for each in tries} == {
        (
            404,
            "There is no such playlist to save: it has expired, or was proposed to somebody else.",
        )
    }
    assert sandbox.made_playlists(BORIS) == sandbox.made_playlists(ANNA) == []
    assert (await lyra.show(proposal, ANNA)).status == 200


async def test_another_token_of_the_same_account_finds_it_and_can_forget_it(
    lyra: Proposing, sandbox: Sandbox
) -> None:
    renewed = anna("lat-0-0")
    proposal = await lyra.propose(ANNA)

    assert (await lyra.show(proposal, renewed)).status == 200
    headers = lyra.service.headers(renewed)
    assert (await call(lyra.service, "DELETE", "/lyra/session", headers=headers)).status == 204
    assert (await lyra.show(proposal, ANNA)).status == 404
    assert sandbox.made_playlists(ANNA) == []


async def test_after_half_an_hour_it_is_gone(lyra: Proposing, clock: Clock) -> None:
    proposal = await lyra.propose(ANNA)
    clock.now += HALF_AN_HOUR - 1
    assert (await lyra.show(proposal, ANNA)).status == 200
    clock.now += 2
    assert (await lyra.save(proposal, ANNA)).status == 404


async def test_what_is_dismissed_cannot_be_saved(lyra: Proposing, sandbox: Sandbox) -> None:
    proposal = await lyra.propose(ANNA)

    assert (await lyra.dismiss(proposal, ANNA)).status == 204
    assert (await lyra.save(proposal, ANNA)).status == 404
    assert sandbox.made_playlists(ANNA) == []


async def test_a_listener_has_the_five_latest(lyra: Proposing) -> None:
    proposals = [await lyra.propose(ANNA) for _ in range(6)]
    others = await lyra.propose(BORIS)

    found = [(await lyra.show(each, ANNA)).status for each in proposals]
    assert found == [404, 200, 200, 200, 200, 200]
    assert (await lyra.show(others, BORIS)).status == 200


async def test_forgetting_the_listener_forgets_what_was_proposed(lyra: Proposing) -> None:
    proposal = await lyra.propose(ANNA)
    headers = lyra.service.headers(ANNA)
    await call(lyra.service, "DELETE", "/lyra/session", headers=headers)

    assert (await lyra.save(proposal, ANNA)).status == 404


@pytest.mark.parametrize(
    "fault",
    [
        "hang-create~1+1",
        "oncedone504-create",
        "oncereset-create",
        "oncecut-create",
        "oncetruncated-create",
    ],
)
async def test_a_create_whose_answer_is_lost_is_found_and_not_made_again(
    lyra: Proposing, sandbox: Sandbox, fault: str
) -> None:
    token = anna(fault)
    saved = await lyra.save(await lyra.propose(token), token)

    assert saved.status == 201
    assert only(sandbox, token).uris == URIS


@pytest.mark.parametrize(
    "fault", ["undonehang-create~1+1", "once500-create", "undonereset-create~1+1"]
)
async def test_a_create_that_did_not_happen_is_made_once_it_cannot_happen_any_more(
    lyra: Proposing, sandbox: Sandbox, clock: Clock, fault: str
) -> None:
    token = anna(fault)
    proposal = await lyra.propose(token)
    first = await lyra.save(proposal, token)
    early = await lyra.save(proposal, token)

    assert (first.status, first.json["error"]["code"]) == (503, "spotify_unavailable")
    assert early.json["error"]["retry_after_s"] <= 2 * TIMEOUT_S + 3
    assert (await lyra.show(proposal, token)).json["proposal"]["state"] == "begun"
    assert sandbox.stats.by_endpoint["create"] == 1
    clock.now += early.json["error"]["retry_after_s"]
    assert (await lyra.save(proposal, token)).status == 201
    assert only(sandbox, token).uris == URIS


async def test_a_choice_is_fixed_when_saving_has_begun(
    lyra: Proposing, sandbox: Sandbox, clock: Clock
) -> None:
    token = anna("once500-create")
    proposal = await lyra.propose(token)
    await lyra.save(proposal, token, name="First", uris=URIS[:4])
    clock.now += 60
    saved = await lyra.save(proposal, token, name="Second", uris=URIS[5:])

    assert saved.json["playlist"]["name"] == only(sandbox, token).name == "First"
    assert only(sandbox, token).uris == URIS[:4]


@pytest.mark.parametrize(
    "fault", ["500-replace~1+3", "429-3600-replace~1+1", "oncedone500-replace"]
)
async def test_what_was_made_and_not_filled_is_filled_by_saving_again(
    lyra: Proposing, sandbox: Sandbox, fault: str
) -> None:
    token = anna(fault)
    proposal = await lyra.propose(token)
    first = await lyra.save(proposal, token)
    if first.status != 201:
        assert first.json["error"]["retryable"]
        again = token if "429" not in fault else anna("lat-0-1")
        assert (await lyra.save(proposal, again)).status == 201

    assert only(sandbox, token).uris == URIS


async def test_without_the_scope_nothing_is_made_and_it_is_said_what_to_do(
    lyra: Proposing, sandbox: Sandbox
) -> None:
    token = anna("ungranted-writes")
    proposal = await lyra.propose(token)
    refused = (await lyra.save(proposal, token)).json["error"]

    assert (refused["code"], refused["reason"], refused["action"]) == (
        "spotify_forbidden",
        "missing_scope",
        "grant_playlists",
    )
    assert (await lyra.show(proposal, token)).json["proposal"]["state"] == "open"
    saved = await lyra.save(proposal, ANNA, uris=URIS[:2])  # with a token that has it
    assert saved.status == 201
    assert only(sandbox, ANNA).uris == URIS[:2]


async def test_a_scope_that_is_withdrawn_in_between_leaves_it_to_be_finished(
    lyra: Proposing, sandbox: Sandbox
) -> None:
    token = anna("403-replace")
    proposal = await lyra.propose(token)
    refused = await lyra.save(proposal, token)

    assert refused.status == 403
    assert (await lyra.save(proposal, ANNA)).status == 201
    assert only(sandbox, ANNA).uris == URIS


async def test_a_token_that_ends_in_between_is_refused_and_another_goes_on(
    lyra: Proposing, sandbox: Sandbox
) -> None:
    token = anna("401-replace", "401-me~2")
    proposal = await lyra.propose(token)
    refused = await lyra.save(proposal, token)

    assert refused.json["error"]["code"] == "spotify_token_rejected"
    assert (await lyra.save(proposal, ANNA)).status == 201
    assert only(sandbox, ANNA).uris == URIS


async def test_after_saving_the_playlist_is_among_the_listeners_own(lyra: Proposing) -> None:
    saved = (await lyra.save(await lyra.propose(ANNA), ANNA)).json["playlist"]
    profile = await call(lyra.service, "GET", "/lyra/profile", headers=lyra.service.headers(ANNA))

    assert profile.json["playlists"][0]["uri"] == saved["uri"]


async def test_a_save_under_way_ends_before_the_process_goes_down(
    start: Start, clock: Clock, sandbox: Sandbox
) -> None:
    token = anna("late-0-create", "lat-300-300")
    async with opened(start, clock, drain_s=LONG_S, spotify_timeout_s=LONG_S) as lyra:
        proposal = await lyra.propose(token)
        saving = asyncio.get_running_loop().create_task(lyra.save(proposal, token))
        await sandbox.stats.until(lambda stats: stats.by_endpoint["create"] == 1)
        await lyra.service.stop()

        assert (await saving).status == 201
    assert only(sandbox, token).uris == URIS


async def _own_playlist(lyra: Proposing) -> dict[str, Any]:
    headers = lyra.service.headers(ANNA)
    profile = (await call(lyra.service, "GET", "/lyra/profile", headers=headers)).json
    own: dict[str, Any] = next(each for each in profile["playlists"] if each["owned"])
    return own


async def _rows(sandbox: Sandbox, uri: str) -> list[str]:
    """The addresses in a playlist of the listener's, from the first row to the last."""
    identifier, rows = uri.rpartition(":")[2], list[str]()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {ANNA}"}) as http:
        while True:
            url = f"{sandbox.api_url}/playlists/{identifier}/items?limit=50&offset={len(rows)}"
            async with http.get(url) as answer:
                page = await answer.json()
            rows += [row["item"]["uri"] if row["item"] else "" for row in page["items"]]
            if len(rows) >= page["total"]:
                return rows


@pytest.mark.parametrize(
    "fault",
    [
        "lat-0-0",
        "oncehang-add",
        "oncedone504-add",
        "oncereset-add",
        "oncehalf500-add",
        "once500-add",
    ],
)
async def test_more_is_added_to_an_own_playlist_each_track_once(
    lyra: Proposing, sandbox: Sandbox, clock: Clock, fault: str
) -> None:
    own, token = await _own_playlist(lyra), anna(fault)
    before = await _rows(sandbox, own["uri"])
    proposal = await lyra.propose(token, playlist=own["name"])
    saved = await lyra.save(proposal, token)
    if saved.status != 201:
        assert saved.json["error"]["retryable"]
        clock.now += saved.json["error"]["retry_after_s"]
        saved = await lyra.save(proposal, token)

    assert saved.json["playlist"]["uri"] == own["uri"]
    assert saved.json["playlist"]["count"] == 10
    after = await _rows(sandbox, own["uri"])
    assert after[: len(before)] == before
    assert sorted(after[len(before) :]) == sorted(URIS)


async def test_a_playlist_of_the_listeners_own_may_need_another_scope(lyra: Proposing) -> None:
    own, token = await _own_playlist(lyra), anna("ungranted-writes")
    refused = await lyra.save(await lyra.propose(token, playlist=own["name"]), token)

    assert refused.json["error"]["action"] == "grant_public_playlists"


async def test_a_listener_saves_so_many_in_a_day(
    start: Start, clock: Clock, sandbox: Sandbox
) -> None:
    async with opened(start, clock, saves_per_day=2) as lyra:
        for _ in range(2):
            assert (await lyra.save(await lyra.propose(ANNA), ANNA)).status == 201
        proposal = await lyra.propose(ANNA)
        refused = await lyra.save(proposal, ANNA)
        assert (refused.status, refused.json["error"]["reason"]) == (429, "saves")
        assert (await lyra.save(await lyra.propose(BORIS), BORIS)).status == 201
        clock.now += DAY
        assert (await lyra.save(await lyra.propose(ANNA), ANNA)).status == 201
    assert len(sandbox.made_playlists(ANNA)) == 3


async def test_one_line_of_the_log_says_that_it_was_saved_and_names_nothing(
    lyra: Proposing, everything_logged: pytest.LogCaptureFixture
) -> None:
    proposal = await lyra.propose(ANNA)
    everything_logged.clear()
    saved = (await lyra.save(proposal, ANNA)).json["playlist"]

    lines = [
        record.getMessage()
        for record in everything_logged.records
        if record.levelno >= logging.INFO and record.name.startswith("lyra.playlists")
    ]
    assert lines == ["a listener's playlist was saved: tracks=10 resumed=False"]
    assert not any(
        secret in everything_logged.text for secret in (saved["uri"], proposal, "Slow Tides")
    )


async def test_a_model_that_claims_to_have_saved_has_saved_nothing(
    lyra: Proposing, sandbox: Sandbox
) -> None:
    proposal = await lyra.propose(ANNA)
    answer = await chat(lyra.service, ANNA, Accept="application/json")

    assert answer.json["response"]
    assert "playlist" not in answer.json or answer.json["playlist"]["state"] == "open"
    assert (await lyra.show(proposal, ANNA)).json["proposal"]["state"] == "open"
    assert sandbox.made_playlists(ANNA) == []
