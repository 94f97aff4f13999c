"""`scripts/bench`: what it measures, what it prints, and the pages that it writes."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.served,
    pytest.mark.timeout(60),  # each starts several servers, on cores that may be busy
]

SCRIPTS = Path(__file__).parents[2] / "scripts"
MEASURED = ("A warm POST /lyra/init", "bare aiohttp, the same bytes", "raw protocol, the same")
LEFT_OVER = (
    "model calls left open",
    "answers and streams left over",
    "answers that did not end with `abort`",
)
WITHOUT_UVLOOP = "import sys; sys.modules['uvloop'] = None; from bench.__main__ import main; main()"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a script of this project with this interpreter, to its end."""
    return subprocess.run(  # noqa: S603 - our own script
        [sys.executable, *command], cwd=SCRIPTS, capture_output=True, text=True, check=False
    )


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmark, briefly and without what other people's packages are needed for."""
    return run("-m", "bench", "--quick", "--alone", *options)


def cells(output: str, what: str) -> list[str]:
    """The last cells of the row that begins with this."""
    (row,) = [line for line in output.splitlines() if line.strip().startswith(what)]
    return row.split()[-3:]


def test_a_quick_benchmark_prints_and_writes_what_was_asked_for(tmp_path: Path) -> None:
    """The tables are printed and written beside the figures to reach, and nothing else is."""
    done = bench("--only", "warm", "--write", str(tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr
    assert [each for each in MEASURED if each not in done.stdout] == []
    page = (tmp_path / "BENCHMARKS.md").read_text()
    assert page.count("\n## ") == 2
    assert "| warm init, requests/s against bare aiohttp |" in page


def test_a_section_replaces_the_one_before_and_leaves_the_others(tmp_path: Path) -> None:
    page = tmp_path / "FAULT-FIGURES.md"
    page.write_text(
        "# Figures\n\n## Stop: until the model's call is closed (40 at random moments)\n\nold\n\n"
        "## Of another day\n\nkept\n"
    )
    done = bench("--only", "stops", "--write", str(tmp_path))

    assert "Traceback" not in done.stderr
    for what in LEFT_OVER:
        assert cells(done.stdout, what) == ["0", "0", "kept"]
    written = page.read_text()
    assert written.count("\n## Stop") == 1
    assert "old" not in written
    assert "p50 / p99" in written
    assert written.endswith("## Of another day\n\nkept\n")


def test_a_benchmark_keeps_its_promises() -> None:
    done = bench("--only", "crowd")

    assert done.returncode == 0, done.stdout + done.stderr
    assert cells(done.stdout, "Spotify calls of 60 first requests") == ["5", "5", "kept"]
    assert cells(done.stdout, "everybody who stayed was answered") == ["yes", "yes", "kept"]


def test_a_broken_promise_fails_the_benchmark() -> None:
    """A call that Lyra has to repeat is a sixth call, and that is found."""
    done = bench("--only", "talk", "--fault", "once503-artists")

    assert done.returncode == 1, done.stdout + done.stderr
    assert cells(done.stdout, "Spotify calls of a conversation") == ["6", "5", "BROKEN"]
    assert "BROKEN: A conversation of 10 messages" in done.stdout


def test_it_runs_without_uvloop() -> None:
    done = run("-c", WITHOUT_UVLOOP, "--quick", "--alone", "--only", "cold")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "the slowest call alone" in done.stdout


def test_an_unknown_subject_is_refused_with_the_known_ones() -> None:
    done = bench("--only", "warm,wram")

    assert done.returncode == 2
    assert "wram: known are warm, " in done.stderr


def test_every_subject_can_be_imported_and_has_a_line_of_its_own() -> None:
    listed = run("-m", "bench", "--list").stdout.splitlines()
    code = "from bench.subjects import SUBJECTS; print(*(s.measure.__name__ for s in SUBJECTS.values()))"
    root = f"import sys; sys.path.append({str(SCRIPTS.parent)!r}); "
    imported = run("-c", root + code).stdout.split()

    assert [line.split()[0] for line in listed] == imported
    assert len(imported) >= 30
