"""A lock per key that exists only while it is held or awaited."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lyra.cache.keys import Key


class KeyedLocks:
    """Locks by key. The table is as large as the number of keys in use at this moment."""

    def __init__(self) -> None:
        self._locks: dict[Key, asyncio.Lock] = {}
        self._users: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._locks)

    @asynccontextmanager
    async def hold(self, key: Key) -> AsyncIterator[None]:
        """Hold this key's lock for the length of the block."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._users[key] = self._users.get(key, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._locks[key]
