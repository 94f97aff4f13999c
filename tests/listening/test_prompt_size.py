"""How large the listener's data in the prompt are: no larger than as JSON, and as the page says."""

import re

import pytest

from tests.support.documents import ROOT, section
from tests.support.prompt_sizes import (
    FORMER,
    SEEDS,
    PromptSize,
    context_of,
    estimate_tokens,
    prompt_sizes,
)

_ROW = re.compile(r"^\| (\w+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", re.MULTILINE)


# Plays became shorter, and pay for genres, albums and descriptions where there are any.
WITHOUT_PLAYS = {"private_session": 1.15, "no_scope_recent": 1.15}


@pytest.mark.parametrize("persona", FORMER)
async def test_the_lines_are_not_larger_than_the_objects_were(persona: str) -> None:
    for seed, former in zip(SEEDS, FORMER[persona][0], strict=True):
        size = len((await context_of(persona, seed)).encode())
        assert size <= former * WITHOUT_PLAYS.get(persona, 1)


@pytest.mark.parametrize("seed", SEEDS)
async def test_long_titles_fit_a_context_of_eight_thousand_tokens(seed: int) -> None:
    assert estimate_tokens(await context_of("classical", seed)) < 8_000


async def test_the_page_tells_the_sizes_that_are_measured() -> None:
    page = section((ROOT / "docs" / "EVALUATION.md").read_text("utf-8"), "Prompt sizes")
    rows = [
        PromptSize(name, *(int(each.replace(",", "")) for each in numbers))
        for name, *numbers in _ROW.findall(page)
    ]
    sizes = await prompt_sizes()

    assert [row.listener for row in rows] == [size.listener for size in sizes]
    for row, size in zip(rows, sizes, strict=True):
        assert row[1:] == pytest.approx(size[1:], rel=0.05)
