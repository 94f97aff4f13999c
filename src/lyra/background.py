"""Work that goes on beside a block and ends with it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger("lyra.background")


@asynccontextmanager
async def background(work: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Run `work` in a task of its own for the length of the block, then cancel it and await its end.

    The block does not wait for the work, and a failure of the work does not end the block: it is
    logged when it happens. Where one has to end the other, use a `TaskGroup`.
    """
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(_report)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _report(task: "asyncio.Task[object]") -> None:
    if not task.cancelled() and (failure := task.exception()) is not None:
        log.error("work in the background broke: this is a fault in Lyra", exc_info=failure)
