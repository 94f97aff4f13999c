"""A test that hangs fails, and the run goes on to its end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.served

ROOT = Path(__file__).parents[1]

HANGING = """
    import asyncio
    from contextlib import suppress

    import pytest


    @pytest.fixture
    async def hangs_at_its_end():
        yield
        await asyncio.Event().wait()


    @pytest.mark.parametrize("number", range(10))
    async def test_hangs_in_turning(number):
        while True:
            await asyncio.sleep(0)


    async def test_hangs_in_a_task_of_others():
        async def turn():
            while True:
                await asyncio.sleep(0)

        turning = asyncio.get_running_loop().create_task(turn())
        await asyncio.Event().wait()


    async def test_hangs_at_rest():
        await asyncio.Event().wait()


    async def test_hangs_without_turning():
        while True:
            pass


    def test_hangs_without_a_loop():
        while True:
            pass


    async def test_hangs_whoever_cancels_it():
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)


    async def test_passes_and_hangs_later(hangs_at_its_end):
        pass


    async def test_fails_and_hangs_later(hangs_at_its_end):
        assert False


    async def test_is_well():
        await asyncio.sleep(0)
"""


SLOW_REPORT = """
    import signal

    import pytest


    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(item, call):
        if call.when == "call":
            signal.pause()  # the alarm rings while the report is made
        return (yield)
"""


@pytest.mark.timeout(60)
def test_a_test_that_hangs_fails_and_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "test_hanging.py").write_text(_dedent(HANGING))

    run = run_pytest(tmp_path)

    outcomes = [line.split(" - ")[0] for line in run.stdout.splitlines()]
    ends = {tuple(line.replace("test_hanging.py::test_", "").split()) for line in outcomes}
    for name in (
        "at_rest",
        "in_a_task_of_others",
        "without_turning",
        "without_a_loop",
        "whoever_cancels_it",
    ):
        assert ("FAILED", f"hangs_{name}") in ends
    assert {("FAILED", f"hangs_in_turning[{number}]") for number in range(10)} < ends
    assert {("PASSED", "passes_and_hangs_later"), ("ERROR", "passes_and_hangs_later")} < ends
    assert {("FAILED", "fails_and_hangs_later"), ("ERROR", "fails_and_hangs_later")} < ends
    assert ("PASSED", "is_well") in ends


@pytest.mark.timeout(60)
def test_an_alarm_during_a_report_does_not_end_an_xdist_worker(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(_dedent(SLOW_REPORT))
    (tmp_path / "test_passing.py").write_text(
        "def test_first():\n    pass\n\n\ndef test_second():\n    pass\n"
    )

    run = run_pytest(tmp_path, "-n", "1")

    assert (run.returncode, run.stdout.count("PASSED")) == (0, 2), run.stdout


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the tests in `folder` with a time limit of 0.2 s each."""
    (folder / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    plugins = ["-p", "tests.support.time_limit", "-p", "no:cacheprovider"]
    always = [*plugins, "--timeout=0.2", "--tb=no", "-rA", "-q"]
    return subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "pytest", *always, *options, str(folder)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},  # noqa: TID251 - a child's
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def _dedent(source: str) -> str:
    return source.replace("\n    ", "\n")
