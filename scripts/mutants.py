"""Breaks the cache in one line at a time, and shows which tests notice.

    .venv/bin/python scripts/mutants.py            every mutant: two to four minutes
    .venv/bin/python scripts/mutants.py fence      those whose name has this word

Works on a copy; nothing here is changed. Each mutant meets the storm alone (tests/cache/
test_storm.py), then all other tests of the cache. Exits 1 when a mutant lives, or when its line
is no longer in the source: then the list below has to follow.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
STORM = "tests/cache/test_storm.py"
BOUND_S = 300
# The copy comes before the installed project, for the tests and for all they import.
RUN = "import sys, pytest; sys.path.insert(0, 'src'); sys.exit(pytest.main(sys.argv[1:]))"


class Mutant(NamedTuple):
    """One line of one file, and what stands there instead."""

    name: str
    file: str
    line: str
    instead: str


MUTANTS = (
    Mutant(
        "fence removed from publishing",
        "loader.py",
        "if not flight.fenced:\n            longest_s",
        "if True:\n            longest_s",
    ),
    Mutant(
        "clear fences no fetch",
        "listeners.py",
        "self._flights.fence(None if key is None else Key(key))",
        "pass",
    ),
    Mutant(
        "shield removed",
        "flights.py",
        "return await asyncio.shield(self.task)",
        "return await self.task",
    ),
    Mutant(
        "identity check removed",
        "flights.py",
        "if self._current.get(flight.key) is flight:",
        "if flight.key in self._current:",
    ),
    Mutant(
        "one error for all waiters",
        "flights.py",
        "raise failure.again() from None",
        "raise",
    ),
    Mutant(
        "nobody joins",
        "listeners.py",
        "flight = self._flights.current(key)",
        "flight = None",
    ),
    Mutant(
        "expiry on read removed",
        "store.py",
        "if held is not None and held.expires_at <= self._clock():",
        "if held is not None and held.expires_at < 0:",
    ),
    Mutant(
        "hits past the TTL",
        "listeners.py",
        "if entry is not None and asked_at < entry.expires_at:",
        "if entry is not None and asked_at < entry.dies_at:",
    ),
    Mutant(
        "refresh not throttled",
        "listeners.py",
        "if self._flights.current(key) is not None or await self._shelf.throttled.get(key):",
        "if self._flights.current(key) is not None:",
    ),
    Mutant(
        "stale for a rejected token",
        "visit.py",
        "except TryLaterError as failure:",
        "except LyraError as failure:",
    ),
    Mutant(
        "patience without an end",
        "visit.py",
        "async with asyncio.timeout(self._patience_s):",
        "async with asyncio.timeout(None):",
    ),
    Mutant(
        "fresh past the token's life",
        "life.py",
        "expires_at = min(stops_at, token_dies_at)",
        "expires_at = stops_at",
    ),
    Mutant(
        "stale past the token's life",
        "life.py",
        "dies_at=min(stops_at + settings.cache_stale_s, token_dies_at)",
        "dies_at=stops_at + settings.cache_stale_s",
    ),
    Mutant(
        "a renewal begins a new hour",
        "shelf.py",
        "return known if old is None else min(known, old.token_seen_at)",
        "return known",
    ),
    Mutant(
        "a renewal that lost a section answers late",
        "loader.py",
        "has_gap(listening) and self._fresh(old)",
        "has_gap(listening) and began < old.expires_at",
    ),
    Mutant(
        "a gap filled after the TTL of the rest",
        "life.py",
        "if now + settings.spotify_timeout_s >= stops_at:",
        "if now >= stops_at:",
    ),
    Mutant(
        "a gap kept the whole TTL",
        "life.py",
        "expires_at = min(expires_at, now + PARTIAL_TTL_S)",
        "pass",
    ),
    Mutant(
        "jitter upwards",
        "life.py",
        "(1 - JITTER * rng.random())",
        "(1 + JITTER * rng.random())",
    ),
    Mutant(
        "lock not forgotten",
        "locks.py",
        "if not self._users[key]:",
        "if self._users[key] < 0:",
    ),
    Mutant(
        "rejection keeps the entry",
        "shelf.py",
        "self.entries.drop(key)",
        "pass",
    ),
    Mutant(
        "rejection not remembered",
        "listeners.py",
        "if await self._shelf.rejected.get(key):",
        "if False:",
    ),
    Mutant(
        "use does not count as use",
        "store.py",
        "held.used = True",
        "pass",
    ),
    Mutant(
        "bytes unbounded",
        "store.py",
        "while self.weight + weight > self._max_weight:",
        "while False:",
    ),
)


def main() -> int:
    """Print a table; 0 when the tests pass unharmed and catch every mutant."""
    chosen = [each for each in MUTANTS if not sys.argv[1:] or sys.argv[1] in each.name]
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place)
        _copy_to(copy)
        if broken := _first_failure(copy, "tests/cache"):
            print(f"Without a mutant already: {broken}")
            return 1
        print("| mutant | the storm | all other tests: first to notice |\n|---|---|---|")
        return 1 if sum([not _caught(copy, mutant) for mutant in chosen]) else 0


def _copy_to(copy: Path) -> None:
    for name in ("src", "tests", "docs"):
        shutil.copytree(
            ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
    shutil.copy(ROOT / "pyproject.toml", copy)


def _caught(copy: Path, mutant: Mutant) -> bool:
    """Run both halves of the tests against this mutant, and tell."""
    path = copy / "src" / "lyra" / "cache" / mutant.file
    source = path.read_text("utf-8")
    if source.count(mutant.line) != 1:
        print(f"| {mutant.name} | its line is not in {mutant.file} once: mend the list | |")
        return False
    path.write_text(source.replace(mutant.line, mutant.instead), "utf-8")
    by_storm = _first_failure(copy, STORM)
    by_tests = _first_failure(copy, "tests/cache", f"--ignore={STORM}")
    path.write_text(source, "utf-8")
    told = by_tests.partition("::")[2] if by_tests else "-"
    lives = "" if by_storm or by_tests else " **lives**"
    print(f"| {mutant.name}{lives} | {'caught' if by_storm else '-'} | {told} |", flush=True)
    return not lives


def _first_failure(copy: Path, *chosen: str) -> str:
    """The test that fails first, empty if none does."""
    options = ("-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "--timeout=20")
    try:
        done = subprocess.run(  # noqa: S603 - our own tests
            [sys.executable, "-B", "-c", RUN, *options, *chosen],
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
            timeout=BOUND_S,
        )
    except subprocess.TimeoutExpired:
        return "::hangs"
    if not done.returncode:
        return ""
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split()[1] if failed else "::no test was run"


if __name__ == "__main__":
    sys.exit(main())
