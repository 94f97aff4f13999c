"""docs/PYTHON.md shows programs and what they print; all of it is true."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import lyra_agent
from lyra import agent
from lyra.sandbox import Sandbox
from tests.agent.conftest import Outcome

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "PYTHON.md").read_text("utf-8")
PRINTING = re.compile(r"```python\n([^`]*)```\n\n```text\n([^`]*)```")
EXAMPLES = PRINTING.findall(PAGE)


def test_every_example_on_the_page_shows_its_output() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") > 0


@pytest.mark.parametrize(("program", "printed"), EXAMPLES)
async def test_an_example_prints_what_the_page_says_and_nothing_else(
    program: str, printed: str, run: Callable[..., Awaitable[Outcome]]
) -> None:
    outcome = await run(program)

    assert outcome == Outcome(0, printed, "")


async def test_the_page_starts_with_variables_that_name_a_sandbox(
    sandbox: Sandbox, run: Callable[..., Awaitable[Outcome]]
) -> None:
    token = re.findall(r"SPOTIFY_TOKEN=(\S+)", PAGE)[0]
    outcome = await run(EXAMPLES[0][0], token)

    assert (outcome.code, sandbox.stats.total) == (0, 5)


def test_the_page_names_every_function() -> None:
    names = {*agent.__all__, *lyra_agent.__all__} - {"Answer", "CacheEntry", "Lyra"}

    assert {name for name in names if f"{name}" not in PAGE} == set()


def test_both_modules_have_the_same_functions() -> None:
    shared = {name for name in agent.__all__ if name.islower() and name != "open_lyra"}

    assert set(lyra_agent.__all__) - shared == {
        "CACHE_DURATION",
        "USER_CACHE",
        "get_user_cache_key",
    }
    assert shared <= set(lyra_agent.__all__)
