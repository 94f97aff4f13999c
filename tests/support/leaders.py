"""A process that leads and never finishes: `async with leader(url, key, lease_s=1) as process`."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from lyra.metrics import Metrics
from lyra.redis.gateway import open_redis
from lyra.redis.listener_store import SharedListeners
from lyra.redis.protocol import Timing


@asynccontextmanager
async def leader(
    url: str, key: str, *, lease_s: float
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process, leading until it is killed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", __file__, url, key, str(lease_s)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"leading\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def lead(url: str, key: str, lease_s: float) -> None:
    timing = Timing(timeout_s=10, deadline_s=10, lease_s=lease_s, beat_s=lease_s / 5)
    async with open_redis(
        url, Metrics(), clock=time.monotonic, rng=Random(1), timing=timing
    ) as gateway:
        lease = await SharedListeners(gateway).acquire_lease(key)
        assert lease is not None
        async with lease:
            sys.stdout.write("leading\n")
            sys.stdout.flush()
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(lead(sys.argv[1], sys.argv[2], float(sys.argv[3])))
