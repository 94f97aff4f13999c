"""What kept listeners cost a process: memory, pauses of the collector, and reading one as dicts.

Run as a process with the sandbox's address and how many to keep; prints JSON. Times are of the
processor, so that what else the machine does is not in them.
"""

import asyncio
import gc
import os
import sys
import zlib
from statistics import median
from time import thread_time

import orjson

from bench import cores
from bench.client import at_once
from bench.event_loop import loop_factory
from bench.yardsticks import lowest_s
from lyra.agent import Lyra, open_lyra
from lyra.cli.gc_tuning import tune_gc
from lyra.sandbox import sandbox_token
from lyra.settings import Settings

AT_ONCE = 32
READS = 1000


async def _measure(sandbox: str, kept: int) -> dict[str, float]:
    settings = Settings(spotify_api_url=f"{sandbox}/v1", cache_max_bytes=2**40)
    async with open_lyra(settings) as lyra:
        await lyra.initialize_user_session(sandbox_token(0))
        collection_s = lowest_s(gc.collect, 3)
        before = _resident()
        gc.freeze()  # as `lyra serve` does: what start-up made is not searched again
        pauses = _watched_pauses()
        await at_once(AT_ONCE, (_load(lyra, number) for number in range(1, kept)))
        worst_pause_s = max(pauses)
        grown, stats = _resident() - before, lyra.listeners.stats()
        reads = [await _timed(lyra) for _ in range(READS)]
        data = orjson.dumps(await lyra.get_cached_user_data(sandbox_token(0)))
    packed = zlib.compress(data, 1)
    return {
        "kept": stats["entries"],
        "resident_bytes": grown / stats["entries"],
        "entry_bytes": stats["bytes"] / stats["entries"],
        "worst_pause_s": worst_pause_s,
        "collection_s": collection_s,
        "read_s": median(reads),
        "plain_read_s": lowest_s(lambda: orjson.loads(zlib.decompress(packed)), 200),
    }


async def _load(lyra: Lyra, number: int) -> None:
    await lyra.initialize_user_session(sandbox_token(number))


async def _timed(lyra: Lyra) -> float:
    began = thread_time()
    data = await lyra.get_cached_user_data(sandbox_token(0))
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
    gc.collect()
    return cores.resident(os.getpid())


if __name__ == "__main__":
    SANDBOX, KEPT = sys.argv[1:]
    tune_gc()  # as `lyra serve` does
    with asyncio.Runner(loop_factory=loop_factory()) as running:
        print(orjson.dumps(running.run(_measure(SANDBOX, int(KEPT)))).decode())
