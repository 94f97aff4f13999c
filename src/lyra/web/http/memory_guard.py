"""Keep the process within its memory, before the kernel ends it.

From four fifths of the bound on no new work is taken, and bodies that have not come whole are
dropped; from nine tenths on the cache is emptied, which can be filled again. Requests under way are
never touched.
"""

import asyncio
import ctypes
import gc
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from lyra.background import background

log = logging.getLogger(__name__)

_SHORT, _FULL = 0.8, 0.9
_LOOK_S = 0.1
_AGAIN = 10  # while memory is short, it is freed at every so many checks
_STATM = "/proc/self/statm"


class MemoryGuard:
    """Compare the process's memory with its bound (bytes; 0: none), ten times a second."""

    def __init__(
        self, bound: int, evict: Callable[[], Awaitable[None]], drop: Callable[[], None]
    ) -> None:
        self.resident = resident_bytes
        self._bound = bound if sys.platform == "linux" else 0
        self._evict = evict
        self._drop = drop
        self._level = 0  # 1: short, 2: nearly full
        self._looks = 0  # checks since the level changed
        self._evictions = 0

    @property
    def under_pressure(self) -> bool:
        """Whether there is too little for new work."""
        return self._level > 0

    def stats(self) -> Mapping[str, int]:
        """Return counters (names in `_total`) and sizes."""
        return {
            "bound_bytes": self._bound,
            "short": int(self.under_pressure),
            "forgotten_total": self._evictions,
        }

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Check for the length of the block."""
        if not self._bound:
            yield
            return
        await self.check()
        async with background(self._keep_checking()):
            yield

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.check()

    async def check(self) -> None:
        """Measure the memory, and act on it."""
        part = self.resident() / self._bound
        before, self._level = self._level, (part >= _SHORT) + (part >= _FULL)
        if self.under_pressure != bool(before):
            words = (
                "memory is short: no new work" if self.under_pressure else "memory suffices again"
            )
            log.warning("%s (%.0f %% of %d MiB)", words, 100 * part, self._bound >> 20)
        if self.under_pressure:
            self._drop()
        self._looks = self._looks + 1 if self._level == before else 0
        if self.under_pressure and self._looks % _AGAIN == 0:
            if self._level > 1:
                self._evictions += 1
                await self._evict()
            await asyncio.to_thread(_trim)


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    descriptor = os.open(_STATM, os.O_RDONLY)
    try:
        pages = os.pread(descriptor, 128, 0).split()[1]
    finally:
        os.close(descriptor)
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _trim() -> None:
    """Give freed memory back to the kernel; the C library keeps it otherwise."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
    if trim is not None:
        trim(0)
