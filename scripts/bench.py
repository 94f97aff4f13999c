"""Measures Lyra against its yardsticks, everything in one run on this machine.

    .venv/bin/python scripts/bench.py                             about a minute and a half
    .venv/bin/python scripts/bench.py --quick                     a few seconds, figures mean little
    .venv/bin/python scripts/bench.py --write docs/BENCHMARKS.md  the same tables, as a page

Lyra, the sandbox and a bare aiohttp server run as processes of their own on 127.0.0.1. Exits 1
when a promise is broken; times only inform. `--fault once503-artists` shows a broken promise.
"""

import argparse
import asyncio
import sys
from pathlib import Path

import uvloop

from benching import cold, conversation, requests, storm, warm
from benching.place import Place, open_place
from benching.report import Table, as_page, as_text

BOUND_S, QUICK_BOUND_S = 120, 18  # a run that takes longer has gone wrong
SUBJECTS = (cold.measure, warm.measure, conversation.measure, storm.measure, requests.measure)


def main() -> int:
    """Measure and print; 0 when every promise was kept, else 1."""
    asked = _arguments()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            tables = runner.run(_measure(quick=asked.quick, fault=asked.fault))
    except TimeoutError:
        print("bench: not finished in time; the machine is too busy", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if asked.write:
        asked.write.write_text(as_page(tables), "utf-8")
    broken = [each.told for table in tables for each in table.promises if not each.kept]
    for told in broken:
        print(f"BROKEN PROMISE: {told}")
    return 1 if broken else 0


async def _measure(*, quick: bool, fault: str | None) -> list[Table]:
    bound_s = QUICK_BOUND_S if quick else BOUND_S
    async with asyncio.timeout(bound_s), open_place(quick=quick, fault=fault) as place:
        return [_shown(await subject(place), place) for subject in SUBJECTS]


def _shown(table: Table, place: Place) -> Table:
    """Print the table as soon as it is there; a server that died meanwhile ends the run."""
    place.check()
    print(as_text(table), flush=True)
    return table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure Lyra against its yardsticks.")
    parser.add_argument("--quick", action="store_true", help="few and short runs")
    parser.add_argument("--fault", help="a fault of docs/SANDBOX.md, put into every token")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the tables here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
