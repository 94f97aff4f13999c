"""Answers in rounds: the model calls tools, gets the results, and goes on."""

from itertools import count
from typing import Any

import orjson
import pytest
from aiohttp import web

from lyra.chat.ending_notices import EMPTY, EMPTY_END
from lyra.sandbox import Sandbox, sandbox_token
from lyra.sandbox.catalogue import artist, track
from lyra.sandbox.model_prompt import read_prompt
from tests.conftest import Service, Start
from tests.support.calls import call, chat, chatting, read_until
from tests.support.chat_runs import leave, run_of, stop
from tests.support.scripted_model import (
    Reply,
    ScriptedModel,
    event,
    scripted_model,
    stopped,
    streaming,
    tool_use,
    words,
)
from tests.support.stream_grammar import Stream, read_body, read_stream
from tests.support.waits import until

NEW = (1500, 0)  # an artist whom no listener of these tests plays
TITLE, ARTIST = track(NEW).name, artist(NEW[0]).name
SONG = {"artist": ARTIST, "title": TITLE}
USAGE = {"input_tokens": 100, "output_tokens": 10}


def asking(*calls: bytes, said: str = "Let me look. ", reason: str = "tool_use") -> Reply:
    """A turn of the model: words, then calls."""
    start = event("message_start", message={"usage": USAGE})
    return streaming(start, words(said) if said else b"", *calls, stopped(reason))


def saying(text: str) -> Reply:
    return streaming(event("message_start", message={"usage": USAGE}), words(text), stopped())


def find(*items: dict[str, str], index: int = 1) -> bytes:
    return tool_use("find_music", {"items": list(items)}, index=index)


def sent(model: ScriptedModel) -> list[dict[str, Any]]:
    return [orjson.loads(body) for body in model.sent]


