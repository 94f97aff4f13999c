import pytest

from lyra.responder.words import Phrases, Spelling, split_words, words_of

SPELLING = Spelling(["artists", "genres", "playlist", "recommend", "song"])


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("artsts", "artists"),
        ("artissts", "artists"),
        ("ertists", "artists"),
        ("gernes", "genres"),
        ("playlists", "playlist"),
        ("recomend", "recommend"),
        ("artists", "artists"),
    ],
)
def test_a_word_with_one_mistake_is_corrected(typed: str, meant: str) -> None:
    assert SPELLING.correct(typed) == meant


@pytest.mark.parametrize("word", ["artless", "sing", "snog", "genre", "x" * 4000, "", "atrsits"])
def test_another_word_is_left_as_it_is(word: str) -> None:
    assert SPELLING.correct(word) == (word if word != "genre" else "genres")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What's Beyoncé's N°1?", ("what", "s", "beyonce", "s", "n", "1")),
        ("Don\u2019t stop", ("don", "t", "stop")),
        ("夜の歌", ("夜", "の", "歌")),
        ("rock'n'roll_live", ("rock", "n", "roll", "live")),
        ("!!!", ()),
    ],
)
def test_words_have_no_case_and_no_accents(text: str, words: tuple[str, ...]) -> None:
    assert words_of(text) == words


def test_words_know_where_they_stand() -> None:
    assert [text[1:] for text in split_words("Ab, cd")] == [(0, 2), (4, 6)]


def test_the_longest_phrase_wins_and_taken_words_are_left_alone() -> None:
    phrases = Phrases({("a",): 1, ("a", "b"): 2, ("c",): 3})

    found = list(phrases.find(["a", "b", "a", "c"], [False, False, False, True]))

    assert found == [(0, 2, 2), (2, 3, 1)]
