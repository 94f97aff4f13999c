"""A worker process, as its supervisor sees it."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import Mapping
from dataclasses import dataclass

from lyra.settings import Settings

GRACE_S = 10  # beyond LYRA_DRAIN_S, for what the runner waits for after it
MAX_BACKOFF_S = 10.0
_START_S = 60  # to import everything on a busy machine
_UNREADY_S = 2  # a worker that does not serve yet has nothing to finish


@dataclass(frozen=True, slots=True)
class Generation:
    """The variables and settings that the workers of one roll are started with."""

    environ: Mapping[str, str]
    settings: Settings
    doubt: str = ""  # what the supervisor, which may be older, holds against these variables


class Worker:
    """A process, and whether it serves yet."""

    def __init__(self, process: Process, generation: Generation) -> None:
        self.process = process
        self.pid = process.pid
        self.generation = generation
        self.ready = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.ended = loop.create_task(process.wait())
        self._started_at = loop.time()

    async def wait_ready(self, stopping: asyncio.Event) -> bool:
        """Wait until it serves, has ended, takes too long or is to stop; return whether it serves."""
        loop = asyncio.get_running_loop()
        ready, stopped = loop.create_task(self.ready.wait()), loop.create_task(stopping.wait())
        await asyncio.wait(
            (ready, stopped, self.ended), timeout=_START_S, return_when=asyncio.FIRST_COMPLETED
        )
        ready.cancel()
        stopped.cancel()
        return self.ready.is_set() and not self.ended.done()

    @property
    def is_stable(self) -> bool:
        """Whether it has run long enough for the back-off to start anew."""
        return asyncio.get_running_loop().time() - self._started_at > MAX_BACKOFF_S

    async def end(self) -> None:
        """Terminate it gracefully; kill it if that takes too long."""
        within_s = self.generation.settings.drain_s + GRACE_S if self.ready.is_set() else _UNREADY_S
        if not self.ended.done():
            self.process.terminate()
            await asyncio.wait((self.ended,), timeout=within_s)
        if not self.ended.done():
            self.process.kill()
            await self.ended
