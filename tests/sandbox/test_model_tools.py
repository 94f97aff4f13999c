"""What the invented model looks up and what it says of it, over a socket."""

from collections.abc import Callable
from typing import Any

import pytest
from anthropic import AsyncAnthropic, DefaultAioHttpClient

from lyra.sandbox import Sandbox, sandbox_token
from tests.sandbox.conftest import SpotifyCaller
from tests.sandbox.model_chat import SYSTEM, TOOLS, ModelChat, found, not_found, read_stream

Ask = Callable[..., Any]

NEW = "[Tuesday 2026-12-01 08:00 UTC] Recommend some music I do not know yet"


@pytest.fixture
def chat(ask: Ask) -> ModelChat:
    return ModelChat(ask)


@pytest.mark.parametrize(
    "question",
    [
        NEW,
        "Recommend some music that I do not know yet",
        "make me a list of 10 songs I don't know",
        "Suggest 5 new songs",
        "What should I play next?",
        "Recommend music like Ostul Misha",
    ],
)
async def test_a_question_for_something_new_looks_songs_up(chat: ModelChat, question: str) -> None:
    message = await chat.say(question)

    assert message.text == "Let me look up some songs that you may not know yet."
    assert message.stop_reason == "tool_use"
    assert [call["name"] for call in message.calls] == ["find_music"]
    assert 6 <= len(message.calls[0]["input"]["items"]) <= 10


@pytest.mark.parametrize(
    "question",
    [
        "Who are my top artists?",
        "hello",
        "Which songs have I not played lately?",
        "Which song by Cyve Orave should I play?",
        "Make me a playlist",
        "What are my top artists of the last six months?",
        "asdf",
    ],
)
async def test_all_other_questions_are_answered_as_without_tools(
    chat: ModelChat, ask: Ask, question: str
) -> None:
    message = await chat.say(question)
    plain = await ModelChat(ask).say(question, tools=[])

    assert message.calls == []
    assert (message.text, message.stop_reason) == (plain.text, "end_turn")


async def test_what_is_looked_up_exists_but_for_one_title(
    chat: ModelChat, spotify: SpotifyCaller
) -> None:
    [call] = (await chat.say(NEW)).calls

    missing = []
    for item in call["input"]["items"]:
        query = f'track:"{item["title"]}" artist:"{item["artist"]}"'
        answer = await spotify.fetch("/search", sandbox_token(), q=query, type="track")
        if not answer.json["tracks"]["total"]:
            missing.append(item)
    assert len(missing) == 1
    artists = [item["artist"] for item in call["input"]["items"]]
    assert artists[-2:] == ["Cyve Orave", "Ostul Misha"]
    assert not {"Cyve Orave", "Ostul Misha"} & {*artists[:-2]}


async def test_only_what_is_found_and_new_is_recommended(chat: ModelChat) -> None:
    message = await chat.say(NEW)
    first, second, third, *rest = message.calls[0]["input"]["items"]
    known = found(third, {"section": "top_tracks", "rank": 1})
    results = [found(first), not_found(second), known, *map(found, rest)]

    said = await chat.answer(message, {"items": results})

    assert said.stop_reason == "end_turn"
    assert (
        f"- **{first['title']}** \u2013 {first['artist']}: hip hop, like your number 1 artist"
        in said.text
    )
    assert ": by your number 2 artist\n" in said.text
    assert second["title"] not in said.text
    assert third["title"] not in said.text
    assert said.text.count("\n- **") == 6
    assert said.text.endswith(
        "Of the 8 songs that I looked up, 1 is not in Spotify's catalogue and 1 is among your "
        "music already."
    )


async def test_whether_songs_are_known_is_told_only_where_the_results_say_it(
    chat: ModelChat,
) -> None:
    message = await chat.say(NEW)
    results = [found(item) for item in message.calls[0]["input"]["items"]]
    for result in results:
        del result["known"]

    said = await chat.answer(message, {"items": results})

    assert "in Spotify's catalogue; whether you know them I was not told:" in said.text
    assert "your lists" not in said.text


