"""The sandbox model's words, without a server."""

from datetime import UTC, datetime

import orjson
import pytest

from lyra.sandbox.model_answers import answer
from lyra.sandbox.model_blocks import pieces
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
        ("What tracks do I play most?", ["“Folded Undertow” by Cyve Orave", "“Late Garden”"]),
        ("Which genres are mine?", ["shoegaze (50%)", "dream pop"]),
        ("What did I hear recently?", ["Late Garden"]),
        ("Show my playlists", ["Quiet desk"]),
        ("Recommend me a song", ["Folded Undertow"]),
        ("Hello!", ["Hello!", "your top artists"]),
        ("Tell me about my taste", ["Cyve Orave and Ostul Misha", "shoegaze (50%)"]),
        ("What did I play on 22 November, around 05:30?", ["Late Garden"]),
        ("Who are you?", ["the invented model of this demo", "no language model"]),
    ],
)
def test_an_answer_names_what_the_data_hold(question: str, named: list[str]) -> None:
    said = answer(question, DATA)

    assert [name for name in named if name not in said] == []


def test_a_recommendation_was_not_played_lately() -> None:
    assert "- “Late Garden”" not in answer("recommend something", DATA)


@pytest.mark.parametrize(
    "question", ["What is the capital of France?", "Wie spät ist es?", "asdf", "私は誰ですか"]
)
def test_what_is_not_understood_is_said_in_one_sentence(question: str) -> None:
    said = answer(question, DATA)

    assert said.startswith("I did not understand")
    assert "in this demo, without a real language model, I can only answer" in said
    assert said.count(". ") == 0


def test_recent_plays_may_have_either_name_and_form() -> None:
    play = {"track": "Late Garden", "artists": ["Ostul Misha"], "hour_utc": 5}

    assert "“Late Garden” by Ostul Misha" in answer("recent", {"recent_plays": [play]})


def test_a_section_that_could_not_be_read_is_named() -> None:
    said = answer("playlists", {"missing": {"playlists": "timeout"}, "playlists": []})

    assert "could not read your playlists from Spotify. timeout" in said


def test_a_section_that_was_not_told_is_said_not_to_be() -> None:
    said = answer("artists", {"summary": "Mostly shoegaze at night."})

    assert said == "I was not told your top artists."


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


def test_of_messages_without_an_answer_the_last_is_answered() -> None:
    assert answer("Which artists?\n\nWhich genres?", DATA) == answer("Which genres?", DATA)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"top_artists": ["A"]}, "A"),
        ({"top_artists": {"medium_term": [{"name": "B"}]}}, "B"),
        ({"top_artists": [{}, 3, None, {"name": ""}]}, "Spotify lists no top artists for you yet."),
    ],
)
def test_names_are_read_from_every_form_of_a_section(data: dict[str, object], said: str) -> None:
    assert said in answer("artists", data)


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
        (
            "What do Cyve Orave and Ostul Misha have in common?",
            "Of the last 3 plays, 1 is by Cyve Orave and 2 by Ostul Misha.",
        ),
        ("Where in my listening does folk show?", "folk is 20% of the listening"),
        ("Which of my top tracks are from the 1980s?", "1 of the 2 top tracks"),
        ("What did I play around 00:00 UTC?", "| Late Garden | Ostul Misha | 2 |"),
        ("What did I play today?", "The days of the last 3 plays are not known"),
        ("What do Cyve Orave and Nobody have in common?", "I find only Cyve Orave"),
        ("Where does polka show?", "“polka” is in none of what I have of you"),
        ("What of the 1950s?", "None of the 2 top tracks whose year I know is from the 1950s."),
        ("And around 04:00 UTC?", "none ended between 03:00 and 05:00 UTC"),
    ],
)
def test_what_a_question_names_is_counted(question: str, told: str) -> None:
    assert told in answer(question, POINTED)
    assert "".join(pieces(answer(question, POINTED))) == answer(question, POINTED)


DATED = {
    "recent_plays": [
        {"track": "Late Garden", "artists": ["Ostul Misha"], "day": "2026-11-22", "time": "23:05"},
        {"track": "Late Garden", "artists": ["Ostul Misha"], "day": "2026-11-21", "time": "07:00"},
    ]
}


def test_today_is_the_day_on_which_the_question_was_asked() -> None:
    now = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)

    said = answer("What did I play today?", DATED, now)

    assert "Of the last 2 plays, 1 ended on 22 November 2026: “Late Garden”" in said
    assert "I do not know which day it is today" in answer("What did I play today?", DATED)


def test_the_time_of_a_question_stands_before_its_words() -> None:
    def asked(text: str) -> datetime | None:
        messages = [{"role": "user", "content": text}]
        body = {"model": "m", "max_tokens": 9, "messages": messages}
        return read_prompt(orjson.dumps(body)).asked_at

    assert asked("[Sunday 2026-11-22 23:30 UTC] Hi") == datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert asked("Hi") is asked("[Sunday 2026-11-99 23:30 UTC]") is None


def test_the_pieces_give_the_text_again_with_the_blanks_at_its_end() -> None:
    text = " a  word\n and blanks" + " \n" * 200

    assert "".join(pieces(text)) == text
