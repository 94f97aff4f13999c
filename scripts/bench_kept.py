"""Measures what kept listeners cost: memory, garbage-collector pauses, and reading one as dicts.

    .venv/bin/python scripts/bench_kept.py                                2,000 invented listeners
    .venv/bin/python scripts/bench_kept.py --samples DIR --kept 10000     recorded answers, minutes

DIR holds answers of Spotify as docs/SANDBOX.md tells (`replay`). They are read through the real
client from a sandbox in a process of its own. Times are of the processor, so that what else the
machine does is not in them.
"""

import argparse
import asyncio
import gc
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import thread_time

import orjson
import uvloop

from bench.processes import open_server
from bench.report import Table, as_text
from lyra.agent import Lyra, open_lyra
from lyra.cli.gc_tuning import tune_gc
from lyra.sandbox import sandbox_token
from lyra.settings import Settings

AT_ONCE = 32
READS = 1000


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what kept listeners cost.")
    parser.add_argument("--samples", type=Path, help="recorded answers to use for every listener")
    parser.add_argument("--kept", type=int, default=2000)
    parser.add_argument("--json", action="store_true", help="what was found, as one JSON object")
    asked = parser.parse_args()
    tune_gc()  # as `lyra serve` does
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        replay = ("--replay", str(asked.samples.resolve())) if asked.samples else ()
        table = runner.run(_measure(replay, asked.kept))
    found = {name: value for name, _, value in table.rows}
    print(orjson.dumps(found).decode() if asked.json else as_text(table))
    return 0


async def _measure(replay: tuple[str, ...], kept: int) -> Table:
    with TemporaryDirectory() as folder:
        async with (
            open_server(
                Path(folder), "sandbox", "-m", "lyra", "sandbox", "--port", "0", *replay
            ) as sandbox,
            open_lyra(Settings(spotify_api_url=f"{sandbox.url}/v1", cache_max_bytes=2**32)) as lyra,
        ):
            before = _resident()
            gc.freeze()  # as `lyra serve` does: what start-up made is not searched again
            pauses = _watched_pauses()
            await _fill(lyra, kept)
            worst_pause = max(pauses)
            grown, stats = _resident() - before, lyra.listeners.stats()
            read = [await _timed(lyra) for _ in range(READS)]
    rows = [
        ("kept listeners", "", f"{stats['entries']:,}"),
        ("resident, MiB, the process itself apart", "320 for 10,000", f"{grown / 2**20:.1f}"),
        ("resident bytes for each", "32,768", f"{grown / stats['entries']:,.0f}"),
        ("weight of each, as the bound counts it", "", f"{stats['bytes'] / stats['entries']:,.0f}"),
        ("worst pause of the garbage collector, ms", "5", f"{worst_pause * 1000:.1f}"),
        ("get_cached_user_data, us", "200", f"{median(read) * 1e6:.0f}"),
    ]
    return Table("Kept listeners", ("", "aim, at most", "found"), rows)


async def _fill(lyra: Lyra, kept: int) -> None:
    numbers = iter(range(kept))

    async def client() -> None:
        for number in numbers:
            await lyra.initialize_user_session(sandbox_token(number))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(client())


async def _timed(lyra: Lyra) -> float:
    began = thread_time()
    data = await lyra.get_cached_user_data(sandbox_token(1))
    assert data is not None  # noqa: S101 - it was kept a moment ago
    return thread_time() - began


def _watched_pauses() -> list[float]:
    """The length of every collection from now on, in seconds."""
    pauses, began = [0.0], [0.0]

    def watch(phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            began[0] = thread_time()
        else:
            pauses.append(thread_time() - began[0])

    gc.callbacks.append(watch)
    return pauses


def _resident() -> int:
    """This process's resident bytes."""
    gc.collect()
    fields = Path("/proc/self/status").read_text().split()
    return int(fields[fields.index("VmRSS:") + 1]) * 1024


if __name__ == "__main__":
    sys.exit(main())
