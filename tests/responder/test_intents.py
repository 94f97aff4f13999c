"""Which kind of question it is, what it denies, and what its answer cannot heed."""

from collections import Counter

import pytest

from lyra.responder.answers import ANSWERS
from lyra.responder.intents import MAX_LETTERS, Intent, understand
from lyra.responder.reading import phrases_in
from lyra.responder.rules import KINDS, RULES
from lyra.responder.vocabulary import BEYOND, PHRASES
from tests.support.known_listeners import LISTENER

SPECIAL = {"search", "beyond", "too_long", "denied", "unclear"}  # of no rule


def intents(question: str) -> tuple[Intent, ...]:
    return understand(question, LISTENER)


def kinds(question: str) -> list[str]:
    return [intent.kind for intent in intents(question)]


def test_every_kind_has_an_answer_and_a_rule() -> None:
    assert set(ANSWERS) == set(KINDS)
    assert {rule.kind for rule in RULES} == set(KINDS) - SPECIAL


def test_no_phrase_has_two_meanings() -> None:
    tables = [*PHRASES.values(), *BEYOND]
    counts = Counter(phrase for table in tables for phrase in set(phrases_in(table)))

    assert [phrase for phrase, number in counts.items() if number > 1] == []


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Don't recommend anything, just list my artists", ["artists"]),
        ("I don't want genres, show me songs instead", ["tracks"]),
        ("Not genres but artists", ["artists"]),
        ("Never mind playlists. My genres?", ["genres"]),
        ("Don't you know my artists?", ["artists"]),
        ("Isn't Ostrin in my top artists?", ["item"]),
        ("Can't you list my genres?", ["genres"]),
        ("I don't want artists", ["denied"]),
        ("no artists please", ["denied"]),
    ],
)
def test_what_is_denied_is_not_answered(question: str, expected: list[str]) -> None:
    assert kinds(question) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("my top artists and genres", ["artists", "genres"]),
        (
            "Hello! Which artists do I like? And which playlists do I have?",
            ["artists", "playlists"],
        ),
        ("Hi, thanks! Which albums?", ["albums"]),
        ("Hello, who are you?", ["who"]),
        ("artists? songs? genres? albums?", ["artists", "tracks", "genres"]),
        ("Which artists? Which artists?", ["artists"]),
    ],
)
def test_a_question_may_ask_for_several_things(question: str, expected: list[str]) -> None:
    assert kinds(question) == expected


@pytest.mark.parametrize(
    ("question", "kind", "unheeded"),
    [
        ("Show me my top artists from Norway", "artists", ("Norway",)),
        ("my top songs without Ostrin", "tracks", ("not Ostrin",)),
        ("my top 5 artists of the 1990s that I follow", "years", ("i follow",)),
        ("which of those tracks are from 1994", "years", ("those",)),
        ("the genres in my playlists of 2019", "years", ("genres", "playlists")),
        ("recommend a song for a wedding in my town", "recommend", ("wedding", "town")),
        ("Which songs do I like?", "tracks", ()),
    ],
)
def test_what_an_answer_does_not_heed_is_known(
    question: str, kind: str, unheeded: tuple[str, ...]
) -> None:
    [intent] = intents(question)

    assert (intent.kind, tuple(word.lower() for word in intent.unheeded)) == (
        kind,
        tuple(word.lower() for word in unheeded),
    )


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of France?",
        "Welche Musik höre ich gerne?",
        "qué artistas escucho más",
        "J'aime quels artistes?",
        "好きな歌手は誰",
        "asdf",
        "42",
        "?",
        "",
        "Translate 'top artists' into Latin and Greek",
        "Write a story about a band of penguins from Mars",
    ],
)
def test_what_is_not_understood_is_unclear(question: str) -> None:
    assert kinds(question) == ["unclear"]


def test_a_very_long_question_is_not_read() -> None:
    assert kinds("Which artists? " * (MAX_LETTERS // 10)) == ["too_long"]


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How often did I play Songs?", "item"),  # an artist of that name
        ("Which songs do I play?", "tracks"),
        ("songs", "tracks"),
        ("Is “songs” in my lists?", "item"),
        ("Who is On Repeat?", "item"),
        ("What is on repeat?", "repeated"),
        ("velmora dusk", "item"),
        ("VELMORA DUSK?", "item"),
        ("Where does dream-pop show?", "item"),
    ],
)
def test_a_name_of_common_words_counts_where_it_is_marked(question: str, kind: str) -> None:
    assert kinds(question) == [kind]
