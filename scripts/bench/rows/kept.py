"""What many kept listeners do to the process: pauses of the collector, and the cost of a hit."""

import asyncio
from pathlib import Path
from sys import executable

import orjson

from bench.place import Place
from bench.report import Table, aim

KEPT, QUICK_KEPT = 2_000, 50
SMALL, LARGE, QUICK_LARGE = 1_000, 1_000_000, 10_000
ROUNDS = 3
PAUSE_MS, GROWTH = 5, 1.2
LONGEST_S = 150
_SCRIPTS = Path(__file__).parents[2]


async def measure(place: Place) -> list[Table]:
    """Both are measured by scripts of their own, in processes of their own."""
    return [await _pauses(place), await _hits(place)]


async def _pauses(place: Place) -> Table:
    kept = QUICK_KEPT if place.quick else KEPT
    samples = ("--samples", str(place.samples)) if place.samples else ()
    command = (str(_SCRIPTS / "bench_kept.py"), "--json", "--kept", str(kept), *samples)
    found: dict[str, str] = orjson.loads(await _output(*command))
    pause_ms = float(found["worst pause of the garbage collector, ms"])
    weight = found["weight of each, as the bound counts it"]
    return Table(
        f"{kept:,} listeners loaded and kept",
        ("", "found"),
        list(found.items()),
        aims=[aim("worst pause of the garbage collector", pause_ms, PAUSE_MS, "ms")],
        measured={"entry_kib": float(weight.replace(",", "")) / 1024},
        notes=["10,000 of them: .venv/bin/python scripts/bench_kept.py --kept 10000"],
    )


async def _hits(place: Place) -> Table:
    large = QUICK_LARGE if place.quick else LARGE
    sizes = (str(SMALL), str(large)) * ROUNDS
    small_us: list[float] = []
    large_us: list[float] = []
    for size, took in zip(sizes, (small_us, large_us) * ROUNDS, strict=True):
        took.append(float(orjson.loads(await _output("-m", "cachebench", size))[size]))
    growth = min(large_us) / min(small_us)
    return Table(
        "A hit in the cache, by the number of entries, tokens asked for at random",
        (f"best of {ROUNDS}", "us", f"of {SMALL:,}"),
        [
            (f"{SMALL:,} entries", f"{min(small_us):.2f}", "1.00 x"),
            (f"{large:,} entries", f"{min(large_us):.2f}", f"{growth:.2f} x"),
        ],
        aims=[aim(f"hit cost at {large:,} entries, of {SMALL:,}", growth, GROWTH, "x")],
    )


async def _output(*arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        executable,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=_SCRIPTS,
    )
    try:
        async with asyncio.timeout(LONGEST_S):
            said, complained = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        last = complained.decode("utf-8", "replace")[-500:]
        raise RuntimeError(f"{arguments[0]} ended with {process.returncode}: {last}")
    return said
