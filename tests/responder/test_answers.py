"""What is said is true and grammatical: of many, of one, of none, and of what was not read."""

import re
from dataclasses import replace

import pytest

from lyra.responder.listener import Artist, Credit, Genre, Listener, Section, Track
from lyra.responder.respond import respond
from tests.support.known_listeners import (
    EMPTY,
    HUM,
    LIGHTS,
    LISTENER,
    ONE,
    TRAM,
    VOICE,
    artist,
    play,
    track,
    without,
)
from tests.support.offline_judge import load_questions

ASKED = [
    "Which artists do I like?",
    "Which songs do I like?",
    "Which albums do I like?",
    "Which genres do I like?",
    "Which playlists do I have?",
    "What did I play lately?",
    "What did I play today?",
    "What did I play at night?",
    "When do I listen?",
    "What is on repeat?",
    "What should I play next?",
    "Which artists have I not played lately?",
    "Which of my top tracks are from the 1990s?",
    "Which decade do I like?",
    "What's my oldest song?",
    "What's my longest song?",
    "Do I have explicit songs?",
    "Which artist has the most songs in my top tracks?",
    "Which genres are my artists?",
    "Tell me about Velmora Dusk",
    "How often did I play Harbour Lights?",
    "Where does dream pop show?",
    "What's my largest playlist?",
    "Which playlists did I make?",
    "Which of my playlists fits a quiet evening?",
    "How many songs are in my playlists?",
    "Which parts of my listening can you see?",
    "What can you tell about my taste?",
]


def say(question: str, listener: Listener = LISTENER) -> str:
    return respond(question, listener, VOICE)


@pytest.mark.parametrize("question", ASKED)
@pytest.mark.parametrize("listener", [ONE, EMPTY], ids=["one", "none"])
def test_nothing_is_said_of_many_where_there_is_one_or_none(
    question: str, listener: Listener
) -> None:
    said = say(question, listener)

    wrong = r"\b(?:1 (?:artists|tracks|plays|genres|playlists|are|have)|0 |last 1 |all 1 |of 1,)"
    assert re.findall(wrong, said) == []


@pytest.mark.parametrize("question", ASKED)
def test_to_somebody_without_anything_nothing_is_told(question: str) -> None:
    said = say(question, EMPTY)

    assert "Spotify lists no" in said or "in none of what" in said or "did not understand" in said


@pytest.mark.parametrize(
    ("question", "section"),
    [
        ("Which artists do I like?", "artists"),
        ("Which songs do I like?", "tracks"),
        ("Which of my top tracks are from the 1990s?", "tracks"),
        ("What did I play lately?", "plays"),
        ("When do I listen?", "plays"),
        ("What should I play next?", "plays"),
        ("Which songs have I not played lately?", "plays"),
        ("Which playlists do I have?", "playlists"),
        ("Tell me about Velmora Dusk", "plays"),
        ("Which parts of my listening can you see?", "playlists"),
        ("Do I listen to the Howlers?", "tracks"),
    ],
)
def test_a_section_that_was_not_read_is_said_not_to_be(question: str, section: Section) -> None:
    said = say(question, without(section, "The drawer is locked."))

    assert "The drawer is locked." in said
    assert "Spotify lists no" not in said


def test_genres_that_come_with_unread_artists_are_not_said_to_be_none() -> None:
    gaps: dict[Section, str] = dict.fromkeys(("artists", "genres"), "Artists were not read.")
    listener = replace(LISTENER, artists=(), genres=(), gaps=gaps)

    assert say("Which genres do I like?", listener) == "Artists were not read."


def test_genres_of_somebody_without_artists_are_not_missing_at_spotify() -> None:
    listener = replace(LISTENER, artists=(), genres=())

    assert say("Which genres do I like?", listener) == "Spotify lists no top artists for you yet."


def test_where_artists_have_no_genre_that_is_said() -> None:
    listener = replace(LISTENER, genres=())

    assert say("my genres") == say("my genres", LISTENER)
    assert say("my genres", listener) == "Spotify names no genre for any of your artists."


