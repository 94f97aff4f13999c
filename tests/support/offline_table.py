"""How useful the answers without a model are, by kind of question.

`python -m tests.support.offline_table` prints the section of docs/EVALUATION.md.
"""

from collections import Counter
from collections.abc import Iterator

from lyra.chat.model.offline import VOICE, describe_listener
from lyra.responder.respond import respond
from tests.support.offline_judge import VERDICTS, Question, Verdict, fill, judge, load_questions
from tests.support.sandbox_listening import sandbox_listening

SEEDS = (7, 3, 12)


def answer(question: Question, seed: int) -> str:
    """Return what is said to the typical listener of this seed."""
    listening = sandbox_listening(seed, "typical")
    return respond(fill(question.text, listening), describe_listener(listening), VOICE)


def verdict(question: Question, seed: int) -> Verdict:
    """Return how useful that is."""
    return judge(question, answer(question, seed), sandbox_listening(seed, "typical"))


def table() -> str:
    """Return the table: for each kind the questions of all listeners by their verdict."""
    questions = load_questions()
    counts = Counter(
        (question.kind, verdict(question, seed)) for question in questions for seed in SEEDS
    )
    kinds = dict.fromkeys(question.kind for question in questions)
    return "\n".join(_rows(list(kinds), counts))


def _rows(kinds: list[str], counts: Counter[tuple[str, Verdict]]) -> Iterator[str]:
    yield f"| kind | answers | {' | '.join(VERDICTS)} |"
    yield "|---|---:|" + "---:|" * len(VERDICTS)
    for kind in kinds:
        yield _row(kind, [counts[kind, each] for each in VERDICTS])
    yield _row("**all**", [sum(counts[kind, each] for kind in kinds) for each in VERDICTS])


def _row(name: str, numbers: list[int]) -> str:
    return f"| {name} | {sum(numbers)} | {' | '.join(map(str, numbers))} |"


if __name__ == "__main__":
    print(table())  # noqa: T201 - that is what it is for
