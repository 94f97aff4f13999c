"""The table of faults as tests, timed: all of tests/faults and every test that docs/FAULTS.md names."""

import asyncio
import re
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import NamedTuple

from bench.harness import Harness
from bench.processes import on_cores
from bench.report import Figure, Finding

ROOT = Path(__file__).parents[3]
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
OWN = "faults/"


class Ran(NamedTuple):
    """One run of pytest: whether all passed, its own count, and what failed."""

    passed: bool
    summary: str
    failed: tuple[str, ...]


async def table(harness: Harness) -> Finding:
    """Every row of the table, run by pytest: those of tests/faults beside the others."""
    files, names = _named()
    runs: list[tuple[str, ...]] = [("tests/faults",), (*files, "-k", " or ".join(names))]
    if harness.size == "quick":
        runs = [("tests/faults/test_table.py",)]
    began = time.monotonic()
    with on_cores(harness.cores.subject | harness.cores.load):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_pytest(*arguments)) for arguments in runs]
    seconds = time.monotonic() - began
    ran = [task.result() for task in tasks]
    summary = " and ".join(each.summary for each in ran)
    passed = all(each.passed for each in ran)
    return Finding(
        "The table of faults",
        [
            Figure("its tests", summary, "all pass", passed, promise=True),
            Figure("they take", f"{seconds:.0f} s"),
        ],
        [
            "All of tests/faults, and beside them every other test that docs/FAULTS.md names.",
            *(test for each in ran for test in each.failed),
        ],
    )


async def _pytest(*arguments: str) -> Ran:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments),
        cwd=ROOT,
        stdin=DEVNULL,
        stdout=PIPE,
        start_new_session=True,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()
    lines = output.decode("utf-8", "replace").splitlines()
    summary = re.sub(r"(, \d+ deselected)? in [\d.]+s.*", "", lines[-1])
    failed = tuple(line for line in lines if line.startswith(("FAILED ", "ERROR ")))
    return Ran(process.returncode == 0, summary, failed)


def _named() -> tuple[list[str], list[str]]:
    """The files and the tests that the table names outside tests/faults."""
    named = NAMED.findall((ROOT / "docs" / "FAULTS.md").read_text("utf-8"))
    others = [(file, name) for file, name in named if not file.startswith(OWN)]
    return sorted({f"tests/{file}" for file, _ in others}), sorted({name for _, name in others})
