"""Finding names costs what the answer and the names are long, whatever they are; counted in steps."""

import random

import pytest

from lyra.chat.mentions.cards import Effort, find_mentions
from lyra.listening.models import Artist, Listening, Playlist, Profile, Track

NAMES = 250
ANSWER = 65_536  # the most that an answer holds
BUDGET = 1_100_000  # what may come to reading both once, however they are made
DICE = random.Random(7)
ROWS = [" ".join(DICE.choice("xy") for _ in range(150)) for _ in range(NAMES)]

HOSTILE = {
    "one short name": ("ab ", ["ab"] * NAMES),
    "one letter each": ("a b c d e f g h ", list("abcdefgh") * (NAMES // 8)),
    "names that begin alike": ("ab ", [("ab " * each).strip() for each in range(1, 100)]),
    "names that end apart": ("ab ", ["ab " * 60 + f"c{each}" for each in range(NAMES)]),
    "two words in every order": (" ".join(ROWS[:40]) + " ", ROWS),
    "blanks": (" ", [" " * each for each in range(1, NAMES)]),
    "signs": ("!?", ["!?" * each for each in range(1, 140)]),
    "marks on one letter": ("\u0315\u0300", ["a" + "\u0315\u0300" * each for each in range(140)]),
    "letters that fold to more": ("\ufb03\u00df ", ["\u00df\u00df " * each for each in range(90)]),
    "without spaces": ("夜の", ["夜の" * each for each in range(1, 140)]),
    "names of 10,000 letters": ("ab ", ["ab" * 5000] * NAMES),
    "quotes": ("“ab” ", ["ab"] * NAMES),
}


def listener(names: list[str]) -> Listening:
    uri = "spotify:playlist:{}".format
    return Listening(
        Profile("vesna"),
        (),
        playlists=tuple(Playlist(name, uri=uri(at)) for at, name in enumerate(names)),
        top_artists=tuple(Artist(name, uri=f"spotify:artist:{name[:9]}") for name in names[:9]),
        top_tracks=tuple(
            Track(name, artists=tuple("ef"), uri=f"spotify:track:{at}")
            for at, name in enumerate(names[:50])
        ),
    )


def steps(text: str, names: list[str]) -> int:
    effort = Effort()
    find_mentions(text, listener(names), effort)
    return effort.steps


@pytest.mark.parametrize("kind", HOSTILE)
def test_twice_the_answer_takes_about_twice_the_steps_at_most(kind: str) -> None:
    unit, names = HOSTILE[kind]
    half = unit * (ANSWER // 2 // len(unit))

    assert steps(half * 2, names) <= 2.2 * steps(half, names) + NAMES


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_names_take_more_than_reading_and_a_bound(kind: str) -> None:
    unit, names = HOSTILE[kind]
    text = unit * (ANSWER // len(unit))

    assert steps(text, names) <= len(text) + sum(map(len, names)) * 2 + BUDGET


def test_names_shared_by_many_are_looked_for_once() -> None:
    text = "ab " * 10_000

    assert steps(text, ["ab"] * 200) <= 1.2 * steps(text, ["ab"] * 100)


def test_a_name_behind_a_long_answer_is_found() -> None:
    long = "the sea and the shore " * 2_500
    names = ["The Sea Wall", "夜の港", "!!!", "Nightglass", "Große Freiheit"]

    mentions = find_mentions(
        f"{long} The Sea Wall, 夜の港, Nightglass and Grosse Freiheit", listener(names)
    )

    assert {each.item.name for each in mentions} == set(names) - {"!!!"}


def test_each_of_many_items_of_one_name_is_named_at_a_place_of_its_own() -> None:
    mentions = find_mentions("Soft Mornings, and Soft Mornings", listener(["Soft Mornings"] * 5))

    assert len(mentions) == len({each.at for each in mentions}) == 2
