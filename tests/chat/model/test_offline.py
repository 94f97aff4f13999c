"""Answers without a model: labelled, the same each time, and made of the listener's data alone."""

import re
from typing import Any

import pytest

from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import Service, Start
from tests.support.calls import call, chat
from tests.support.stream_grammar import Stream, read_stream

TOKEN = sandbox_token(7, "typical", "legacy")
LABEL = "Offline mode: no language model is configured"

QUESTIONS: dict[str, tuple[str, str]] = {
    "artists": ("Which artists do I listen to most?", "Your top artists"),
    "tracks": ("What are my top songs?", "Your top tracks"),
    "genres": ("Which genres do I like?", "Your genres, by share"),
    "recent": ("What did I play lately?", "Your latest plays, newest first"),
    "playlists": ("Show my playlists", "I have read"),
    "recommend": ("What should I play next?", "in none of the lists that I have read"),
    "help": ("What can you do?", "for example"),
}
SECTION = {
    "artists": ("scope-artists", "top_artists"),
    "tracks": ("404-tracks", "top_tracks"),
    "recent": ("scope-recent", "recently_played"),
    "playlists": ("html-playlists", "playlists"),
    "recommend": ("scope-tracks", "top_tracks"),
}
INTENTS = pytest.mark.parametrize("intent", QUESTIONS)


@pytest.fixture
async def offline(start: Start) -> Service:
    return await start(llm="offline")


async def ask(service: Service, intent: str, token: str = TOKEN) -> Stream:
    return await ask_words(service, QUESTIONS[intent][0], token)


async def ask_words(service: Service, question: str, token: str = TOKEN) -> Stream:
    return read_stream(await chat(service, token, {"message": question}))


async def profile(service: Service, token: str = TOKEN) -> dict[str, Any]:
    answer = await call(service, "GET", "/lyra/profile", headers=service.headers(token))
    view: dict[str, Any] = answer.json
    return view


@INTENTS
async def test_each_kind_of_question_has_its_answer_and_the_label(
    offline: Service, intent: str
) -> None:
    stream = await ask(offline, intent)

    assert stream.text.splitlines()[0].startswith(LABEL)
    assert QUESTIONS[intent][1] in stream.text
    assert (stream.metadata["model"], stream.metadata["offline"]) == ("lyra-offline", True)
    assert stream.ending == "stop"


@INTENTS
async def test_the_same_question_has_the_same_answer(offline: Service, intent: str) -> None:
    assert (await ask(offline, intent)).text == (await ask(offline, intent)).text


def bullets(text: str) -> list[str]:
    return [line.removeprefix("- ") for line in text.splitlines() if line.startswith("- ")]


@pytest.mark.parametrize("intent", SECTION)
async def test_a_section_that_is_missing_is_explained(offline: Service, intent: str) -> None:
    fault, section = SECTION[intent]
    token = sandbox_token(7, "typical", "legacy", fault)

    text = (await ask(offline, intent, token)).text

    assert re.search(r"I could not read your [a-z ]+ from Spotify\.", text)
    assert (await profile(offline, token))["sections"][section]["message"] in text
    assert bullets(text) == [] or intent == "recommend"


@pytest.mark.parametrize("intent", ["artists", "tracks", "recent", "recommend"])
async def test_a_listener_without_plays_is_told_so(offline: Service, intent: str) -> None:
    text = (await ask(offline, intent, sandbox_token(7, "empty", "legacy"))).text

    assert re.search("Spotify lists no [a-z ]+ for you", text)


async def test_where_spotify_sends_no_genres_that_is_said(offline: Service) -> None:
    text = (await ask(offline, "genres", sandbox_token(7, "typical", "restricted"))).text

    assert "Spotify names no genre for any of your artists." in text
    assert bullets(text) == []


async def test_only_the_last_message_is_answered(offline: Service) -> None:
    history = [
        {"role": "user", "content": "Which artists?"},
        {"role": "assistant", "content": "Those."},
    ]
    body = {"message": QUESTIONS["genres"][0], "history": history}

    stream = read_stream(await chat(offline, TOKEN, body))

    assert QUESTIONS["genres"][1] in stream.text


@pytest.mark.parametrize("level", ["full", "minimal"])
async def test_a_question_without_an_answer_is_not_answered_with_the_next(
    start: Start, level: str
) -> None:
    service = await start(llm="offline", llm_context=level)
    unanswered = [{"role": "user", "content": QUESTIONS[each][0]} for each in ("tracks", "recent")]
    stopped = [{"role": "assistant", "content": LABEL}, {"role": "user", "content": "And albums?"}]
    body = {"message": QUESTIONS["genres"][0], "history": [*unanswered, *stopped]}

    stream = read_stream(await chat(service, TOKEN, body))

    assert stream.text.endswith((await ask(service, "genres")).text.removeprefix(LABEL))


async def suggested(service: Service, token: str) -> list[str]:
    answer = await call(service, "GET", "/lyra/profile", headers=service.headers(token))
    questions: list[str] = answer.json["suggestions"]
    return questions


FALLBACKS = (
    "What can you tell about my taste?",
    "Which parts of my listening can you see?",
    "What should I listen to next?",
)


@pytest.mark.parametrize("regime", ["legacy", "restricted"])
@pytest.mark.parametrize(
    "persona", ["typical", "heavy", "new", "empty", "one_artist", "odd", "classical", "podcast",
                "local_files", "private_session", "huge_library", "no_scope_top", "no_scope_recent",
                "no_scope_playlists"],
)  # fmt: skip
async def test_every_question_that_the_page_offers_is_understood(
    offline: Service, persona: str, regime: str
) -> None:
    token = sandbox_token(7, persona, regime)
    offered = {*await suggested(offline, token), *FALLBACKS[:2]}
    asked = [*offered, *FALLBACKS[2:]]

    texts = {question: (await ask_words(offline, question, token)).text for question in asked}

    assert {q: t for q, t in texts.items() if "did not understand" in t or "not take" in t} == {}
    assert len({texts[question] for question in offered}) == len(offered)


async def test_no_model_is_asked(offline: Service, sandbox: Sandbox) -> None:
    await ask(offline, "artists")

    assert sandbox.stats.model_calls == 0


async def test_readiness_says_that_there_is_no_model(offline: Service) -> None:
    ready = (await call(offline, "GET", "/readyz")).json

    assert ready["dependencies"]["model"] == {
        "name": "lyra-offline",
        "offline": True,
        "tools": "on",
        "state": "ok",
    }


@INTENTS
async def test_every_kind_of_listener_gets_every_answer(offline: Service, intent: str) -> None:
    for persona in ("heavy", "new", "empty", "one_artist", "odd"):
        for regime in ("restricted", "legacy"):
            stream = await ask(offline, intent, sandbox_token(7, persona, regime))
            assert stream.ending == "stop"
            assert stream.text.startswith(LABEL)
