"""`scripts/bench_faults.py`: what it measures, and the page that it writes."""

from pathlib import Path

from tests.scripts.conftest import RunScript

COUNTED = (
    "model calls left open",
    "answers and streams left over",
    "answers that did not end with `abort`",
)


async def test_a_quick_run_counts_what_is_left_over_and_writes_its_own_section_alone(
    run_script: RunScript, tmp_path: Path
) -> None:
    page = tmp_path / "figures.md"
    page.write_text(
        "# Figures\n\n## Stop: until the model's call is closed (40 at random moments)\n\nold\n\n"
        "## Of another day\n\nkept\n"
    )
    ran = await run_script(
        "bench_faults.py", "--quick", "--only", "stops", "--write", str(page), PATH="/usr/bin"
    )

    assert "Traceback" not in ran.err
    for what in COUNTED:
        [line] = [each for each in ran.out.splitlines() if each.strip().startswith(what)]
        assert line.split()[-3:] == ["0", "0", "kept"]
    written = page.read_text()
    assert written.count("\n## Stop") == 1
    assert "old" not in written
    assert "p50 / p99" in written
    assert written.endswith("## Of another day\n\nkept\n")
