"""The table of faults as tests, timed: all of tests/faults and every test that docs/FAULTS.md names."""

import asyncio
import re
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from faultbench.figures import Figure, Finding, at_most
from faultbench.place import Place

HOUSE = Path(__file__).parents[2]
AIM_S = 180
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


async def table(place: Place) -> Finding:
    """Every row of the table, run by pytest."""
    named = _named()
    tests = sorted({file for file, _ in named} | {"faults"})
    wanted = " or ".join(sorted({name for _, name in named} | {"faults"}))
    if place.size == "quick":
        tests, wanted = ["faults/test_table.py"], "faults"
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", wanted),
        *(f"tests/{each}" for each in tests),
        cwd=HOUSE,
        stdin=DEVNULL,
        stdout=PIPE,
        start_new_session=True,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()
    seconds = time.monotonic() - began
    last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
    counted = re.sub(r" in [\d.]+s.*", "", last)
    return Finding(
        "The table of faults",
        [
            Figure("its tests", counted, "all pass", process.returncode == 0),
            at_most("they take", seconds, AIM_S, "s"),
        ],
        notes=["All of tests/faults, and every other test that docs/FAULTS.md names."],
    )


def _named() -> set[tuple[str, str]]:
    told = (HOUSE / "docs" / "FAULTS.md").read_text("utf-8")
    return {(file, name) for file, name in NAMED.findall(told) if not file.startswith("browser/")}
