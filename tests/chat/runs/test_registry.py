"""The table of answers: what one listener has done costs nothing of what the others have."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from lyra.cache.keys import Key
from lyra.chat.parts import Finish, Start
from lyra.chat.request_schema import ChatInput, Turn
from lyra.chat.runs.event_log import EventLog
from lyra.chat.runs.registry import RunRegistry
from lyra.chat.runs.run import Run
from lyra.settings import Settings
from lyra.spotify.token import Token
from tests.support.steps import steps_of

TOKEN = Token("an-invented-token")


def owner(number: int) -> Key:
    return Key(f"{number:040x}")


async def keep(runs: RunRegistry, whose: Key, chat: str | None = None) -> Run:
    """An answer that has ended and is kept."""
    question = ChatInput((Turn("user", "x"),), chat_id=chat)
    async with runs.open_run(whose, TOKEN, question) as run:
        run.begin(Start(run.id, {}))
        run.add_text("word")
        run.end(Finish("stop", {}))
    return run


async def find(runs: RunRegistry, name: str) -> EventLog | None:
    found = await runs.find(owner(0), TOKEN, name)
    return None if found is None else found.log


@asynccontextmanager
async def opened(**changes: Any) -> AsyncIterator[RunRegistry]:
    runs = RunRegistry(Settings(**{"max_streams": 10_000, **changes}))
    try:
        yield runs
    finally:
        await runs.close()


async def test_forgetting_looks_at_nobody_elses_answers() -> None:
    async with opened() as runs:
        alone = await steps_of(runs.forget(owner(0)))
        for number in range(1, 1000):
            await keep(runs, owner(number))
        among_many = await steps_of(runs.forget(owner(0)))

        assert among_many == alone
        assert runs.stats()["kept"] == 999


async def test_forgetting_one_of_many_costs_what_that_one_has() -> None:
    async with opened() as runs:
        for number in range(3):
            await keep(runs, owner(0), f"chat-{number}")
        few = await steps_of(runs.forget(owner(0)))
        for number in range(300):
            await keep(runs, owner(number % 50 + 1))
        for number in range(3):
            await keep(runs, owner(0), f"chat-{number}")

        assert await steps_of(runs.forget(owner(0))) == few
        assert await runs.find(owner(0), TOKEN, "chat-1") is None
        assert runs.stats()["kept"] == 300


async def test_finding_stopping_and_reading_look_at_nobody_elses_answers() -> None:
    async with opened() as runs:

        async def each() -> None:
            await runs.find(owner(0), TOKEN, "chat")
            await runs.stop(owner(0), "chat")
            runs.stats()

        alone = await steps_of(each())
        for number in range(1, 500):
            await keep(runs, owner(number))

        assert await steps_of(each()) == alone


async def test_a_chat_means_its_newest_answer_until_that_is_forgotten() -> None:
    async with opened() as runs:
        old, new = [await keep(runs, owner(0), "chat") for _ in range(2)]

        assert await find(runs, "chat") is new
        assert await find(runs, old.id) is old
        await runs.forget(owner(0))
        assert [await find(runs, name) for name in ("chat", old.id)] == [None] * 2


async def test_nothing_is_left_of_a_listener_whose_answers_have_gone() -> None:
    async with opened(runs_max_bytes=1) as runs:
        for number in range(50):
            await keep(runs, owner(number))

        assert runs.stats()["kept"] == 0
        assert runs.stats()["kept_bytes"] == 0
