"""All running answers of one listener end at once, those included that have not begun yet."""

import asyncio

from lyra.cache.keys import KeyMaker
from lyra.chat.parts import Abort
from lyra.chat.request_schema import ChatInput, Turn
from lyra.chat.runs.registry import RunRegistry
from lyra.settings import Settings
from lyra.spotify.token import Token
from tests.support.producers import Work

KEYS = KeyMaker()
ONE, TWO = KEYS.key(Token("a-token-of-one")), KEYS.key(Token("a-token-of-two"))
TOKEN = Token("a-token-of-one")
ASKED = ChatInput((Turn("user", "Hi"),), resumable=True)


async def test_an_answer_that_was_stopped_before_its_work_began_is_never_made() -> None:
    runs, begun = RunRegistry(Settings()), asyncio.Event()

    async def work() -> None:
        begun.set()

    async with runs.open_run(ONE, TOKEN, ASKED) as run:
        runs.stop_all(ONE)
        runs.start(run, Work(work))
        await asyncio.sleep(0)
    await runs.close()

    assert run.ended
    assert not begun.is_set()
    assert (runs.stats()["live"], runs.stats()["kept"]) == (0, 0)


async def test_one_listeners_answers_are_stopped_and_lost_and_nobody_elses() -> None:
    runs, held = RunRegistry(Settings()), asyncio.Event()

    async def work() -> None:
        await held.wait()

    async with (
        runs.open_run(ONE, TOKEN, ASKED) as first,
        runs.open_run(ONE, TOKEN, ASKED) as second,
        runs.open_run(TWO, TOKEN, ASKED) as other,
    ):
        for run in (first, second, other):
            runs.start(run, Work(work))
        runs.stop_all(ONE)

        assert [run.ended for run in (first, second, other)] == [True, True, False]
        assert [type(part) for part in first.parts_of(Abort)] == [Abort]
        for run in (first, second):
            await run.wait_closed()
    held.set()
    await other.wait_closed()
    assert runs.stats()["kept"] == 0
    await runs.close()
