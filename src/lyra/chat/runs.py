"""The running answers: how many there may be, and how they end when the process must."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lyra.cache.keys import Key
from lyra.chat.run import Run
from lyra.errors import DrainingError, OverloadedError, TooManyRequestsError
from lyra.settings import Settings

_STOP_S = 1.0


class Runs:
    """The table of running answers, bounded for the process and for every listener."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._running: set[Run] = set()
        self._by_owner: Counter[Key] = Counter()
        self._idle = asyncio.Event()
        self._idle.set()
        self.draining = False

    def __len__(self) -> int:
        return len(self._running)

    @asynccontextmanager
    async def running(self, owner: Key) -> AsyncIterator[Run]:
        """A new run of this listener; leaving the block ends it and the work that fills it.

        Raises:
            DrainingError: the process is going down.
            TooManyRequestsError: this listener has as many answers running as one may.
            OverloadedError: the process has.
        """
        run = self._admit(owner)
        try:
            yield run
        finally:
            try:
                await run.give_up()
            finally:
                # aiohttp may cancel a handler twice; a run that stayed would hold its place for ever.
                self._leave(run, owner)

    def _admit(self, owner: Key) -> Run:
        if self.draining:
            raise DrainingError(retry_after_s=1)
        if self._by_owner[owner] >= self._settings.streams_per_token:
            raise TooManyRequestsError(retry_after_s=1, reason="streams")
        if len(self._running) >= self._settings.max_streams:
            raise OverloadedError(retry_after_s=1)
        run = Run(f"run_{secrets.token_hex(8)}")
        self._running.add(run)
        self._by_owner[owner] += 1
        self._idle.clear()
        return run

    def _leave(self, run: Run, owner: Key) -> None:
        self._running.discard(run)
        self._by_owner[owner] -= 1
        if not self._by_owner[owner]:
            del self._by_owner[owner]
        if not self._running:
            self._idle.set()

    async def drain(self) -> None:
        """Admit no more; give the running ones `drain_s` to finish, then stop them."""
        self.draining = True
        try:
            async with asyncio.timeout(self._settings.drain_s):
                await self._idle.wait()
        except TimeoutError:
            await self._stop_all()

    async def _stop_all(self) -> None:
        for run in list(self._running):
            run.stop("draining")
        try:
            async with asyncio.timeout(_STOP_S):
                await self._idle.wait()
        except TimeoutError:
            return  # readers who do not read; their connections are cut with the server
