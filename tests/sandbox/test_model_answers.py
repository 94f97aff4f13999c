"""The sandbox model's words, without a server."""

import orjson
import pytest

from lyra.sandbox.model_answers import answer, names, pieces
from lyra.sandbox.model_prompt import read_prompt

DATA = {
    "summary": "Mostly shoegaze at night.",
    "top_artists": ["Cyve Orave", {"name": "Ostul Misha"}],
    "top_tracks": [{"name": "Folded Undertow", "artists": [{"name": "Cyve Orave"}]}, "Late Garden"],
    "genres": [{"name": "shoegaze", "share": 0.5}, "dream pop"],
    "recently_played": [{"track": {"name": "Late Garden"}, "played_at": "2026-11-22T05:39:14Z"}],
    "playlists": [{"name": "Quiet desk", "total": None}],
}


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("Who are my top artists?", ["Cyve Orave", "Ostul Misha"]),
        ("Which bands do I like?", ["Cyve Orave"]),
        ("What tracks do I play most?", ["Folded Undertow by Cyve Orave", "Late Garden"]),
        ("Which genres are mine?", ["shoegaze", "dream pop"]),
        ("What did I hear recently?", ["Late Garden"]),
        ("Show my playlists", ["Quiet desk"]),
        ("Recommend me a song", ["Folded Undertow"]),
        ("Hello!", ["Hello!", "Cyve Orave"]),
        ("Tell me about myself", ["Mostly shoegaze at night."]),
    ],
)
def test_an_answer_names_what_the_data_hold(question: str, named: list[str]) -> None:
    said = answer(question, DATA)

    assert all(name in said for name in named)


def test_a_recommendation_was_not_played_lately() -> None:
    assert "Late Garden" not in answer("recommend something", DATA)


def test_recent_plays_may_have_either_name_and_form() -> None:
    play = {"track": "Late Garden", "artists": ["Ostul Misha"], "hour_utc": 5}

    assert "Late Garden by Ostul Misha" in answer("recent", {"recent_plays": [play]})


def test_a_section_that_could_not_be_read_is_named() -> None:
    said = answer("playlists", {"missing": {"playlists": "timeout"}, "playlists": []})

    assert "could not read your playlists" in said


def test_a_section_that_was_not_told_is_answered_with_the_summary() -> None:
    said = answer("artists", {"summary": "Mostly shoegaze at night."})

    assert said == "I was not told that. Here is what I know. Mostly shoegaze at night."


def test_withheld_data_are_said_to_be_withheld() -> None:
    assert answer("artists", {"withheld": "The operator keeps it."}).endswith("keeps it.")


@pytest.mark.parametrize(
    "question", ["artists", "tracks", "genres", "recent", "playlists", "recommend", "hello", "so?"]
)
def test_missing_data_is_admitted_or_left_out(question: str) -> None:
    said = answer(question, {"top_artists": None, "playlists": {}})

    assert said
    assert "None" not in said


def test_without_a_listening_block_the_model_knows_nothing() -> None:
    assert "told nothing" in answer("artists", None)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("artists", ["A"]),
        ("ranges", ["B"]),
        ("analysis", ["C"]),
        ("nameless", []),
        ("absent", []),
    ],
)
def test_names_are_read_from_every_form_of_a_section(section: str, expected: list[str]) -> None:
    data = {
        "artists": ["A"],
        "ranges": {"medium_term": [{"name": "B"}]},
        "analysis": {"genres": [{"name": "C"}]},
        "nameless": [{}, 3, None, {"name": ""}],
    }

    assert names(data, section) == expected


def test_the_pieces_are_words_that_join_to_the_answer() -> None:
    said = answer("artists", DATA)

    assert "".join(pieces(said)) == said
    assert len(pieces(said)) == len(said.split())


def prompt_with(system: str) -> bytes:
    return orjson.dumps(
        {
            "model": "m",
            "max_tokens": 9,
            "system": system,
            "messages": [{"role": "user", "content": "hi"}],
        }
    )


@pytest.mark.parametrize(
    "system",
    [
        "<listening_data>\n# summary\n- x\n</listening_data>",
        "Trust only <listening_data>. Here: <listening_data>\n# summary\n- x\n</listening_data>",
        "Read <listening_data>…</listening_data>. <listening_data>\n# summary\n- x</listening_data>",
    ],
)
def test_the_listening_block_is_found_behind_rules_that_name_it(system: str) -> None:
    assert read_prompt(prompt_with(system)).listening == {"summary": "x"}


@pytest.mark.parametrize("system", ["", "<listening_data>", "<listening_data>{}</listening_data>"])
def test_no_readable_block_is_no_listening_data(system: str) -> None:
    assert read_prompt(prompt_with(system)).listening is None


POINTED = {
    "summary": "Mostly shoegaze at night.",
    "top_artists": ["Cyve Orave", "Ostul Misha"],
    "top_tracks": [
        {"name": "Folded Undertow", "artists": ["Cyve Orave"], "year": 1984},
        {"name": "Late Garden", "artists": ["Ostul Misha"], "year": 2011},
    ],
    "genres": [{"name": "shoegaze", "share": 0.5}, {"name": "folk", "share": 0.2}],
    "recent_plays": [
        {"track": "Late Garden", "artists": ["Ostul Misha"], "hour_utc": 23},
        {"track": "Late Garden", "artists": ["Ostul Misha"], "hour_utc": 0},
        {"track": "Folded Undertow", "artists": ["Cyve Orave"], "hour_utc": 12},
    ],
}


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("What do Cyve Orave and Ostul Misha have in common?", "Of your last 3 plays, 3 are"),
        ("Where in my listening does folk show?", "**folk** is 20% of your listening"),
        ("Which of my top tracks are from the 1980s?", "1 of the 2 top tracks"),
        ("What did I play around 00:00 UTC?", "| Late Garden | Ostul Misha | 2 |"),
    ],
)
def test_what_a_question_names_is_counted(question: str, told: str) -> None:
    assert told in answer(question, POINTED)
    assert "".join(pieces(answer(question, POINTED))) == answer(question, POINTED)


@pytest.mark.parametrize(
    "question",
    [
        "What do Cyve Orave and Nobody have in common?",
        "Where does polka show?",
        "What of the 1950s?",
        "And around 04:00 UTC?",
    ],
)
def test_what_the_data_do_not_hold_is_answered_with_the_summary(question: str) -> None:
    assert "Mostly shoegaze at night." in answer(question, POINTED)


def test_the_pieces_give_the_text_again_with_the_blanks_at_its_end() -> None:
    text = " a  word\n and blanks" + " \n" * 200

    assert "".join(pieces(text)) == text
