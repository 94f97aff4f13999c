"""Compares Lyra's cache with others: six cases of a shared fetch, times, and memory.

    python scripts/bench_cache.py                     about 20 seconds
    python scripts/bench_cache.py --tokens 1000000    the memory of a million tokens: minutes

Prints Markdown. Exits 1 when Lyra does not do what a case asks for; the peers only inform, and
those that are not installed are left out. They are no dependencies of Lyra; for a comparison:

    pip install aiocache async-lru cachebox cashews theine

What counts as wrong: a caller who stayed and got no answer (a failing upstream's own error is
one), and a value from before a clear that answers after it.
"""

import argparse
import asyncio
import gc
import importlib.metadata
import logging
import platform
import sys
from datetime import UTC, datetime

from bench import cache_speed as speed
from bench.cache_subjects import SUBJECTS, hit_microseconds
from bench.hit_rates import hit_rates
from bench.rows import cache as cases

FLAT_KIB = 10 * 1024  # more growth than this between a quarter of the tokens and all is a leak
SIZES = (1_000, 100_000, 1_000_000)
AIMS_US = {speed.WARM: "10"}


def main() -> int:
    """Run everything and print it; 0 when Lyra did all that is asked for."""
    asked = _arguments()
    logging.disable()  # several peers log every error of the upstream's
    print(_heading() + _missing())
    broken = _memory(asked.tokens) + _cases()
    _hits()
    _speed()
    _rates()
    for each in broken:
        print(f"BROKEN PROMISE: {each}")
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare Lyra's cache with others.")
    parser.add_argument("--tokens", type=int, default=20_000, help="for the measure of memory")
    return parser.parse_args()


def _heading() -> str:
    versions = ", ".join(f"{name} {_version(name) or '-'}" for name, _ in SUBJECTS.values())
    day = datetime.now(tz=UTC).date()
    return f"{day}, Python {platform.python_version()}; {versions}."


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _installed() -> dict[str, cases.Make]:
    return {name: make for name, (package, make) in SUBJECTS.items() if _version(package)}


def _missing() -> str:
    missing = [package for package, _ in SUBJECTS.values() if not _version(package)]
    return f"\nLeft out; to compare them: pip install {' '.join(missing)}" if missing else ""


def _cases() -> list[str]:
    """The table of the cases; what Lyra broke of them."""
    subjects = _installed()
    print(f"\n| case | {' | '.join(subjects)} |\n|---|{'---|' * len(subjects)}")
    broken = []
    for case, (_, best) in cases.CASES.items():
        came = {name: _run(case, make) for name, make in subjects.items()}
        print(f"| {case} | {' | '.join(each.told() for each in came.values())} |", flush=True)
        lyra = came["Lyra"]
        if (lyra.calls, lyra.wrong, lyra.left) != (best.calls, best.wrong, best.left):
            broken.append(f"{case}: {lyra.told()}; asked for: {best.told()}")
    return broken


def _run(case: str, make: cases.Make) -> cases.Came:
    with asyncio.Runner() as runner:
        # What a peer never retrieves is told by the table, not by a traceback.
        runner.get_loop().set_exception_handler(lambda _loop, _context: None)
        came = runner.run(cases.run(case, make))
        gc.collect()
        return came


def _hits() -> None:
    print("\n| a hit, by the same door | microseconds | of Lyra |\n|---|---:|---:|")
    took = {}
    for name, make in _installed().items():
        took[name] = asyncio.run(hit_microseconds(make))
        print(f"| {name} | {took[name]:.1f} | {took[name] / took['Lyra']:.2f} x |", flush=True)


def _speed() -> None:
    print("\n| Lyra | aim, at most | microseconds | of a hit |\n|---|---:|---:|---:|")
    rows = asyncio.run(speed.look_ups())
    rows += [
        (f"hit among {size:,} entries", asyncio.run(speed.hit_by_size(size)).hit_us)
        for size in SIZES
    ]
    for name, took in rows:
        aim = AIMS_US.get(name, "")
        print(f"| {name} | {aim} | {took:.1f} | {took / rows[0][1]:.2f} x |", flush=True)


def _rates() -> None:
    print("\n| requests that find their listener | kept | Lyra | exact LRU |\n|---|---:|---:|---:|")
    for name, kept, lyra, exact in hit_rates():
        print(f"| {name} | {kept:,} | {lyra:.1%} | {exact:.1%} |", flush=True)


def _memory(tokens: int) -> list[str]:
    """The table of memory; first of all, since later measures leave a large heap behind."""
    bound = max(1_000, tokens // 100)
    points = asyncio.run(speed.memory(tokens, bound))
    print(f"\n| distinct tokens, half rejected, {bound:,} kept | resident MiB | entries |")
    print("|---|---:|---:|")
    for seen, kib, entries in points:
        print(f"| {seen:,} | {kib / 1024:.1f} | {entries:,} |", flush=True)
    grown = points[-1][1] - points[1][1]
    return [f"memory grew by {grown} KiB"] if grown > FLAT_KIB else []


if __name__ == "__main__":
    sys.exit(main())
