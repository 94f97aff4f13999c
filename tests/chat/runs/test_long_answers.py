"""Names of a long answer are looked for in a thread: its ending waits for them, but not for ever."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from lyra.chat.mentions.cards import SHORT_ANSWER
from tests.conftest import LONG_S, Start
from tests.support.calls import chat, chatting, init
from tests.support.chat_runs import CHAT, stop
from tests.support.scripted_model import scripted_model, stopped, streaming, words
from tests.support.stream_grammar import read_body, read_stream

LONG = "la " * SHORT_ANSWER


class HeldSearch:
    """A search for names that goes on until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, *_: object, **__: object) -> list[object]:
        self.begun.set()
        assert self.let_go.wait(LONG_S)
        return []


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldSearch]:
    search = HeldSearch()
    monkeypatch.setattr("lyra.chat.generation.find_mentions", search)
    yield search
    search.let_go.set()


@pytest.mark.parametrize(
    "deadlines",
    [{"token_timeout_s": 0.1}, {"answer_timeout_s": 2.0}],
    ids=["of a word", "of the answer"],
)
async def test_an_answer_whose_words_are_all_there_ends_well_without_its_cards(
    start: Start, held: HeldSearch, deadlines: dict[str, float]
) -> None:
    async with scripted_model(streaming(words(LONG), stopped())) as model:
        service = await start(llm_base_url=model.url, **deadlines)
        await init(service)
        stream = read_stream(await chat(service))

    assert held.begun.is_set()
    assert (stream.ending, stream.text) == ("stop", LONG)


async def test_a_stop_while_names_are_looked_for_is_an_abort(
    start: Start, held: HeldSearch
) -> None:
    async with scripted_model(streaming(words(LONG), stopped())) as model:
        service = await start(llm_base_url=model.url)
        async with chatting(service, body=CHAT) as response:
            assert await asyncio.to_thread(held.begun.wait, LONG_S)
            await stop(service, "chat-1")
            stream = read_body(await response.read())

    assert stream.ending == "abort"
    assert service.services.runs.stats()["live"] == 0


async def test_the_service_answers_others_while_names_are_looked_for(
    start: Start, held: HeldSearch
) -> None:
    async with scripted_model(streaming(words(LONG), stopped())) as model:
        service = await start(llm_base_url=model.url)
        async with chatting(service, body=CHAT) as response:
            assert await asyncio.to_thread(held.begun.wait, LONG_S)
            other = await init(service)
            held.let_go.set()
            stream = read_body(await response.read())

    assert other.status == 200
    assert stream.ending == "stop"
