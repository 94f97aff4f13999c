"""`scripts/mutants.py`: its lists follow the source, the tests, and the tables of the documents.

Whether the mutants are caught is for `make mutants` to say.
"""

import ast
import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def _script() -> Any:
    spec = spec_from_file_location("mutants", ROOT / "scripts" / "mutants.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["mutants"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = _script()
MUTANTS = SCRIPT.mutants()


def table(page: str, title: str) -> dict[str, set[str]]:
    """The files of tests that each row of this page's table names."""
    text = (ROOT / page).read_text("utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", text, re.MULTILINE)
    return {says: set(re.findall(r"`(tests/[\w/]*test_\w+\.py)`", told)) for says, told in rows}


def listed(name: str) -> dict[str, set[str]]:
    """The files of tests that each row of this list's mutants name."""
    rows: dict[str, set[str]] = {}
    for mutant in SCRIPT.of_rows(name):
        files = {test.partition("::")[0] for test in mutant.runs[0]}
        rows.setdefault(mutant.row, set()).update(files)
    return rows


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.name)
def test_each_mutated_line_is_in_the_source_once_and_parses(mutant: Any) -> None:
    files = {each.file: each.source() for each in mutant.changes}
    for each in mutant.changes:
        assert each.source().count(each.line) == 1, f"mend the list: {each.line!r} is gone"
        files[each.file] = files[each.file].replace(each.line, each.instead)
        assert files[each.file] != each.source()
    for source in files.values():
        ast.parse(source)


def test_no_two_mutants_have_one_name() -> None:
    names = [mutant.name for mutant in MUTANTS]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.name)
def test_every_test_that_a_mutant_names_exists(mutant: Any) -> None:
    for named in (each for run in mutant.runs for each in run if not each.startswith("-")):
        file, _, name = named.partition("::")
        assert (ROOT / file).exists()
        assert not name or f"def {name.partition('[')[0]}(" in (ROOT / file).read_text("utf-8")


def test_every_test_named_for_a_promise_notices_its_breach() -> None:
    promises = table("docs/ARCHITECTURE.md", "Promises")

    assert promises | listed("promises") == promises
    assert set(listed("promises")) == set(promises) - {"promise", "---"}


def test_every_threat_let_in_is_noticed_by_a_test_of_its_row() -> None:
    threats = table("SECURITY.md", "Threats")

    assert all(files <= threats[row] for row, files in listed("threats").items())