def results(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The results in the last message of a request."""
    assert request["messages"][-1]["role"] == "user"
    content: list[dict[str, Any]] = request["messages"][-1]["content"]
    assert {block["type"] for block in content} == {"tool_result"}
    return content


async def answered(start: Start, model: ScriptedModel, **settings: Any) -> Stream:
    service = await start(llm_base_url=model.url, **settings)
    return read_stream(await chat(service))


async def test_a_found_song_is_told_to_the_model_and_gets_a_card_as_new(start: Start) -> None:
    async with scripted_model(asking(find(SONG)), saying(f"Try **{TITLE}** by {ARTIST}.")) as model:
        stream = await answered(start, model)

    [result] = results(sent(model)[1])
    [found] = orjson.loads(result["content"])["items"]
    assert (found["found"], found["known"]) == (True, None)
    assert found["item"]["name"] == TITLE
    [card] = stream.of("data-track")
    assert card["id"] == found["item"]["uri"]
    assert card["data"]["new"] is True
    assert card["data"]["note"] == "Not in your top tracks, recent plays or top artists."


async def test_a_known_song_is_told_as_known_and_is_not_new(start: Start) -> None:
    async with scripted_model(saying("Hello.")) as model:
        service = await start(llm_base_url=model.url)
        profile = (await call(service, "GET", "/lyra/profile", headers=service.headers())).json
        top = profile["top_tracks"][0]
        known = {"artist": top["artists"][0], "title": top["name"]}
        model.replies = [asking(find(known)), saying(f"You play **{top['name']}**.")]
        stream = read_stream(await chat(service))

    [result] = results(sent(model)[-1])
    [found] = orjson.loads(result["content"])["items"]
    assert found["known"] == {"section": "top_tracks", "rank": 1}
    assert all("new" not in card["data"] for card in stream.of("data-track"))


async def test_the_models_turn_is_replayed_whole_with_all_results_in_one_message(
    start: Start,
) -> None:
    thinking = (
        event("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""})
        + event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Hm."})
        + event(
            "content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2ln"}
        )
        + event("content_block_stop", index=0)
    )
    turn = streaming(
        thinking,
        words("First this. "),
        find(SONG, index=2),
        tool_use("nonsense", {"a": 1}, index=3, call_id="toolu_other"),
        stopped("tool_use"),
    )
    async with scripted_model(turn, saying("Done.")) as model:
        await answered(start, model)

    first, second = sent(model)
    question, replayed, _ = second["messages"]
    assert [question] == first["messages"]
    assert replayed == {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            {"type": "text", "text": "First this. "},
            {"type": "tool_use", "id": "toolu_2", "name": "find_music", "input": {"items": [SONG]}},
            {"type": "tool_use", "id": "toolu_other", "name": "nonsense", "input": {"a": 1}},
        ],
    }
    assert [each["tool_use_id"] for each in results(second)] == ["toolu_2", "toolu_other"]
    assert {name: first[name] for name in ("tools", "system")} == {
        name: second[name] for name in ("tools", "system")
    }


async def test_each_round_is_a_step_with_a_text_of_its_own(start: Start) -> None:
    async with scripted_model(asking(find(SONG)), saying("Here.")) as model:
        stream = await answered(start, model)

    kinds = [part["type"] for part in stream.parts if part["type"] != "data-status"]
    assert kinds == [
        "start",
        "start-step",
        "text-start",
        "text-delta",
        "text-end",
        "tool-input-start",
        "tool-input-available",
        "tool-output-available",
        "finish-step",
        "start-step",
        "text-start",
        "text-delta",
        "text-end",
        "finish-step",
        "finish",
    ]
    assert stream.text == "Let me look. \n\nHere."
    assert [
        part["data"]["title"] for part in stream.of("data-status") if "title" in part["data"]
    ] == [f"Looking up {TITLE}"]


@pytest.mark.parametrize("reason", ["tool_use", "max_tokens"])
async def test_words_behind_a_call_are_a_text_that_ends_with_the_round(
    start: Start, reason: str
) -> None:
    turn = streaming(words("Before."), find(SONG), words("Behind."), stopped(reason))
    async with scripted_model(turn, saying("Here.")) as model:
        stream = await answered(start, model)  # whose grammar wants no call within a text

    assert [part["id"] for part in stream.of("text-delta")][:2] == ["t1", "t2"]
    assert stream.text.startswith("Before.\n\nBehind.")
    assert len(stream.of("text-delta")) == (3 if reason == "tool_use" else 2)


async def test_the_receipt_counts_calls_and_searches_and_the_usage_of_all_rounds(
    start: Start,
) -> None:
    async with scripted_model(asking(find(SONG, SONG)), saying("Here.")) as model:
        stream = await answered(start, model)

    metadata = stream.parts[-1]["messageMetadata"]
    assert metadata["tools"] == {"calls": 1, "searches": 1, "refused": 0}
    assert metadata["usage"] == {"inputTokens": 200, "outputTokens": 20}


async def test_json_holds_the_words_of_all_rounds(start: Start) -> None:
    async with scripted_model(asking(find(SONG)), saying(f"**{TITLE}**, by {ARTIST}.")) as model:
        service = await start(llm_base_url=model.url)
        whole = (await chat(service, Accept="application/json")).json

    assert whole["response"] == f"Let me look. \n\n**{TITLE}**, by {ARTIST}."
    assert [each["new"] for each in whole["tracks"]] == [True]
    assert whole["tools"]["searches"] == 1


BAD_CALLS = {
    "no JSON": tool_use("find_music", '{"items": [{"artist"'),
    "no object": tool_use("find_music", "[1, 2]"),
    "another shape": tool_use("find_music", {"items": [{"artist": 7}]}),
    "too many": tool_use("find_music", {"items": [SONG] * 5_000}),
    "an unknown tool": tool_use("delete_everything", {}),
    "no name": tool_use("", {}),
    "more members": tool_use("find_music", {"items": [SONG], "now": True}),
    "nested without end": tool_use("find_music", '{"items":' + "[" * 5_000 + "]" * 5_000 + "}"),
}


@pytest.mark.parametrize("call", BAD_CALLS.values(), ids=BAD_CALLS)
async def test_a_call_that_cannot_be_made_gets_one_sentence_and_the_answer_goes_on(
    start: Start, call: bytes
) -> None:
    async with scripted_model(asking(call), saying("Then without.")) as model:
        stream = await answered(start, model)

    [result] = results(sent(model)[1])
    assert result["is_error"] is True
    assert 10 < len(result["content"]) < 400
    assert "Traceback" not in result["content"]
    [error] = stream.of("tool-output-error")
    assert error["errorText"] == result["content"]
    assert (stream.ending, stream.text) == ("stop", "Let me look. \n\nThen without.")


@pytest.mark.parametrize("reason", ["end_turn", "tool_use", "stop_sequence", ""])
async def test_complete_calls_count_and_not_the_reason_of_the_end(
    start: Start, reason: str
) -> None:
    async with scripted_model(asking(find(SONG), reason=reason), saying("Here.")) as model:
        stream = await answered(start, model)

    assert len(stream.of("tool-output-available")) == 1


@pytest.mark.parametrize("reason", ["max_tokens", "refusal"])
async def test_calls_of_a_turn_that_was_cut_are_not_made(
    start: Start, sandbox: Sandbox, reason: str
) -> None:
    async with scripted_model(asking(find(SONG), reason=reason)) as model:
        stream = await answered(start, model)

    assert len(model.sent) == 1
    assert sandbox.stats.by_endpoint["search"] == 0
    assert len(stream.of("tool-output-error")) == 1
    assert stream.parts[-1]["finishReason"] in ("length", "content-filter")


async def test_a_model_that_never_stops_calling_has_four_rounds(start: Start) -> None:
    async with scripted_model(asking(find(SONG), said="")) as model:
        stream = await answered(start, model)

    assert [each.get("tool_choice") for each in sent(model)] == [None, None, None, {"type": "none"}]
    assert len(stream.of("tool-output-error")) == 1  # the last call was not made
    assert stream.parts[-1]["messageMetadata"]["notice"]


async def test_twenty_calls_at_once_get_eight_results_and_twelve_refusals(start: Start) -> None:
    calls = [find(SONG, index=number) for number in range(1, 21)]
    async with scripted_model(asking(*calls), saying("Enough.")) as model:
        stream = await answered(start, model)

    content = results(sent(model)[1])
    assert [bool(each.get("is_error")) for each in content] == [False] * 8 + [True] * 12
    assert sent(model)[1]["tool_choice"] == {"type": "none"}
    assert len(stream.of("tool-output-available")) == 8


async def test_an_id_that_is_used_twice_is_sent_back_as_two(start: Start) -> None:
    twice = [tool_use("find_music", {"items": [SONG]}, index=n, call_id="toolu_x") for n in (1, 2)]
    async with scripted_model(asking(*twice), saying("Here.")) as model:
        await answered(start, model)

    request = sent(model)[1]
    used = [block["id"] for block in request["messages"][1]["content"] if "id" in block]
    assert len(set(used)) == 2
    assert [each["tool_use_id"] for each in results(request)] == used


@pytest.mark.parametrize("call_id", ["call_0", ""])
async def test_an_id_that_each_round_uses_anew_is_sent_back_as_several(
    start: Start, call_id: str
) -> None:
    """Servers that count from 0 in each answer of theirs, or send no id, are many."""
    block = {"type": "tool_use", "id": call_id, "name": "find_music", "input": {"items": [SONG]}}
    again = asking(event("content_block_start", index=1, content_block=block))
    async with scripted_model(again, again, again, saying("Here.")) as model:
        stream = await answered(start, model)

    read_prompt(model.sent[-1])  # raises for what the Messages API refuses
    used = [each["tool_use_id"] for each in results(sent(model)[-1])]
    assert len(used) == 1
    assert stream.ending == "stop"


async def test_what_a_budget_refuses_is_told_to_the_model_and_in_the_receipt(start: Start) -> None:
    songs = [{"artist": artist(index).name, "title": "Nowhere"} for index in range(1500, 1504)]
    async with scripted_model(asking(find(*songs)), saying("Some.")) as model:
        stream = await answered(start, model, searches_per_answer=2)

    found = orjson.loads(results(sent(model)[1])[0]["content"])["items"]
    refused = [each for each in found if each["reason"] == "answer"]
    receipt = stream.parts[-1]["messageMetadata"]["tools"]
    assert receipt["searches"] == 2
    assert receipt["refused"] == len(refused) > 0
    assert receipt["refusal"] == refused[0]["message"]


async def test_a_server_that_refuses_tools_is_asked_without_and_not_again(start: Start) -> None:
    async def picky(request: Any) -> Any:
        if b'"tools"' in model.sent[-1]:
            error = {"type": "invalid_request_error", "message": "tools: not supported"}
            return web.json_response({"type": "error", "error": error}, status=400)
        return await saying("Without tools.")(request)

    async with scripted_model(picky) as model:
        service = await start(llm_base_url=model.url)
        first, second = read_stream(await chat(service)), read_stream(await chat(service))
        ready = await _ready(service)

    assert first.text == second.text == "Without tools."
    assert ["tools" in each for each in sent(model)] == [True, False, False]
    assert ready["tools"] == "refused"


async def test_a_server_that_has_taken_tools_refuses_a_question_and_not_them(start: Start) -> None:
    async def too_long(_: Any) -> Any:
        error = {"type": "invalid_request_error", "message": "maximum context length is 8192"}
        return web.json_response({"type": "error", "error": error}, status=400)

    async with scripted_model(saying("One."), too_long, saying("Two."), saying("Three.")) as model:
        service = await start(llm_base_url=model.url)
        texts = [read_stream(await chat(service)).text for _ in range(3)]
        ready = await _ready(service)

    assert texts == ["One.", "Two.", "Three."]
    assert ["tools" in each for each in sent(model)] == [True, True, False, True]
    assert ready["tools"] == "on"


async def _ready(service: Service) -> dict[str, Any]:
    state: dict[str, Any] = (await call(service, "GET", "/readyz")).json["dependencies"]["model"]
    return state


async def test_a_tool_has_one_name_from_beginning_to_end(start: Start) -> None:
    calls = [tool_use("Find_Music", {}), tool_use("find_music", {}, index=2)]
    async with scripted_model(asking(*calls), saying("Done.")) as model:
        stream = await answered(start, model)

    for kind in ("tool-input-start", "tool-input-available"):
        assert [part["toolName"] for part in stream.of(kind)] == ["unknown", "find_music"]


NOTHING = streaming(event("message_start", message={"usage": USAGE}), stopped())


@pytest.mark.parametrize("said", ["Let me look. ", ""])
async def test_a_last_round_without_a_word_is_said_to_be_one(start: Start, said: str) -> None:
    async with scripted_model(asking(find(SONG), said=said), NOTHING) as model:
        stream = await answered(start, model)

    notice = stream.of("finish")[0]["messageMetadata"]["notice"]
    assert notice == (EMPTY_END if said else EMPTY)


async def test_every_face_says_that_the_last_round_had_no_word(start: Start) -> None:
    def turns() -> list[Reply]:
        return [asking(find(SONG)), NOTHING]

    body = {"model": "lyra", "messages": [{"role": "user", "content": "Anything new?"}]}
    async with scripted_model(*turns()) as model:
        service = await start(llm_base_url=model.url)
        headers = service.headers()
        json = (await chat(service, body={"message": "Anything new?", "stream": False})).json
        model.replies = turns()
        whole = (
            await call(service, "POST", "/v1/chat/completions", json=body, headers=headers)
        ).json
        model.replies = turns()
        streamed = await call(
            service, "POST", "/v1/chat/completions", json={**body, "stream": True}, headers=headers
        )

    assert (json["response"], json["notice"]) == ("Let me look. ", EMPTY_END)
    assert whole["choices"][0]["message"]["content"] == f"Let me look. \n\n{EMPTY_END}"
    assert orjson.dumps(f"\n\n{EMPTY_END}") in streamed.body


@pytest.mark.parametrize("settings", [{"tools": "off"}, {"llm_context": "none"}], ids=str)
async def test_no_tools_are_offered_where_they_are_off(
    start: Start, settings: dict[str, Any]
) -> None:
    async with scripted_model(saying("Yes.")) as model:
        stream = await answered(start, model, **settings)

    assert "tools" not in sent(model)[0]
    assert not stream.of("start-step")


async def test_with_minimal_context_the_model_does_not_learn_what_is_known(start: Start) -> None:
    async with scripted_model(asking(find(SONG)), saying("Here.")) as model:
        await answered(start, model, llm_context="minimal")

    [found] = orjson.loads(results(sent(model)[1])[0]["content"])["items"]
    assert "known" not in found
    names = [each["name"] for each in sent(model)[0]["tools"]]
    assert "get_listening" not in names


async def test_with_minimal_context_the_offline_mode_calls_new_only_what_is_new(
    start: Start,
) -> None:
    service = await start(llm="offline", llm_context="minimal")
    profile = (await call(service, "GET", "/lyra/profile", headers=service.headers())).json
    question = {"message": "Recommend some music that I do not know yet"}
    stream = read_stream(await chat(service, body=question))

    played = [play["track"] for play in profile["recently_played"]]
    known = {each["name"] for each in (*profile["top_tracks"], *played)}
    named = [line.split("**")[1] for line in stream.text.splitlines() if line.startswith("- **")]
    assert named
    assert known.isdisjoint(named)


async def test_a_failure_in_a_later_round_is_tried_again_and_repeats_nothing(start: Start) -> None:
    async def busy(_: Any) -> Any:
        return web.json_response({"type": "error"}, status=529)

    async with scripted_model(asking(find(SONG)), busy, saying("At last.")) as model:
        stream = await answered(start, model)

    assert stream.text == "Let me look. \n\nAt last."
    assert len(stream.of("tool-input-start")) == 1
    assert sent(model)[1] == sent(model)[2]


async def test_a_failure_after_words_of_a_later_round_ends_the_answer(start: Start) -> None:
    broken = streaming(words("Half"), event("error", error={"type": "overloaded_error"}))
    async with scripted_model(asking(find(SONG)), broken) as model:
        stream = await answered(start, model)

    assert stream.ending == "llm_unavailable"
    assert stream.text == "Let me look. \n\nHalf"
    assert len(model.sent) == 2


async def test_all_rounds_begin_with_the_time_of_the_question(start: Start) -> None:
    """What a later round repeats is read from the model's prompt cache only if it is the same."""
    hours = count(1_795_000_000.0, 3600.0)
    async with scripted_model(asking(find(SONG)), saying("Here.")) as model:
        service = await start(llm_base_url=model.url, wall_clock=lambda: next(hours))
        await chat(service)

    first, second = sent(model)
    assert second["messages"][0] == first["messages"][0]


async def test_a_failure_after_a_call_has_begun_ends_the_answer(start: Start) -> None:
    """Tried again, the reader would be shown the call twice."""
    broken = streaming(find(SONG), event("error", error={"type": "overloaded_error"}))
    async with scripted_model(broken, saying("At last.")) as model:
        stream = await answered(start, model)

    assert stream.ending == "llm_unavailable"
    assert len(stream.of("tool-input-start")) == len(model.sent) == 1


async def test_a_refusal_of_a_later_round_is_none_of_its_tools(start: Start) -> None:
    async def refusing(_: Any) -> Any:
        error = {"type": "invalid_request_error", "message": "no"}
        return web.json_response({"type": "error", "error": error}, status=400)

    async with scripted_model(asking(find(SONG)), refusing) as model:
        service = await start(llm_base_url=model.url)
        stream = read_stream(await chat(service))
        ready = await _ready(service)

    assert stream.ending == "llm_misconfigured"
    assert ["tools" in each for each in sent(model)] == [True, True]
    assert ready["tools"] == "on"


async def test_the_tools_are_the_same_bytes_for_every_listener_and_turn(start: Start) -> None:
    async with scripted_model(saying("Yes.")) as model:
        service = await start(llm_base_url=model.url)
        await chat(service)
        await chat(service, token="sandbox.8.heavy.restricted")

    tools = {body[body.index(b'"tools"') : body.index(b'"system"')] for body in model.sent}
    [only] = tools
    assert len(only) < 6_000


async def test_whoever_leaves_while_something_is_looked_up_ends_the_search(
    start: Start, sandbox: Sandbox
) -> None:
    async with scripted_model(asking(find(SONG)), saying("Here.")) as model:
        service = await start(llm_base_url=model.url)
        async with chatting(
            service, token=sandbox_token(7, "typical", "restricted", "hang-search")
        ) as reader:
            await read_until(reader, b'"phase":"searching"')
            await until(lambda: sandbox.stats.by_endpoint["search"] > 0)
            await leave(service, reader)
        await until(lambda: not service.services.lyra.catalogue.stats()["flights"])

    assert len(model.sent) == 1


async def test_an_answer_that_is_stopped_while_something_is_looked_up_ends_at_once(
    start: Start,
) -> None:
    token = sandbox_token(7, "typical", "restricted", "hang-search")
    async with scripted_model(asking(find(SONG)), saying("Here.")) as model:
        service = await start(llm_base_url=model.url)
        async with chatting(service, token=token) as reader:
            seen = await read_until(reader, b'"phase":"searching"')
            await stop(service, run_of(seen), token)
            stream = read_body(seen + await reader.read())
        await until(lambda: not service.services.lyra.catalogue.stats()["flights"])

    assert stream.ending == "abort"
    assert len(model.sent) == 1


async def test_a_search_that_hangs_costs_its_own_time_and_no_more(start: Start) -> None:
    token = sandbox_token(7, "typical", "restricted", "hang-search")
    async with scripted_model(asking(find(SONG)), saying("Without.")) as model:
        service = await start(llm_base_url=model.url, tool_timeout_s=0.1)
        stream = read_stream(await chat(service, token))

    [found] = orjson.loads(results(sent(model)[1])[0]["content"])["items"]
    assert found["reason"] == "timeout"
    assert stream.text == "Let me look. \n\nWithout."


async def test_a_token_that_spotify_refuses_in_a_search_is_forgotten(start: Start) -> None:
    token = sandbox_token(7, "typical", "restricted", "401-search")
    async with scripted_model(asking(find(SONG)), saying("Without.")) as model:
        service = await start(llm_base_url=model.url)
        read_stream(await chat(service, token))
        status = await call(service, "GET", "/lyra/status", headers=service.headers(token))

    [found] = orjson.loads(results(sent(model)[1])[0]["content"])["items"]
    assert found["reason"] == "token_rejected"
    assert status.json["cache_ready"] is False


def listening(**arguments: str) -> bytes:
    return tool_use("get_listening", arguments)


async def test_another_time_range_is_read_once_and_kept_with_the_listener(
    start: Start, sandbox: Sandbox
) -> None:
    call_it = asking(listening(section="top_tracks", range="short_term"))
    async with scripted_model(call_it, saying("First."), call_it, saying("Second.")) as model:
        service = await start(llm_base_url=model.url)
        await chat(service)
        stream = read_stream(await chat(service))

    assert sandbox.stats.by_endpoint["tracks"] == 2  # the usual one, and this
    first, second = (orjson.loads(results(sent(model)[n])[0]["content"]) for n in (1, 3))
    assert first == second
    assert (first["section"], first["range"]) == ("top_tracks", "short_term")
    assert [row["rank"] for row in first["rows"]] == list(range(1, len(first["rows"]) + 1))
    assert "Reading your top tracks of the last four weeks" in {
        part["data"].get("title") for part in stream.of("data-status")
    }


async def test_what_was_read_of_the_listener_has_cards_and_is_not_new(start: Start) -> None:
    async with scripted_model(saying("Hello.")) as model:
        service = await start(llm_base_url=model.url)
        model.replies = [asking(listening(section="top_tracks", range="long_term")), saying("Hm.")]
        await chat(service)
        rows = orjson.loads(results(sent(model)[-1])[0]["content"])["rows"]
        usual = (await call(service, "GET", "/lyra/profile", headers=service.headers())).json
        held = {track["name"] for track in usual["top_tracks"]}
        row = next(each for each in rows if each["name"] not in held and each["name"].isascii())
        song = {"artist": row["artists"][0], "title": row["name"]}
        model.replies = [
            asking(listening(section="top_tracks", range="long_term")),
            asking(find(song)),
            saying(f"You once played **{row['name']}** by {row['artists'][0]}."),
        ]
        stream = read_stream(await chat(service))

    [found] = orjson.loads(results(sent(model)[-1])[0]["content"])["items"]
    assert found["known"]["section"] in ("elsewhere", "recently_played")
    assert row["name"] in {card["data"]["name"] for card in stream.of("data-track")}
    assert not any("new" in card["data"] for card in stream.of("data-track"))


async def test_a_playlist_of_ones_own_is_read_by_its_name(start: Start) -> None:
    async with scripted_model(saying("Hello.")) as model:
        service = await start(llm_base_url=model.url)
        profile = (await call(service, "GET", "/lyra/profile", headers=service.headers())).json
        own = next(each for each in profile["playlists"] if each["owned"])
        other = next(each for each in profile["playlists"] if each["owned"] is False)
        model.replies = [
            streaming(
                listening(section="playlist", name=own["name"].upper()),
                tool_use("get_listening", {"section": "playlist", "uri": other["uri"]}, index=2),
                tool_use("get_listening", {"section": "playlist", "name": "None such"}, index=3),
                stopped("tool_use"),
            ),
            saying("Here."),
        ]
        await chat(service)

    mine, theirs, none = results(sent(model)[-1])
    playlist = orjson.loads(mine["content"])
    assert (playlist["name"], playlist["uri"]) == (own["name"], own["uri"])
    assert playlist["rows"]
    assert theirs["content"] == "This is possible with the listener's own playlists only."
    assert none["content"] == "The listener's data hold no such playlist."


@pytest.mark.parametrize(
    "arguments",
    [
        {"section": "playlist"},
        {"section": "top_tracks", "uri": "spotify:playlist:1"},
        {"section": "profile"},
        {"section": "top_tracks", "range": "for ever"},
        {"section": "playlist", "uri": "spotify:playlist:../../me"},
        {"section": "playlist", "uri": "x" * 301},
    ],
    ids=str,
)
async def test_a_wish_that_cannot_be_granted_asks_spotify_nothing(
    start: Start, sandbox: Sandbox, arguments: dict[str, str]
) -> None:
    async with scripted_model(asking(listening(**arguments)), saying("Then not.")) as model:
        await answered(start, model)

    [result] = results(sent(model)[1])
    assert result["is_error"] is True
    assert sandbox.stats.total == 5
