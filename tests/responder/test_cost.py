"""Reading a question costs what it is long, whatever it and the names are made of."""

import pytest

from lyra.responder.intents import MAX_LETTERS
from lyra.responder.listener import Listener, Playlist
from lyra.responder.respond import respond
from tests.support.known_listeners import VOICE
from tests.support.steps import steps_of

HOSTILE = {
    "one short name": ("ab ", ["ab"] * 50),
    "names that begin alike": ("ab ", [("ab " * each).strip() for each in range(1, 50)]),
    "words nobody knows": ("qwertzuiop ", ["x"]),
    "typos": ("artsts ", ["x"]),
    "numbers": ("1990 ", ["x"]),
    "clocks": ("between 9 and ", ["x"]),
    "negations": ("don't not ", ["x"]),
    "sentences": ("artists? ", ["x"]),
    "signs": ("!!", ["!!" * each for each in range(1, 50)]),
    "blanks": (" \t", ["x"]),
    "without spaces": ("夜の", ["夜の" * each for each in range(1, 50)]),
}


async def steps(unit: str, names: list[str], letters: int) -> int:
    listener = Listener(playlists=tuple(map(Playlist, names)))
    question = (unit * letters)[:letters]

    async def work() -> None:
        respond(question, listener, VOICE)

    return await steps_of(work())


@pytest.mark.parametrize("kind", HOSTILE)
async def test_twice_the_question_takes_about_twice_the_steps(kind: str) -> None:
    unit, names = HOSTILE[kind]
    await steps(unit, names, MAX_LETTERS)  # the vocabulary is read once
    none, half, whole = [
        await steps(unit, names, part) for part in (0, MAX_LETTERS // 2, MAX_LETTERS)
    ]

    assert whole - none <= 2.6 * (half - none) + 500


@pytest.mark.parametrize("kind", HOSTILE)
async def test_the_longest_question_has_a_bound_of_steps(kind: str) -> None:
    unit, names = HOSTILE[kind]
    await steps(unit, names, 10)

    assert await steps(unit, names, MAX_LETTERS) < 500_000
    assert await steps(unit, names, 32_768) < 1_000
