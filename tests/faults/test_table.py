"""docs/FAULTS.md names tests that exist, in every row of every table."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FAULTS = (TESTS.parent / "docs" / "FAULTS.md").read_text("utf-8")
# How many faults each table has at least.
TABLES = {
    "Spotify": 33,
    "Saving a playlist": 15,
    "The model": 28,
    "Clients": 42,
    "The process": 17,
    "Redis": 32,
}
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def rows(title: str) -> list[str]:
    """The rows of the table below this heading."""
    text = FAULTS.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| .+ \|$", text, re.MULTILINE)[1:]


def test_every_test_that_the_table_names_exists() -> None:
    named = NAMED.findall(FAULTS)
    assert len(named) > 80
    for path, name in named:
        assert f"def {name}(" in (TESTS / path).read_text("utf-8"), f"{path}::{name}"


@pytest.mark.parametrize("title", TABLES)
def test_every_fault_names_a_test_and_none_is_lost(title: str) -> None:
    assert len(rows(title)) >= TABLES[title]
    assert [row for row in rows(title) if not NAMED.search(row)] == []
