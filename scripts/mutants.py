"""Breaks the source in one place at a time, and shows which test notices.

    make mutants                 every mutant; JOBS=1 one at a time, where the machine is busy
    make mutants ONLY=fence      those with this word in their name, their row or a file

Works on copies; nothing here is changed. `mutations/cache.toml` breaks the cache: each of its mutants
meets the storm alone, then all other tests of the cache. `promises.toml` and `threats.toml` break what
the rows of docs/ARCHITECTURE.md's and SECURITY.md's tables say, `tools.toml` the tools of an answer and
the catalogue, `playlists.toml` what is proposed and saved: each of these meets the tests that it
names, and no others. Exits 1 when a mutant lives, or when its line is no longer in the source: then
the list has to follow (`tests/scripts/test_mutants.py` holds that without running any).
"""

import argparse
import queue
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
LISTS = Path(__file__).parent / "mutations"
_COPIED = ("src", "tests", "docs", "scripts")
_BOUND_S = 1800  # of one run; each test has a bound of its own
_OPTIONS = ("-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider")
_BY_ROW = ("promises", "threats", "tools", "playlists", "others")


class Change(NamedTuple):
    """One place of one file below `src/lyra`, and what stands there instead."""

    file: str
    line: str
    instead: str

    def source(self) -> str:
        """The file as it is, unharmed."""
        return (ROOT / "src" / "lyra" / self.file).read_text("utf-8")


class Mutant(NamedTuple):
    """What is broken, of which row of which table, and the runs of tests that have to notice."""

    name: str
    row: str
    changes: tuple[Change, ...]
    runs: tuple[tuple[str, ...], ...]  # one at least of these runs has to fail


def mutants(only: str = "") -> list[Mutant]:
    """All mutants of the lists with this word in their name, their row or a file."""
    found = [*_of_cache(), *(each for name in _BY_ROW for each in of_rows(name))]
    return [each for each in found if only.lower() in _searched(each)]


def _searched(mutant: Mutant) -> str:
    return " ".join((mutant.name, mutant.row, *(each.file for each in mutant.changes))).lower()


def _of_cache() -> Iterator[Mutant]:
    listed = _read("cache")
    storm = listed["storm"]
    runs = ((storm,), (listed["tests"], f"--ignore={storm}"))
    for each in listed["mutant"]:
        yield Mutant(each["name"], "the cache", _changes(each), runs)


def of_rows(name: str) -> Iterator[Mutant]:
    """The mutants of this list, which belong to rows of a table."""
    for row in _read(name)["row"]:
        for each in row["mutant"]:
            yield Mutant(each["name"], row["says"], _changes(each), (tuple(each["tests"]),))


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((LISTS / f"{name}.toml").read_text("utf-8"))


def _changes(listed: dict[str, Any]) -> tuple[Change, ...]:
    """Most are one change; where two lines hold the same fact, both have to go."""
    places = [listed, *listed.get("and", ())]
    return tuple(Change(each["file"], each["line"], each["instead"]) for each in places)


