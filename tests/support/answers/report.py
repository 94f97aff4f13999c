"""The worth of all answers of a model, as tables of docs/EVALUATION.md and for a terminal."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tests.support.answers.asked import Asked
from tests.support.answers.judge import Judgement, judge
from tests.support.answers.questions import Question
from tests.support.answers.truth import truth_of

HEAD = (
    "| model | answers | PASS | PARTIAL | FAIL | named | of them outside | cards | of them outside "
    "| wrong of Lyra's |\n|---|" + "---:|" * 9
)


class Judged(NamedTuple):
    """A question, its answer, and what that is worth."""

    question: Question
    asked: Asked
    judgement: Judgement


def judge_all(answers: Iterable[tuple[Question, Asked]]) -> list[Judged]:
    """Return the worth of all these answers."""
    return [
        Judged(question, asked, judge(question, asked, truth_of(question.token)))
        for question, asked in answers
    ]


def summary_row(name: str, judged: Sequence[Judged]) -> str:
    """Return the counts of one model as a row under `HEAD`."""
    worths = Counter(each.judgement.worth for each in judged)
    named = sum(each.judgement.named for each in judged)
    outside = sum(len(each.judgement.outside) for each in judged)
    cards = sum(each.judgement.cards for each in judged)
    cells = [
        len(judged), worths["PASS"], worths["PARTIAL"], worths["FAIL"],
        named, f"{outside} ({outside / max(1, named):.0%})",
        cards, sum(each.judgement.cards_outside for each in judged),
        sum(len(each.judgement.broken) for each in judged),
    ]  # fmt: skip
    return f"| {name} | {' | '.join(map(str, cells))} |"


def costs(judged: Sequence[Judged]) -> str:
    """Return what the answers took, on average and at most."""
    parts = []
    for name in ("rounds", "calls", "searches", "tokens"):
        spent = [getattr(each.asked, name) for each in judged if not each.asked.broken] or [0]
        parts.append(f"{name} {sum(spent) / len(spent):,.1f} (at most {max(spent):,})")
    invented = sum(each.judgement.invented for each in judged)
    return f"An answer takes: {', '.join(parts)}. Items named that exist nowhere: {invented}."


def kinds_table(judged: Sequence[Judged]) -> str:
    """Return the worth of the answers by kind of question, as a table in Markdown."""
    counts = Counter((each.question.kind, each.judgement.worth) for each in judged)
    rows = ["| kind | answers | PASS | PARTIAL | FAIL |", "|---|---:|---:|---:|---:|"]
    for kind in dict.fromkeys(each.question.kind for each in judged):
        numbers = [counts[kind, worth] for worth in ("PASS", "PARTIAL", "FAIL")]
        rows.append(f"| {kind} | {sum(numbers)} | {' | '.join(map(str, numbers))} |")
    return "\n".join(rows)


def failures_table(judged: Iterable[Judged]) -> str:
    """Return what did not pass, with the reasons, as a table in Markdown."""
    rows = ["| worth | question | why |", "|---|---|---|"]
    for question, _, judgement in judged:
        if judgement.worth != "PASS":
            rows.append(f"| {judgement.worth} | {question.text} | {'; '.join(judgement.reasons)} |")
    return "\n".join(rows)


def lines(judged: Iterable[Judged]) -> Iterator[str]:
    """Yield a line for each question: its worth, who asks what, and the reasons."""
    for question, asked, judgement in judged:
        reasons = f"\n         {'; '.join(judgement.reasons)}" if judgement.reasons else ""
        yield f"{judgement.worth:8} [{question.expected.listener}] {asked.question}{reasons}"
