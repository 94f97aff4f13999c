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


@pytest.mark.timeout(60)
def test_whatever_hangs_fails_and_what_comes_after_it_is_run(tmp_path: Path) -> None:
    (tmp_path / "test_hanging.py").write_text(HANGING.replace("\n    ", "\n"))
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    options = [
        "-p",
        "tests.support.time_limit",
        "-p",
        "no:cacheprovider",
        "--timeout",
        "0.2",
        "-rA",
        "-q",
    ]

    run = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "pytest", "--tb=no", *options, str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},  # noqa: TID251 - a child's
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    outcomes = [line.split(" - ")[0] for line in run.stdout.splitlines()]
    ends = {tuple(line.replace("test_hanging.py::test_", "").split()) for line in outcomes}
    for what in (
        "at_rest",
        "in_a_task_of_others",
        "without_turning",
        "without_a_loop",
        "whoever_cancels_it",
    ):
        assert ("FAILED", f"hangs_{what}") in ends
    assert {("FAILED", f"hangs_in_turning[{number}]") for number in range(10)} < ends
    assert {("PASSED", "passes_and_hangs_later"), ("ERROR", "passes_and_hangs_later")} < ends
    assert {("FAILED", "fails_and_hangs_later"), ("ERROR", "fails_and_hangs_later")} < ends
    assert ("PASSED", "is_well") in ends
