"""Prints the tables of docs/EVALUATION.md: how true and how useful answers are, over labelled sets.

make eval                     all parts
make eval ONLY=mentions       one of them
make eval MODEL=claude-sonnet-5    whole answers of a real model, with a report in a file (REPORT=FILE);
                              LYRA_LLM_BASE_URL and LYRA_LLM_API_KEY as for `lyra serve`
KIND="off topic"              of the whole answers only those to questions of one kind
STRICT=1                      fails where an answer of the good model or of MODEL is worth FAIL, or
                              where anything that Lyra answers for is wrong
"""

import argparse
import asyncio
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support import mention_scores, offline_table, prompt_sizes
from tests.support.answers import report
from tests.support.answers.models import GOOD, MODELS
from tests.support.answers.questions import Question, load_questions
from tests.support.answers.runner import ask_all, real_model
from tests.support.statements import bulk

PARTS: Mapping[str, Callable[[], str]] = {
    "statements": lambda: bulk.statements().table(),  # of 1,800 listeners: some minutes
    "mentions": mention_scores.table,
    "without a model": offline_table.table,
    "prompt sizes": lambda: prompt_sizes.as_markdown(asyncio.run(prompt_sizes.prompt_sizes())),
}


def main() -> None:
    """Print the tables of the parts that are asked for; exit 1 where `--strict` finds a fault."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=[*PARTS, "answers"], help="one part")
    parser.add_argument("--model", help="a real model, whose answers are judged")
    kinds = dict.fromkeys(each.kind for each in load_questions())
    parser.add_argument("--kind", choices=kinds, help="questions of one kind")
    parser.add_argument("--report", type=Path, help="where the report on that model is kept")
    parser.add_argument("--strict", action="store_true", help="exit 1 where an answer fails")
    asked = parser.parse_args()
    questions = [each for each in load_questions() if asked.kind in (None, each.kind)]
    if asked.model:
        passed = _judge_real(asked.model, questions, asked.report)
    else:
        for name, table in PARTS.items():
            if asked.only in (None, name):
                print(f"## {name.capitalize()}\n\n{table()}\n", flush=True)
        passed = asked.only not in (None, "answers") or _judge_invented(questions)
    sys.exit(asked.strict and not passed)


def _judge_invented(questions: Sequence[Question]) -> bool:
    """Print the worth of the answers of the sandbox's models; return whether it is as it has to be."""
    print(f"## Answers\n\n{report.HEAD}")
    judged = {}
    for name in MODELS:
        judged[name] = report.judge_all(asyncio.run(ask_all(MODELS[name], questions)))
        print(report.summary_row(name, judged[name]), flush=True)
    print(f"\n{_details(judged[GOOD])}\n")
    return _passed(judged[GOOD]) and all(map(_lyra_is_right, judged.values()))


def _judge_real(model: str, questions: Sequence[Question], file: Path | None) -> bool:
    """Judge the answers of a real model and keep the report; return whether none of them fails."""
    slug = re.sub(r"\W+", "-", model).strip("-")
    file = file or Path(tempfile.gettempdir()) / f"lyra-evaluation-{slug}.md"
    judged = report.judge_all(asyncio.run(ask_all(model, questions, real_model, _tell)))
    text = f"{report.HEAD}\n{report.summary_row(model, judged)}\n\n{_details(judged)}\n"
    said = "\n\n".join(f"### {each.asked.question}\n\n{each.asked.text}" for each in judged)
    file.write_text(f"# Answers of {model}\n\n{text}\n## What was said\n\n{said}\n", "utf-8")
    print(f"{text}\nKept, with all that was said, in {file}")
    return _passed(judged) and _lyra_is_right(judged)


def _tell(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


def _details(judged: Sequence[report.Judged]) -> str:
    lines = "\n".join(report.lines(judged))
    return f"{report.kinds_table(judged)}\n\n{report.costs(judged)}\n\n```\n{lines}\n```"


def _passed(judged: Sequence[report.Judged]) -> bool:
    return all(each.judgement.worth != "FAIL" for each in judged)


def _lyra_is_right(judged: Sequence[report.Judged]) -> bool:
    return not any(each.judgement.broken for each in judged)


if __name__ == "__main__":
    main()
