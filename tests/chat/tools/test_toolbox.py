"""The calls of one answer: each gets one result, and none costs more than it may."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import orjson
import pytest

from lyra.cache.entry import make_entry
from lyra.cache.expiry import Life
from lyra.cache.keys import KeyMaker
from lyra.cache.listeners import ListenerCache
from lyra.catalogue.budgets import SearchBudgets
from lyra.catalogue.search import CatalogueSearch
from lyra.chat.model.port import ToolCall
from lyra.chat.tools.toolbox import MAX_CALLS, TOOLS, AnswerTools, Toolbox
from lyra.clocks import wall_clock
from lyra.listening.models import SECTIONS, Listening, Playlist, Profile, Section, Track
from lyra.metrics import Metrics
from lyra.playlists.proposals import Proposals
from lyra.settings import Settings
from lyra.spotify.client import open_spotify
from lyra.spotify.token import Token
from tests.catalogue.conftest import FakeSearch, track
from tests.spotify.conftest import NoJitter

TOKEN = Token("token-of-a-listener")
KNOWN = Track("Low Tide", artists=("Velnora",), uri="spotify:track:known")
LISTENING = Listening(Profile("vesna"), (), top_tracks=(KNOWN,))
ENTRY = make_entry(LISTENING, level="full", life=Life(0.0, 80.0, 100.0, 150.0, 0.0))


def find(*titles: str, call: int = 0, artist: str = "Velnora") -> ToolCall:
    items = [{"artist": artist, "title": title} for title in titles]
    return ToolCall(call, f"toolu_{call}", "find_music", {"items": items})


@asynccontextmanager
async def opened(spotify: FakeSearch, **settings: Any) -> AsyncIterator[Toolbox]:
    read = Settings(spotify_api_url=spotify.url, **settings)
    metrics, keys = Metrics(), KeyMaker("x" * 32)
    async with open_spotify(read, metrics, rng=NoJitter()) as client:
        budgets = SearchBudgets(read, entries=10, wall_clock=wall_clock)
        search = CatalogueSearch(client, keys, budgets, clock=lambda: 0.0)
        nothing: Any = None
        listeners = ListenerCache(read, nothing, metrics, rng=Random(1), wall_clock=wall_clock)
        try:
            proposals = Proposals(read, keys, None, wall_clock=wall_clock)
            yield Toolbox(read, search, budgets, listeners, proposals)
        finally:
            await search.close()


async def outputs(tools: AnswerTools, *calls: ToolCall) -> list[Any]:
    """The output or the error of each call."""
    outcomes = await tools.run(tools.prepare(calls))
    return [outcome.error if outcome.output is None else outcome.output for outcome in outcomes]


async def test_what_is_found_is_told_with_where_it_is_known_from(spotify: FakeSearch) -> None:
    spotify.catalogue = [track("Low Tide", "Velnora"), track("High Tide", "Velnora")]
    async with opened(spotify) as box:
        [output] = await outputs(box.open(TOKEN, ENTRY), find("Low Tide", "High Tide", "No Tide"))

    low, high, missing = output["items"]
    assert low["known"] == {"section": "top_tracks", "rank": 1}
    assert high["known"] is None
    assert set(high["item"]) == {"uri", "name", "artists", "album", "year", "duration_ms"}
    assert (missing["found"], missing["reason"]) == (False, "not_found")


async def test_only_what_is_new_is_found_for_cards(spotify: FakeSearch) -> None:
    spotify.catalogue = [track("Low Tide", "Velnora"), track("High Tide", "Velnora")]
    async with opened(spotify) as box:
        tools = box.open(TOKEN, ENTRY)
        await outputs(tools, find("Low Tide", "High Tide"))

    assert [item.name for item in tools.new_items()] == ["High Tide"]


async def test_calls_run_together(spotify: FakeSearch) -> None:
    spotify.gate.clear()
    async with opened(spotify) as box:
        tools = box.open(TOKEN, ENTRY)
        calls = [find(title, call=n) for n, title in enumerate(("One", "Two", "Three"))]
        async with asyncio.TaskGroup() as group:
            running = group.create_task(outputs(tools, *calls))
            async with asyncio.timeout(5):  # less than one look-up may take
                await spotify.wait_asked(3)
            spotify.gate.set()

    assert len(running.result()) == 3


async def test_a_cancelled_answer_leaves_no_search(spotify: FakeSearch) -> None:
    spotify.gate.clear()
    async with opened(spotify) as box:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(outputs(box.open(TOKEN, ENTRY), find("One"), find("Two")))
            await spotify.wait_asked(2)
            running.cancel()
        assert running.cancelled()
        await spotify.left.wait()


async def test_an_answer_has_a_bound_of_calls_over_all_its_rounds(spotify: FakeSearch) -> None:
    async with opened(spotify) as box:
        tools = box.open(TOKEN, ENTRY)
        first = await outputs(tools, *[find("One") for _ in range(MAX_CALLS - 1)])
        left = tools.any_left
        second = await outputs(tools, find("One"), find("One"))

    assert (left, tools.any_left) == (True, False)
    assert all(isinstance(each, dict) for each in first)
    assert [isinstance(each, dict) for each in second] == [True, False]


async def test_a_call_that_cannot_be_made_is_one_of_those_too(spotify: FakeSearch) -> None:
    async with opened(spotify) as box:
        tools = box.open(TOKEN, ENTRY)
        await outputs(tools, *[ToolCall(n, f"toolu_{n}", "nonsense", {}) for n in range(MAX_CALLS)])

    assert not tools.any_left


async def test_a_tool_that_does_not_keep_its_time_is_ended(
    spotify: FakeSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("lyra.chat.tools.find_music.find_items", endless)
    monkeypatch.setattr("lyra.chat.tools.toolbox._GRACE_S", 0.01)
    async with opened(spotify, tool_timeout_s=0.01) as box, asyncio.timeout(5):
        [error] = await outputs(box.open(TOKEN, ENTRY), find("One"))

    assert error == "The look-up did not end in time. Answer with what you have."


async def test_a_result_that_would_crowd_out_the_conversation_is_an_error(
    spotify: FakeSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lyra.chat.tools.toolbox.MAX_RESULT_BYTES", 10)
    async with opened(spotify) as box:
        [error] = await outputs(box.open(TOKEN, ENTRY), find("One"))

    assert error == "The result is too large. Ask for less."


async def test_of_a_list_of_long_names_as_many_rows_are_told_as_fit(spotify: FakeSearch) -> None:
    name = "Ноктюрн до-диез минор " * 4
    tracks = [Track(f"{name}{n}", artists=(name, name), album=name, rank=n) for n in range(1, 51)]
    listening = Listening(
        Profile("vesna"), (Section("top_tracks", "ok", 50),), top_tracks=tuple(tracks)
    )
    entry = make_entry(listening, level="full", life=Life(0.0, 80.0, 100.0, 150.0, 0.0))
    wish = {"section": "top_tracks", "range": "medium_term"}
    async with opened(spotify) as box:
        [output] = await outputs(
            box.open(TOKEN, entry), ToolCall(0, "toolu_0", "get_listening", wish)
        )

    assert 20 < len(output["rows"]) < 50
    assert output["rows_left_out"] == 50 - len(output["rows"])
    assert [row["rank"] for row in output["rows"]] == [*range(1, len(output["rows"]) + 1)]


async def test_of_several_playlists_of_a_name_none_is_read(spotify: FakeSearch) -> None:
    addresses = [f"spotify:playlist:{number:022}" for number in range(2)]
    playlists = tuple([Playlist("Rain", uri=uri, owned=True) for uri in addresses])
    listening = Listening(Profile("vesna"), (), playlists=playlists)
    entry = make_entry(listening, level="full", life=Life(0.0, 80.0, 100.0, 150.0, 0.0))
    wish = {"section": "playlist", "name": "Rain"}
    async with opened(spotify) as box:
        [error] = await outputs(
            box.open(TOKEN, entry), ToolCall(0, "toolu_0", "get_listening", wish)
        )

    assert all(uri in error for uri in addresses)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_spotify_fails_is_a_sentence_of_ours(spotify: FakeSearch, status: int) -> None:
    spotify.faults = [status] * 20
    async with opened(spotify) as box:
        [output] = await outputs(box.open(TOKEN, ENTRY), find("One"))

    [item] = output["items"]
    assert item["found"] is False
    assert item["message"].endswith(".")


async def test_no_text_of_an_exception_reaches_the_model(
    spotify: FakeSearch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ValueError("Bearer token-of-a-listener")

    monkeypatch.setattr("lyra.chat.tools.find_music.find_items", broken)
    async with opened(spotify) as box:
        [error] = await outputs(box.open(TOKEN, ENTRY), find("One"))

    assert "token" not in error
    assert "this is a fault in Lyra" in caplog.text


@pytest.mark.parametrize("level", ["full", "minimal"])
async def test_the_offered_tools_are_valid_small_and_the_same(
    spotify: FakeSearch, level: str
) -> None:
    settings = {"llm": "anthropic", "llm_context": level}
    async with opened(spotify, **settings) as one, opened(spotify, **settings) as two:
        assert one.specification == two.specification
        specification = orjson.loads(one.specification)

    assert len(one.specification) < 6_000
    names = [each["name"] for each in specification]
    assert names == [tool.name for tool in TOOLS if level == "full" or tool.name != "get_listening"]
    for each in specification:
        assert each["input_schema"]["type"] == "object"
        assert each["input_schema"]["additionalProperties"] is False


async def test_titles_for_people_show_nothing_invisible(spotify: FakeSearch) -> None:
    async with opened(spotify) as box:
        tools = box.open(TOKEN, ENTRY)
        one, many = tools.prepare([find("Ti\u202ede\n\x1b[31m"), find("One", "Two")])

    assert one.title == "Looking up Tide [31m"
    assert many.title == "Looking up 2 songs"
    assert one.arguments == {
        "items": [{"artist": "Velnora", "title": "Tide [31m", "kind": "track"}]
    }


async def test_a_free_search_lists_what_spotify_shows_within_its_limit(
    spotify: FakeSearch,
) -> None:
    spotify.catalogue = [track(f"Tide {n}", "Velnora") for n in range(12)]
    async with opened(spotify) as box:
        arguments = {"query": 'artist:"Velnora"', "kind": "track", "limit": 4}
        call = ToolCall(0, "toolu_0", "search_catalogue", arguments)
        [output] = await outputs(box.open(TOKEN, ENTRY), call)

    assert [item["name"] for item in output["items"]] == [f"Tide {n}" for n in range(4)]
    assert {item["known"] for item in output["items"]} == {None}


@pytest.mark.parametrize(
    "arguments",
    [{}, {"query": "x" * 201}, {"query": " "}, {"query": "x", "limit": 11}, {"query": "x", "limit": 0},
     {"query": "\u200b\u202e"}, {"query": "x", "kind": "playlist"}, {"query": 7}, {"query": "x", "offset": 1}],
    ids=str,
)  # fmt: skip
async def test_a_free_search_that_spotify_would_refuse_is_not_sent(
    spotify: FakeSearch, arguments: dict[str, Any]
) -> None:
    async with opened(spotify) as box:
        call = ToolCall(0, "toolu_0", "search_catalogue", arguments)
        [error] = await outputs(box.open(TOKEN, ENTRY), call)

    assert error.startswith(("The input is not as expected", "The query has no words"))
    assert spotify.asked == []


async def test_a_free_search_that_a_budget_refuses_is_an_error_and_in_the_receipt(
    spotify: FakeSearch,
) -> None:
    async with opened(spotify, searches_per_answer=1) as box:
        tools = box.open(TOKEN, ENTRY)
        calls = [
            ToolCall(n, f"toolu_{n}", "search_catalogue", {"query": word, "kind": "artist"})
            for n, word in enumerate(("one", "two"))
        ]
        found, refused = await outputs(tools, *calls)

    assert found["items"] == []
    assert tools.receipt() == {"calls": 2, "searches": 1, "refused": 1, "refusal": refused}


async def test_nothing_is_called_new_where_no_list_could_be_read(spotify: FakeSearch) -> None:
    spotify.catalogue = [track("High Tide", "Velnora")]
    unread = tuple(Section(name, "timeout") for name in SECTIONS)
    life = Life(0.0, 80.0, 100.0, 150.0, 0.0)
    entry = make_entry(Listening(Profile("vesna"), unread), level="full", life=life)
    async with opened(spotify) as box:
        tools = box.open(TOKEN, entry)
        [output] = await outputs(tools, find("High Tide"))

    assert output["known_checked_in"] == []
    [item] = tools.new_items()
    assert tools.why_new(item) is None