async def test_as_many_are_listed_as_were_asked_for(chat: ModelChat) -> None:
    message = await chat.say("Suggest 3 new songs")
    results = [found(item) for item in message.calls[0]["input"]["items"]]

    said = await chat.answer(message, {"items": results})

    assert said.text.count("\n- **") == 3


async def test_too_few_are_said_to_be_too_few(chat: ModelChat) -> None:
    message = await chat.say("make me a list of 10 songs I don't know")
    first, *rest = message.calls[0]["input"]["items"]

    said = await chat.answer(message, {"items": [found(first), *map(not_found, rest)]})

    assert "You asked for 10; more than 1 song I cannot stand for." in said.text


async def test_nothing_new_is_said_to_be_nothing(chat: ModelChat) -> None:
    message = await chat.say(NEW)
    items = message.calls[0]["input"]["items"]
    refused = [not_found(item, "answer") for item in items[:3]]

    said = await chat.answer(message, {"items": [*refused, *map(not_found, items[3:])]})

    assert said.text == (
        "I have found nothing that is new to you. Of the 8 songs that I looked up, 5 are not in "
        "Spotify's catalogue and 3 could not be looked up."
    )


@pytest.mark.parametrize("value", ["Spotify does not answer now.", {"items": None}, [], 7])
async def test_a_result_without_use_is_admitted(chat: ModelChat, value: object) -> None:
    message = await chat.say(NEW)

    said = await chat.answer(message, value)

    assert said.text.startswith("I wanted to look that up, but got no answer that I could use")
    assert said.calls == []


async def test_with_tool_choice_none_it_answers_in_words(chat: ModelChat) -> None:
    assert (await chat.say(NEW, tool_choice={"type": "none"})).calls == []


async def test_with_tool_choice_none_it_answers_from_the_results_it_has(chat: ModelChat) -> None:
    message = await chat.say(NEW)
    results = [found(item) for item in message.calls[0]["input"]["items"]]

    said = await chat.answer(message, {"items": results}, tool_choice={"type": "none"})

    assert said.text.count("\n- **") == 8


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "search_catalogue"}])
async def test_a_forced_call_is_made(chat: ModelChat, choice: dict[str, str]) -> None:
    message = await chat.say("hello", tool_choice=choice)

    assert message.calls[0]["name"] == choice.get("name", "find_music")
    assert message.stop_reason == "tool_use"


@pytest.mark.parametrize(
    ("question", "item"),
    [
        ("Is there a song called Paper Lantern by Ix Ora?",
         {"artist": "Ix Ora", "title": "Paper Lantern", "kind": "track"}),
        ("find \u201cPaper Lantern\u201d by Ix Ora",
         {"artist": "Ix Ora", "title": "Paper Lantern", "kind": "track"}),
        ("Is there an album called New Moon by Cyve Orave?",
         {"artist": "Cyve Orave", "title": "New Moon", "kind": "album"}),
    ],
)  # fmt: skip
async def test_a_named_item_is_looked_up(
    chat: ModelChat, question: str, item: dict[str, str]
) -> None:
    message = await chat.say(question)

    assert message.calls[0]["input"] == {"items": [item]}


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (found, "Yes: **Paper Lantern** \u2013 Ix Ora (1999). It is in none of your lists."),
        (not_found, "Spotify's catalogue shows nothing of that title by that artist."),
        (lambda item: not_found(item, "listener"), "I could not look that up just now, so I cannot say."),
    ],
)  # fmt: skip
async def test_a_named_item_is_told_to_exist_or_not(
    chat: ModelChat, result: Callable[[Any], Any], said: str
) -> None:
    message = await chat.say("Is there a song called Paper Lantern by Ix Ora?")

    answer = await chat.answer(message, {"items": [result(message.calls[0]["input"]["items"][0])]})

    assert answer.text == said


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("my all-time top artists", [("top_artists", "long_term")]),
        ("My top tracks of the last year?", [("top_tracks", "long_term")]),
        ("What was I listening to in the last month?",
         [("top_artists", "short_term"), ("top_tracks", "short_term")]),
    ],
)  # fmt: skip
async def test_another_range_is_read(
    chat: ModelChat, question: str, asked: list[tuple[str, str]]
) -> None:
    message = await chat.say(question)

    assert {call["name"] for call in message.calls} == {"get_listening"}
    inputs = [call["input"] for call in message.calls]
    assert [(each["section"], each["range"]) for each in inputs] == asked


