"""A hundred natural questions, each judged by facts counted anew from the listener's data."""

from collections import Counter

import pytest

from tests.support.documents import ROOT, section
from tests.support.offline_judge import Question, judge, load_questions
from tests.support.offline_table import SEEDS, answer, table, verdict
from tests.support.sandbox_listening import sandbox_listening

QUESTIONS = load_questions()


def test_there_are_a_hundred_questions_and_more() -> None:
    assert len(QUESTIONS) >= 100


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.text[:40])
def test_each_question_has_a_useful_answer(question: Question) -> None:
    assert verdict(question, 7) == "useful"


@pytest.mark.parametrize("seed", SEEDS)
def test_no_listener_gets_a_wrong_answer(seed: int) -> None:
    verdicts = Counter(verdict(question, seed) for question in QUESTIONS)

    assert verdicts["wrong"] == 0
    assert verdicts["useful"] >= 0.85 * len(QUESTIONS)


def test_the_judge_accepts_no_other_listeners_answers() -> None:
    listening = sandbox_listening(7, "typical")
    about_data = [
        question for question in QUESTIONS if question.kind in ("plays", "names", "years")
    ]

    passed = [question.text for question in about_data if question.expect
              if judge(question, answer(question, 3), listening) == "useful"]  # fmt: skip

    assert passed == []


def test_the_judge_accepts_no_answer_to_another_question() -> None:
    listening = sandbox_listening(7, "typical")
    artists, genres = (
        question for question in QUESTIONS if question.expect in ("artists 10", "genre 1")
    )

    assert judge(artists, answer(genres, 7), listening) == "wrong"
    assert judge(genres, answer(artists, 7), listening) == "wrong"


def test_the_evaluation_page_has_the_table() -> None:
    page = (ROOT / "docs" / "EVALUATION.md").read_text("utf-8")

    assert table() in section(page, "Without a model")
