"""`find_music`: items of the catalogue, and what of them the listener knows."""

import asyncio

import pytest

import lyra_agent
from lyra.agent import find_music, initialize_user_session
from lyra.sandbox import Sandbox, sandbox_token
from lyra.sandbox.catalogue import artist, track
from lyra.sandbox.listeners import build_listener
from tests.agent.conftest import TOKEN, Configure

pytestmark = pytest.mark.usefixtures("use")

KNOWN = build_listener(7, "typical").tracks["medium_term"][2]
NEW = next(
    (index, 0)
    for index in range(200, 300)
    if index not in {key[0] for key in build_listener(7, "typical").library}
)


def asked(key: tuple[int, int]) -> dict[str, str]:
    """Return the track as somebody would ask for it."""
    return {"artist": artist(key[0]).name, "title": track(key).name}


async def test_a_known_track_says_where_and_a_new_one_that_it_is_new() -> None:
    result = await find_music(TOKEN, [asked(KNOWN), asked(NEW)])

    known, new = result["items"]
    assert known["item"]["uri"] == f"spotify:track:{track(KNOWN).id}"
    assert known["known"] == {"section": "top_tracks", "rank": 3}
    assert new["item"]["uri"] == f"spotify:track:{track(NEW).id}"
    assert new["known"] is None


async def test_searches_come_beside_the_five_calls_and_only_once(sandbox: Sandbox) -> None:
    first = await find_music(TOKEN, [asked(KNOWN), asked(NEW)])
    again = await find_music(sandbox_token(8, "typical", "legacy"), [asked(NEW)])

    assert (first["searches"], again["searches"]) == (2, 0)
    assert sandbox.stats.by_endpoint["search"] == 2
    assert sandbox.stats.total == 5 + 2 + 5


async def test_what_the_catalogue_has_not_is_not_found() -> None:
    result = await find_music(TOKEN, [{"artist": "Nobody At All", "title": "Never Written"}])

    (item,) = result["items"]
    assert (item["found"], item["reason"]) == (False, "not_found")


async def test_a_karaoke_version_is_never_the_song() -> None:
    result = await find_music(TOKEN, [asked(key) for key in [(index, 1) for index in range(12)]])

    found = [each["item"] for each in result["items"] if each["found"]]
    assert len(found) >= 10
    assert not any("Karaoke" in item["name"] or "Tribute" in item["artists"][0] for item in found)


async def test_wrong_items_are_a_failure_that_names_the_place() -> None:
    result = await find_music(TOKEN, [{"title": "Tide"}])

    assert (result["success"], result["error"]["code"]) == (False, "invalid_request")
    assert "$[0]" in result["message"]


async def test_a_rejected_token_is_a_failure_and_forgotten() -> None:
    token = sandbox_token(7, "typical", "legacy", "401-search")
    assert (await initialize_user_session(token))["success"]

    result = await find_music(token, [asked(NEW)])

    assert result["error"]["code"] == "spotify_token_rejected"


async def test_a_fault_of_the_search_costs_its_item_alone() -> None:
    result = await find_music(sandbox_token(7, "typical", "legacy", "404-search"), [asked(NEW)])

    assert result["success"]
    assert result["items"][0]["found"] is False


async def test_an_hours_searches_are_bounded(use: Configure) -> None:
    use(searches_per_hour=1)

    result = await find_music(TOKEN, [asked(KNOWN), asked(NEW)])

    assert [each["found"] for each in result["items"]].count(True) == 1
    assert "in this hour" in next(each for each in result["items"] if not each["found"])["message"]


async def test_the_plain_function_answers_the_same() -> None:
    plain = await asyncio.to_thread(lyra_agent.find_music, TOKEN, [asked(NEW)])

    assert plain["items"] == (await find_music(TOKEN, [asked(NEW)]))["items"]
