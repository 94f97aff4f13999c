"""What many kept listeners do to the process: pauses of the collector, and the cost of a hit."""

import asyncio
from pathlib import Path
from sys import executable

import orjson

from bench.harness import Place
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
    found: dict[int, list[dict[str, float]]] = {SMALL: [], large: []}
    for size in (SMALL, large) * ROUNDS:
        told = orjson.loads(await _output("-m", "bench.cache_hits", str(size)))
        found[size].append(told[str(size)])
    hit, plain = (
        {size: min(each[what] for each in rounds) for size, rounds in found.items()}
        for what in ("hit_us", "plain_us")
    )
    growth = hit[large] / hit[SMALL]
    return Table(
        "A hit in the cache, by the number of entries, listeners asked for at random",
        (f"us, best of {ROUNDS}", f"{SMALL:,} entries", f"{large:,} entries", "more by"),
        [
            (name, f"{us[SMALL]:.2f}", f"{us[large]:.2f}", f"{us[large] - us[SMALL]:.2f}")
            for name, us in (("a hit", hit), ("the key's place in a plain dict", plain))
        ],
        notes=["What a whole request notices: A warm POST /lyra/init, by the number of entries."],
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