async def test_parallel_calls_can_be_forbidden(chat: ModelChat) -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}

    message = await chat.say("What was I listening to in the last month?", tool_choice=choice)

    assert len(message.calls) == 1


async def test_the_rows_of_a_range_are_told(chat: ModelChat) -> None:
    message = await chat.say("What was I listening to in the last month?")
    artists = {"section": "top_artists", "range": "short_term", "rows": [{"name": "Zador"}]}
    rows = [{"name": "Late Garden", "artists": ["Rowen"]}]
    tracks = {"section": "top_tracks", "range": "short_term", "rows": rows}

    said = await chat.answer(message, artists, tracks)

    assert (
        "your top artists of the last four weeks, as Spotify ranks them:\n\n1. Zador" in said.text
    )
    assert "1. \u201cLate Garden\u201d by Rowen" in said.text


async def test_a_playlist_whose_address_is_known_is_read(chat: ModelChat) -> None:
    message = await chat.say("What is on my playlist Quiet desk?")
    uri = "spotify:playlist:0123456789abcdefghABCD"
    rows = [{"name": "Late Garden", "artists": [{"name": "Rowen"}]}]

    said = await chat.answer(message, {"section": "playlist", "uri": uri, "rows": rows})

    assert message.calls[0]["input"] == {"section": "playlist", "uri": uri}
    assert said.text.endswith("1 track that I can read:\n\n- \u201cLate Garden\u201d by Rowen")


@pytest.mark.parametrize(
    ("question", "kind"),
    [("Discover new artists", "artist"), ("Recommend 3 albums I don't know", "album")],
)
async def test_albums_and_artists_are_looked_up_where_they_are_asked_for(
    chat: ModelChat, question: str, kind: str
) -> None:
    message = await chat.say(question)
    items = message.calls[0]["input"]["items"]
    said = await chat.answer(message, {"items": [not_found(item) for item in items]})

    assert {item["kind"] for item in items} == {kind}
    assert all(("title" in item) == (kind == "album") for item in items)
    assert len({item["artist"] for item in items}) >= 3
    assert f"{len(items)} {kind}s that I looked up" in said.text


async def test_an_own_playlist_without_an_address_is_read_by_its_name(chat: ModelChat) -> None:
    own = await chat.say("What is on my playlist Kitchen?")
    system = SYSTEM.replace("Kitchen | 2 | own", "Kitchen | 2 | other's")
    others = await chat.answer(own, "No.", system=system)
    again = await chat.say("What is on my playlist Kitchen?", system=system)

    assert own.calls[0]["input"] == {"section": "playlist", "name": "Kitchen"}
    assert (others.calls, again.calls) == ([], [])


async def test_songs_of_earlier_answers_are_not_named_again(chat: ModelChat) -> None:
    message = await chat.say(NEW)
    results = [found(item) for item in message.calls[0]["input"]["items"]]
    await chat.answer(message, {"items": results})

    again = await chat.say(NEW)

    titles = {result["item"]["name"] for result in results}
    assert not titles & {item["title"] for item in again.calls[0]["input"]["items"]}


async def test_years_and_genres_of_the_question_are_kept(
    chat: ModelChat, spotify: SpotifyCaller
) -> None:
    message = await chat.say("Recommend 80s jazz songs I don't know")

    *_, item = message.calls[0]["input"]["items"][:2]
    query = f'track:"{item["title"]}" artist:"{item["artist"]}" year:1980-1989'
    answer = await spotify.fetch("/search", sandbox_token(), q=query, type="track")
    assert answer.json["tracks"]["total"]


async def test_an_empty_listener_gets_well_known_songs(chat: ModelChat) -> None:
    empty = "<listening_data>\n# top artists, ranked by Spotify: name | genres\n</listening_data>"

    assert len((await chat.say(NEW, system=empty)).calls[0]["input"]["items"]) == 8


