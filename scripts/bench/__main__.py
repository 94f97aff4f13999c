"""Measures Lyra beside its yardsticks, everything in one run on this machine. Linux only.

    make bench                        all sections, at most eight minutes on two cores
    make bench ONLY=warm,tokens       some of them
    make bench WRITE=1                also writes docs/results/BENCHMARKS.md
    make bench SAMPLES=DIR            with recorded answers of Spotify (docs/SANDBOX.md, `replay`)

Exits 1 when a promise is broken; figures only inform. `--alone` leaves the
peers out, as a missing package does. `--fault once503-artists` shows a broken promise.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

import uvloop

from bench.harness import Place, open_place, peer_versions
from bench.plot import as_svg
from bench.report import Promise, Table, as_page, as_text, figures
from bench.rows import (
    cold,
    crowd,
    first,
    kept,
    many,
    memory,
    parts,
    scale,
    start,
    storm,
    talk,
    tokens,
    warm,
)
from bench.scaling import carried

BOUND_S = 900  # eight minutes on a quiet machine; what takes longer than this has gone wrong
SECTIONS: dict[str, Callable[[Place], Awaitable[list[Table]]]] = {
    "warm": warm.measure,
    "parts": parts.measure,
    "tokens": tokens.measure,
    "first": first.measure,
    "cold": cold.measure,
    "crowd": crowd.measure,
    "storm": storm.measure,
    "memory": memory.measure,
    "many": many.measure,
    "start": start.measure,
    "kept": kept.measure,
    "scale": scale.measure,
    "talk": talk.measure,
}


def main() -> int:
    """Measure and print; 0 when every promise was kept, else 1."""
    asked = _arguments()
    if sys.platform != "linux":
        print("bench: needs Linux, for the kernel's count of each process", file=sys.stderr)
        return 2
    tables: list[Table] = []
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_measure(asked, tables))
    except TimeoutError:
        missed = Promise("every section is measured in time: the machine is too busy", kept=False)
        tables.append(Table("Not finished", ("",), [], promises=[missed]))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    if further := carried(tables):
        print(as_text(further))
        tables.append(further)
    print(as_text(figures(tables)))
    if asked.write:
        _write(asked.write, tables)
    broken = [each.told for table in tables for each in table.promises if not each.kept]
    for told in broken:
        print(f"BROKEN PROMISE: {told}")
    return 1 if broken else 0


def _write(page: Path, tables: list[Table]) -> None:
    """The tables as a page, and what there is to draw in a picture beside it."""
    plot = page.with_name("scale.svg")
    page.write_text(as_page(tables, plot.name, peer_versions()), "utf-8")
    if curves := [table.curve for table in tables if table.curve]:
        plot.write_text(as_svg(curves), "utf-8")


async def _measure(asked: argparse.Namespace, tables: list[Table]) -> None:
    """Every section that was asked for, its tables told and kept as soon as they are there."""
    if (this := asyncio.current_task()) is not None:
        # Ended like Ctrl-C, so that no server is left behind.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    async with (
        asyncio.timeout(asked.bound),
        open_place(
            quick=asked.quick, peers=not asked.alone, samples=asked.samples, fault=asked.fault
        ) as place,
    ):
        if not place.has_peers:
            print("Without the peers; `make bench` installs their packages.\n")
        for name in asked.only:
            for table in await _section(name, place):
                print(as_text(table), flush=True)
                tables.append(table)


async def _section(name: str, place: Place) -> list[Table]:
    """One section's tables; where it breaks, that is a broken promise, and the others go on."""
    began = perf_counter()
    try:
        return await SECTIONS[name](place)
    except Exception as failure:  # noqa: BLE001 - whatever it was, it is told
        told = f"the section {name} is measured ({type(failure).__name__}: {failure})"
        return [Table(f"{name}: broken", ("",), [], promises=[Promise(told, kept=False)])]
    finally:
        print(f"({name}: {perf_counter() - began:.0f} s)", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Measure Lyra and its yardsticks.")
    parser.add_argument("--only", type=_sections, default=list(SECTIONS), metavar="NAME,NAME")
    parser.add_argument("--quick", action="store_true", help="few and short runs")
    parser.add_argument("--samples", type=_folder, help="recorded answers of Spotify")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    parser.add_argument("--fault", help="a fault of docs/SANDBOX.md, in the conversation's tokens")
    parser.add_argument("--bound", type=float, default=BOUND_S, help="seconds for all of it")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the tables here")
    return parser.parse_args()


def _folder(text: str) -> Path:
    return Path(text).resolve()


def _sections(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := set(names) - set(SECTIONS):
        known = ", ".join(SECTIONS)
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: known are {known}")
    return names or list(SECTIONS)


if __name__ == "__main__":
    sys.exit(main())
