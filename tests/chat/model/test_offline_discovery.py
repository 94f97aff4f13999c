"""Without a language model, too, there is music that exists and is new to the listener."""

import re

import pytest

from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import Service, Start
from tests.support.calls import call, chat
from tests.support.stream_grammar import Stream, read_stream

ASKED = "Recommend some music that I do not know yet"


@pytest.fixture
async def offline(start: Start) -> Service:
    return await start(llm="offline")


async def ask(service: Service, question: str = ASKED, token: str | None = None) -> Stream:
    return read_stream(await chat(service, token, {"message": question}))


def listed(stream: Stream) -> list[str]:
    return re.findall(r"^- \*\*(.+?)\*\* \u2013 ", stream.text, re.MULTILINE)


async def test_a_recommendation_names_songs_by_own_artists_that_are_in_no_list(
    offline: Service,
) -> None:
    stream = await ask(offline)
    profile = (await call(offline, "GET", "/lyra/profile", headers=offline.headers())).json

    songs = listed(stream)
    cards = [card for card in stream.of("data-track") if card["data"].get("new")]
    played = [play["track"] for play in profile["recently_played"]]
    known = {track["uri"] for track in (*profile["top_tracks"], *played)}
    artists = {artist["name"] for artist in profile["top_artists"]}
    assert len(songs) == 6
    assert len(cards) >= 5  # one title is markup, which is no name in a text
    assert {card["data"]["name"] for card in cards} <= {*songs}
    for card in cards:
        assert card["id"] not in known
        assert artists & {*card["data"]["artists"]}


async def test_it_costs_a_search_for_each_artist(offline: Service, sandbox: Sandbox) -> None:
    stream = await ask(offline)

    assert stream.parts[-1]["messageMetadata"]["tools"]["searches"] == 3
    assert sandbox.stats.by_endpoint["search"] == 3


async def test_a_number_that_is_asked_for_is_kept(offline: Service) -> None:
    assert len(listed(await ask(offline, "Recommend 3 songs that I do not know yet"))) == 3


async def test_what_could_not_be_searched_is_said(offline: Service) -> None:
    stream = await ask(offline, token=sandbox_token(7, "typical", "restricted", "500-search"))

    assert listed(stream) == []
    assert "Spotify" in stream.text
    assert stream.ending == "stop"


async def test_a_listener_of_whom_nothing_is_known_gets_no_search(
    offline: Service, sandbox: Sandbox
) -> None:
    stream = await ask(offline, token=sandbox_token(7, "empty", "restricted"))

    assert listed(stream) == []
    assert sandbox.stats.by_endpoint["search"] == 0


async def test_without_tools_only_the_own_lists_are_named(start: Start, sandbox: Sandbox) -> None:
    service = await start(llm="offline", tools="off")
    stream = await ask(service)

    assert "nothing new" in stream.text or "cannot" in stream.text
    assert sandbox.stats.by_endpoint["search"] == 0