def test_shares_that_are_not_known_are_not_told() -> None:
    listener = replace(LISTENER, genres=(Genre("dream pop"), Genre("shoegaze")))

    said = say("Which genres do I like?", listener) + say("Where does shoegaze show?", listener)

    assert "dream pop" in said
    assert "%" not in said


def test_where_all_favourites_were_just_played_that_is_said() -> None:
    listener = replace(LISTENER, plays=(play(LIGHTS), play(TRAM), play(HUM)))

    assert "All of your 3 top tracks are among the last 3 plays." in say("what next?", listener)


def test_of_more_playlists_than_were_read_both_numbers_are_told() -> None:
    said = say("How many playlists do I have?", replace(LISTENER, playlists_total=1200))

    assert said == "Spotify counts 1,200 playlists in your library; I have read 3 of them."


def test_episodes_among_the_last_plays_are_told() -> None:
    said = say("When do I listen?", replace(LISTENER, episodes=47))

    assert "the 3 music plays among the last 50 plays (47 podcast episodes" in said


def test_a_rank_that_spotify_does_not_tell_is_not_told() -> None:
    listener = replace(LISTENER, artists=tuple(replace(one, rank=None) for one in LISTENER.artists))

    assert "Velmora Dusk is among your 4 top artists." in say("Velmora Dusk?", listener)


def test_plays_are_counted_by_the_artist_and_not_by_the_name() -> None:
    first, second = Artist("Mirel", "id1", rank=1), Artist("Mirel", "id2", rank=2)
    songs = [
        Track(name, name, credits=(Credit("Mirel", key),))
        for name, key in (("A", "id1"), ("B", "id2"), ("C", "id1"))
    ]
    listener = replace(LISTENER, artists=(first, second), plays=tuple(map(play, songs)))

    said = say("How often did I play Mirel?", listener)

    assert "2 of the last 3 plays are theirs" in said
    assert "1 of the last 3 plays is theirs" in said


def test_two_artists_of_one_name_are_told_apart() -> None:
    twins = (artist("Mirel", 1), replace(artist("Mirel", 2), key="other"))

    assert "- Mirel (another of this name)" in say("my artists", replace(LISTENER, artists=twins))


def test_something_new_names_no_old_favourite() -> None:
    for question in ("Recommend something new", "a band I've never heard", "new music please"):
        said = say(question)

        assert "I can only name what is in your own lists" in said
        names = [one.name for one in LISTENER.artists[:3]]
        names += [one.name for one in LISTENER.tracks]
        assert [name for name in names if name in said] == []


def test_what_two_artists_have_in_common_is_counted() -> None:
    said = say("What do Velmora Dusk and Ostrin have in common?")

    assert "Spotify files both under dream pop." in said
    assert "Of your 3 top tracks, 1 is by Velmora Dusk and 1 by Ostrin." in said
    assert "Of the last 3 plays, 2 are by Velmora Dusk and 1 by Ostrin." in said


def test_a_cell_of_a_table_holds_no_border() -> None:
    odd = track("A | B", "C | D")
    listener = replace(LISTENER, plays=(play(odd), play(LIGHTS)))

    assert "| A \\| B | C \\| D | 1 |" in say("What did I play at 21:30?", listener)


def test_a_decline_is_one_sentence_that_says_what_can_be_asked() -> None:
    for question in ("What is the capital of France?", "Wer bin ich?", "asdf"):
        said = say(question)

        assert said.startswith("I did not understand")
        assert "questions in English about your top artists" in said
        assert said.count(". ") == 0


def test_every_question_of_the_table_is_answered_for_every_kind_of_listener() -> None:
    told = {
        (question.text, listener.name): respond(question.text, listener, VOICE)
        for question in load_questions()
        for listener in (LISTENER, ONE, EMPTY, replace(LISTENER, read_at=None, plays=()))
    }

    assert all(told.values())
    assert not [text for text in told.values() if "None " in text and "None of" not in text]
