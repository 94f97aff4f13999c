"""Clients that other people wrote read an answer in which Lyra has looked something up."""

import orjson
import pytest

from lyra.sandbox.catalogue import artist, track
from tests.conftest import Start
from tests.interop.conftest import Run
from tests.interop.test_clients import AI, readers, seen_by
from tests.support.scripted_model import Reply, scripted_model, stopped, streaming, tool_use, words

NEW = (1500, 0)
SONG = {"artist": artist(NEW[0]).name, "title": track(NEW).name}
BEFORE, AFTER = "One moment. ", f"Try **{SONG['title']}** by {SONG['artist']}."
LOOKS_UP: tuple[Reply, ...] = (
    streaming(
        words(BEFORE),
        tool_use("find_music", {"items": [SONG]}),
        tool_use("no_such_tool", {}, index=2),
        stopped("tool_use"),
    ),
    streaming(words(AFTER), stopped()),
)


@readers
async def test_it_reads_the_words_of_both_rounds(
    start: Start, run: Run, client: tuple[str, ...]
) -> None:
    async with scripted_model(*LOOKS_UP) as model:
        seen = await seen_by(run, await start(llm_base_url=model.url), *client)

    assert seen["text"].startswith(BEFORE.strip())
    assert seen["text"].endswith(AFTER)


@pytest.mark.parametrize("version", AI)
async def test_usechat_shows_what_was_looked_up(start: Start, run: Run, version: str) -> None:
    async with scripted_model(*LOOKS_UP) as model:
        seen = await seen_by(run, await start(llm_base_url=model.url), "ai_chat", version)

    assert (seen["status"], seen["error"]) == ("ready", None)
    assert seen["kinds"].count("step-start") == 2
    found, failed = seen["tools"]
    assert (found["toolName"], found["state"]) == ("find_music", "output-available")
    assert found["output"]["items"][0]["item"]["name"] == SONG["title"]
    assert failed["state"] == "output-error"
    assert failed["errorText"].endswith(".")


@pytest.mark.parametrize("version", AI)
async def test_usechat_goes_on_after_an_answer_with_tools(
    start: Start, run: Run, version: str
) -> None:
    async with scripted_model(*LOOKS_UP) as model:
        seen = await seen_by(run, await start(llm_base_url=model.url), "ai_chat", version, "3")

    assert (seen["status"], seen["error"]) == ("ready", None)
    assert seen["messages"] == ["user", "assistant"] * 3
    history = orjson.loads(model.sent[-1])["messages"]
    assert "tool_result" not in {
        block["type"]
        for each in history
        if isinstance(each["content"], list)
        for block in each["content"]
    }


async def test_agui_has_the_calls_and_their_results_and_goes_on(start: Start, run: Run) -> None:
    async with scripted_model(*LOOKS_UP) as model:
        seen = await seen_by(run, await start(llm_base_url=model.url), "agui", "2")

    assert seen["error"] is None
    assert seen["called"] == ["find_music", "unknown"]
    results = [content for role, content in seen["messages"] if role == "tool"]
    assert orjson.loads(results[0])["items"][0]["found"] is True
    assert results[1].endswith(".")
