"""Measures what happens when readers leave, processes go, and strangers are hostile.

    .venv/bin/python scripts/bench_faults.py                  less than five minutes
    .venv/bin/python scripts/bench_faults.py --full           the long runs, about a quarter of an hour
    .venv/bin/python scripts/bench_faults.py --quick          a minute, figures mean little
    .venv/bin/python scripts/bench_faults.py --only drain idle
    .venv/bin/python scripts/bench_faults.py --write docs/results/FAULT-FIGURES.md

Lyra, an invented Spotify and a model on a script run as processes of their own on 127.0.0.1; the
load comes from this one. Exits 1 when an aim was missed. Needs Linux, for /proc. `--write` puts
each subject's section into the page and leaves the others as they are.
"""

import argparse
import asyncio
import os
import platform
import signal
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import uvloop

from bench.fault_place import open_place
from bench.figures import Finding, as_text, into_page
from bench.rows import (
    bodies,
    crowds,
    drain,
    hostile,
    lasting,
    leavers,
    overload,
    redis,
    rolling,
    siege,
    soak,
    stalls,
    table,
)

SUBJECTS = {
    "leavers": leavers.leavers,
    "stops": leavers.stops,
    "drain": drain.drain,
    "streams": crowds.streams,
    "idle": crowds.idle,
    "lasting": lasting.lasting,
    "hostile": hostile.hostile,
    "bodies": bodies.bodies,
    "stalls": stalls.stalls,
    "overload": overload.overload,
    "redis": redis.redis,
    "rolling": rolling.rolling,
    "bystanders": siege.bystanders,
    "siege": siege.siege,
    "soak": soak.soak,
    "table": table.table,
}
BOUND_S, FULL_BOUND_S = 400, 3600  # a subject that takes longer has gone wrong
PACKAGES = ("lyra-listening", "aiohttp", "anthropic", "uvloop")
INTRO = """\
# Figures of faults

Written by `.venv/bin/python scripts/bench_faults.py --write docs/results/FAULT-FIGURES.md`; do not edit.

Lyra, an invented Spotify (docs/SANDBOX.md) and a model on a script each run as a process on
127.0.0.1; the load comes from a fourth. Times are of one machine on one day, which also ran the
load: they are upper bounds. The load before a subject tells how many wanted the cores: where it is
above their number, times tell of the others too, and counts and memory do not. What can go wrong, and the test of each row: [FAULTS.md](../FAULTS.md).
"""


def main() -> int:
    """Measure and print; 0 when every aim was met, else 1."""
    asked = _arguments()
    if not Path("/proc/self/schedstat").exists():
        print("bench_faults: needs Linux's /proc", file=sys.stderr)
        return 2
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            findings = runner.run(_measure(asked))
    except TimeoutError:
        print("bench_faults: not finished in time; the machine is too busy", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except asyncio.CancelledError:
        return 143  # SIGTERM; the servers were ended first
    missed = [
        f"{finding.title}: {figure.what}: {figure.found}, aim {figure.aim}"
        for finding in findings
        for figure in finding.figures
        if figure.kept is False
    ]
    for told in missed:
        print(f"MISSED: {told}")
    return 1 if missed else 0


async def _measure(asked: argparse.Namespace) -> list[Finding]:
    findings = []
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine of the runner
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    bound_s = FULL_BOUND_S if asked.size == "full" else BOUND_S
    async with open_place(asked.size) as place:
        for name in asked.only or SUBJECTS:
            busy = os.getloadavg()[0]
            async with asyncio.timeout(bound_s):
                finding = await SUBJECTS[name](place)
            place.check()
            print(as_text(finding), flush=True)
            if asked.write:
                _write(asked.write, finding, busy)
            findings.append(finding)
    return findings


def _write(page: Path, finding: Finding, busy: float) -> None:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    python = platform.python_version()
    when = f"{datetime.now(UTC).date()}, {os.cpu_count()} cores (load before: {busy:.1f}), Python {python}; {packages}."
    before = page.read_text("utf-8") if page.exists() else INTRO
    page.write_text(into_page(before, finding, when), "utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure faults and loads.")
    for size, told in (("quick", "few and short runs"), ("full", "the long runs")):
        parser.add_argument(
            f"--{size}", dest="size", action="store_const", const=size, default="usual", help=told
        )
    parser.add_argument(
        "--only", nargs="+", choices=SUBJECTS, metavar="SUBJECT", help=", ".join(SUBJECTS)
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the figures here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
