"""docs/FAULTS.md names tests that exist, and every row of the table."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
FAULTS = (TESTS.parent / "docs" / "FAULTS.md").read_text("utf-8")
ROWS = {"S": 24, "L": 20, "C": 29, "X": 13, "R": 22}


def test_every_test_that_the_table_names_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", FAULTS)
    assert len(named) > 80
    for path, name in named:
        assert f"def {name}(" in (TESTS / path).read_text("utf-8"), f"{path}::{name}"


def test_every_row_is_in_the_table() -> None:
    told = set(re.findall(r"\b([SLCXR]\d+)\b", FAULTS))
    for kind, last in ROWS.items():
        for number in range(1, last + 1):
            assert f"{kind}{number}" in told