async def test_without_listening_data_nothing_is_looked_up(chat: ModelChat) -> None:
    assert "told nothing" in (await chat.say(NEW, system="Rules.")).text


async def test_the_same_request_gets_the_same_message(ask: Ask) -> None:
    first, second = [await ModelChat(ask).say(NEW) for _ in range(2)]

    assert first.blocks == second.blocks


async def test_a_call_is_streamed_in_pieces_of_which_the_first_is_empty(chat: ModelChat) -> None:
    events = (await chat.say(NEW)).events
    [start] = [each for each in events if each.get("index") == 1 and "content_block" in each]
    deltas = [each["delta"] for each in events if each.get("index") == 1 and "delta" in each]

    assert start["content_block"]["id"].startswith("toolu_")
    assert start["content_block"]["input"] == {}
    assert {delta["type"] for delta in deltas} == {"input_json_delta"}
    assert deltas[0]["partial_json"] == ""
    assert len(deltas) > 3
    assert [each["type"] for each in events[-3:]] == [
        "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip
    assert events[-2]["usage"]["output_tokens"] > len(deltas)


async def test_max_tokens_can_cut_a_call(chat: ModelChat) -> None:
    async with chat._ask(NEW, **{**chat.fields, "max_tokens": 14}) as answer:
        message = read_stream(await answer.read())

    assert message.stop_reason == "max_tokens"
    assert message.inputs == ['{"items":[{"artist":"Cyb']


async def test_a_message_with_calls_can_come_whole(chat: ModelChat, ask: Ask) -> None:
    async with ask(NEW, **chat.fields, stream=False) as answer:
        whole = await answer.json()

    streamed = await chat.say(NEW)
    assert whole["content"] == streamed.blocks
    assert whole["stop_reason"] == "tool_use"


async def test_the_sdk_reads_a_call_and_answers_it(sandbox: Sandbox) -> None:
    asked: Any = {"role": "user", "content": NEW}
    common: dict[str, Any] = {
        "model": "sandbox-model", "max_tokens": 500, "system": SYSTEM, "tools": TOOLS,
    }  # fmt: skip
    async with AsyncAnthropic(
        base_url=sandbox.llm_url, api_key="x", http_client=DefaultAioHttpClient(), max_retries=0
    ) as client:
        async with client.messages.stream(**common, messages=[asked]) as stream:
            message = await stream.get_final_message()
        [call] = [block for block in message.content if block.type == "tool_use"]
        turn: Any = {"role": "assistant", "content": message.content}
        result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": '{"items":[]}'}
        answer = await client.messages.create(
            **common, messages=[asked, turn, {"role": "user", "content": [result]}]
        )

    assert message.stop_reason == "tool_use"
    assert answer.stop_reason == "end_turn"


async def test_tools_come_before_the_system_prompt_in_the_cache(chat: ModelChat) -> None:
    marked = [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}]
    plain = (await chat.say("hello", system=marked, tools=[])).events[0]["message"]["usage"]
    first = (await chat.say("hello", system=marked)).events[0]["message"]["usage"]
    second = (await chat.say("hello", system=marked)).events[0]["message"]["usage"]

    written = first["cache_creation_input_tokens"]
    assert written > plain["cache_creation_input_tokens"] + 50
    assert second["cache_read_input_tokens"] == written


async def test_another_list_of_tools_is_another_prefix(chat: ModelChat) -> None:
    marked = [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}]
    await chat.say("hello", system=marked)

    other = (await chat.say("hello", system=marked, tools=TOOLS[::-1])).events[0]["message"]

    assert other["usage"]["cache_read_input_tokens"] == 0


async def test_a_marked_tool_is_a_prefix_of_its_own(chat: ModelChat) -> None:
    tools = [*TOOLS[:2], {**TOOLS[2], "cache_control": {"type": "ephemeral"}}]
    await chat.say("hello", tools=tools)

    usage = (await chat.say("hello", tools=tools)).events[0]["message"]["usage"]

    assert 50 < usage["cache_read_input_tokens"] < 150
    assert usage["input_tokens"] > len(SYSTEM) // 4
