"""Limit the bytes of request bodies under way, of one client's address and of all together."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from lyra.errors import OverloadedError, RequestTimeoutError, TooManyRequestsError
from lyra.settings import Settings

_MIN_BYTES = 65_536  # what a request that waits for its body costs at least, however short that is
_SHARES = 8  # one address has this part of the whole
_OF_MEMORY = 8  # and the whole is at most this part of the process's memory
_BUSY_S, _NO_MEMORY_S = 1, 5


class BodyLimit:
    """Count bodies by the bytes that they announce, before any of them comes.

    So an admitted body has its room, and one that has none is refused at once. A body counts 64 KiB
    at least, which bounds how many there are. An address that has none under way may begin one, if
    there is room for it in the whole; the very first is always admitted.
    """

    def __init__(self, settings: Settings) -> None:
        of_memory = settings.max_memory_bytes // _OF_MEMORY or settings.bodies_max_bytes
        self._max_bytes = min(settings.bodies_max_bytes, of_memory)
        self._bytes = 0
        self._by_address: dict[str, int] = {}  # of those that have some under way, and no others
        self._deadlines: set[asyncio.Timeout] = set()  # one for each body that is waited for
        self._dropped = 0

    def stats(self) -> dict[str, int]:
        """Return sizes at this moment, and how many bodies were dropped to save memory."""
        return {
            "bytes": self._bytes,
            "addresses": len(self._by_address),
            "waiting": len(self._deadlines),
            "dropped_total": self._dropped,
        }

    @contextmanager
    def reserve(self, address: str, size: int) -> Iterator[None]:
        """Count a body of this size for the length of the block.

        Raises:
            TooManyRequestsError: this address has its share under way.
            OverloadedError: there is no room for any address.
        """
        size = max(size, _MIN_BYTES)
        before = self._by_address.get(address, 0)
        if before and before + size > self._max_bytes // _SHARES:
            raise TooManyRequestsError(retry_after_s=_BUSY_S, reason="bodies")
        if self._bytes and self._bytes + size > self._max_bytes:
            raise OverloadedError(retry_after_s=_BUSY_S)
        self._add(address, size)
        try:
            yield
        finally:
            self._add(address, -size)

    def _add(self, address: str, size: int) -> None:
        self._bytes += size
        if total := self._by_address.get(address, 0) + size:
            self._by_address[address] = total
        else:
            del self._by_address[address]

    @asynccontextmanager
    async def body_deadline(self, seconds: float) -> AsyncIterator[None]:
        """Bound the block's wait for a body, by this time and by the memory there is.

        Raises:
            RequestTimeoutError: it did not come in time.
            OverloadedError: it was dropped to save memory.
        """
        deadline = asyncio.timeout(seconds)
        self._deadlines.add(deadline)
        try:
            async with deadline:
                yield
        except TimeoutError:
            if deadline in self._deadlines:
                raise RequestTimeoutError from None
            raise OverloadedError(retry_after_s=_NO_MEMORY_S) from None
        finally:
            self._deadlines.discard(deadline)

    def drop(self) -> None:
        """Drop every body that is waited for."""
        now = asyncio.get_running_loop().time()
        due, self._deadlines = self._deadlines, set()
        self._dropped += len(due)
        for deadline in due:
            if not deadline.expired():
                deadline.reschedule(now)