class Copy:
    """A copy of the project with an environment of its own, which sees nothing but the copy.

    The processes that tests start get no variables, so it is the interpreter that has to know.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        for name in _COPIED:
            shutil.copytree(ROOT / name, root / name, ignore=ignored)
        for path in ROOT.glob("*.*"):
            if path.is_file():
                shutil.copy(path, root)
        shutil.copytree(ROOT / "requirements", root / "requirements")
        for name in ("Makefile", ".env.example", "LICENSE"):
            shutil.copy(ROOT / name, root)
        venv.create(root / ".venv", symlinks=True)
        (packages,) = (root / ".venv").glob("lib/python*/site-packages")
        installed = next(each for each in sys.path if each.endswith("site-packages"))
        (packages / "project.pth").write_text(f"{root / 'src'}\n{installed}\n", "utf-8")

    @contextmanager
    def broken(self, mutant: Mutant) -> Iterator[None]:
        """Have the mutant in place for the length of the block."""
        before = {each.file: self._path(each).read_text("utf-8") for each in mutant.changes}
        try:
            for each in mutant.changes:
                source = self._path(each).read_text("utf-8")
                self._write(self._path(each), source.replace(each.line, each.instead))
            yield
        finally:
            for name, source in before.items():
                self._write(self.root / "src" / "lyra" / name, source)

    def _path(self, change: Change) -> Path:
        return self.root / "src" / "lyra" / change.file

    def _write(self, path: Path, source: str) -> None:
        path.write_text(source, "utf-8")
        # What was compiled is told from the rest by second and size, which may both be the same.
        Path(cache_from_source(str(path))).unlink(missing_ok=True)

    def first_failure(self, *chosen: str) -> str:
        """The test of these that fails first; empty if none does, without `::` if none was run."""
        try:
            done = subprocess.run(  # noqa: S603 - our own tests
                [self.root / ".venv" / "bin" / "python", "-m", "pytest", *_OPTIONS, *chosen],
                cwd=self.root,
                capture_output=True,
                text=True,
                check=False,
                timeout=_BOUND_S,
            )
        except subprocess.TimeoutExpired:
            return "::hangs"
        if not done.returncode:
            return ""
        failed = [each for each in done.stdout.splitlines() if each.startswith(("FAILED", "ERROR"))]
        return failed[0].split(" ", 1)[1].partition(" - ")[0] if failed else "no test was run"


def _verdict(copy: Copy, mutant: Mutant) -> tuple[bool, str]:
    """Whether the mutant is caught, and its line of the table."""
    if gone := [each.file for each in mutant.changes if each.source().count(each.line) != 1]:
        return False, f"| {mutant.name} | **its line is gone** from {gone[0]}: mend the list |"
    with copy.broken(mutant):
        found = [copy.first_failure(*chosen) for chosen in mutant.runs]
    cells = " | ".join(each.partition("::")[2] or each or "-" for each in found)
    # A source that cannot be imported shows nothing of any test.
    caught = any("::" in each for each in found)
    return caught, f"| {mutant.name}{'' if caught else ' **lives**'} | {cells} |"


def _unharmed(copy: Copy, chosen: list[Mutant]) -> bool:
    """Whether all tests that are to notice something notice nothing yet."""
    named = {each for mutant in chosen for run in mutant.runs for each in run}
    whole = {each for each in named if "::" not in each and not each.startswith("-")}
    apart = {each for each in named if "::" in each and each.partition("::")[0] not in whole}
    if broken := copy.first_failure(*sorted(whole | apart)):
        print(f"Without a mutant already: {broken}")
    return not broken


def main() -> int:
    """Print a table for each row; 0 when the tests pass unharmed and catch every mutant."""
    parser = argparse.ArgumentParser(description="Breaks the source, for the tests to notice.")
    parser.add_argument("only", nargs="?", default="", help="those with this word")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once")
    asked = parser.parse_args()
    chosen = mutants(asked.only)
    if not chosen:
        print(f"no mutant has the word {asked.only!r}")
    return _judged(chosen, asked.jobs) if chosen else 1


def _judged(chosen: list[Mutant], jobs: int) -> int:
    with ExitStack() as stack:
        copies: queue.Queue[Copy] = queue.Queue()
        for _ in range(jobs):
            copies.put(Copy(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        if not _unharmed(copies.queue[0], chosen):
            return 1

        def judge(mutant: Mutant) -> tuple[bool, str]:
            copy = copies.get()
            try:
                return _verdict(copy, mutant)
            finally:
                copies.put(copy)

        return _tell(chosen, stack.enter_context(ThreadPoolExecutor(jobs)).map(judge, chosen))


def _tell(chosen: list[Mutant], verdicts: Iterator[tuple[bool, str]]) -> int:
    row, lives = "", 0
    for mutant, (caught, line) in zip(chosen, verdicts, strict=True):
        if mutant.row != row:
            row = mutant.row
            columns = "the storm | all other tests" if len(mutant.runs) > 1 else "noticed by"
            print(f"\n{row}\n\n| mutant | {columns} |\n|---|{'---|' * len(mutant.runs)}")
        print(line, flush=True)
        lives += not caught
    print(f"\n{len(chosen) - lives} of {len(chosen)} are caught")
    return 1 if lives else 0


if __name__ == "__main__":
    sys.exit(main())
