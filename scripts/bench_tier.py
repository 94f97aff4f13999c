"""Measures the Redis tier with real processes: two services, a Redis, an invented Spotify.

    .venv/bin/python scripts/bench_tier.py            about half a minute
    .venv/bin/python scripts/bench_tier.py --quick    some seconds, figures mean little
    .venv/bin/python scripts/bench_tier.py hung_redis     one of them

Exits 1 when a promise is broken; times only inform. Needs a Redis: the one of `make test`, or a
redis-server on the PATH.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

import uvloop

from bench.redis_process import open_place
from bench.report import Promise, Table, as_text
from bench.rows import tier as cases

CASES: Sequence[cases.Case] = (
    cases.hit,
    cases.race,
    cases.dead_leader,
    cases.dead_redis,
    cases.hung_redis,
)
BOUND_S = 180


def main() -> int:
    """Measure and print; 0 when every promise was kept, else 1."""
    parser = argparse.ArgumentParser(description="Measure the Redis tier.")
    parser.add_argument("--quick", action="store_true", help="few and short runs")
    names = [case.__name__ for case in CASES]
    parser.add_argument("only", nargs="?", choices=names, help="measure this alone")
    asked = parser.parse_args()
    chosen = [case for case in CASES if asked.only in (None, case.__name__)]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        table = runner.run(_measure(chosen, quick=asked.quick))
    print(as_text(table))
    return 0 if all(each.kept for each in table.promises) else 1


async def _measure(chosen: Sequence[cases.Case], *, quick: bool) -> Table:
    rows: list[tuple[str, ...]] = []
    promises: list[Promise] = []
    async with asyncio.timeout(BOUND_S), open_place(quick=quick) as place:
        for case in chosen:
            async with place.service("first") as first, place.service("second") as second:
                found, kept = await case(place, first, second)
            rows += found
            promises += kept
    return Table("The Redis tier", ("ms", "aim, at most", "median", "worst"), rows, promises)


if __name__ == "__main__":
    sys.exit(main())
