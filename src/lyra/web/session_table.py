"""Where log-ins are kept: a table of one process, or of all (lyra.redis.sessions)."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol


class Table(Protocol):
    """Values under hashed names, bounded and expiring; see lyra.redis.sessions for each method."""

    async def read(self, name: str) -> bytes | None: ...

    async def keep(self, name: str, value: bytes, ttl_s: float) -> None: ...

    async def swap(self, name: str, old: bytes, new: bytes, ttl_s: float) -> bool: ...

    async def take(self, name: str) -> bytes | None: ...

    def alone(self, name: str) -> AbstractAsyncContextManager[None]: ...


class MemoryTable:
    """At most `most` values in this process; the least recently used go first."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._held: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    async def read(self, name: str) -> bytes | None:
        """The value of this name, which is recently used from now on."""
        value, until = self._held.get(name, (b"", 0.0))
        if until <= self._clock():
            self._held.pop(name, None)
            return None
        self._held.move_to_end(name)
        return value

    async def keep(self, name: str, value: bytes, ttl_s: float) -> None:
        """Keep a value under a name."""
        self._held[name] = (value, self._clock() + ttl_s)
        self._held.move_to_end(name)
        while len(self._held) > self._most:
            self._held.popitem(last=False)

    async def swap(self, name: str, old: bytes, new: bytes, ttl_s: float) -> bool:
        """Put the new value in the place of exactly the old one; False when that has changed."""
        if await self.read(name) != old:
            return False
        await self.keep(name, new, ttl_s)
        return True

    async def take(self, name: str) -> bytes | None:
        """The value of this name, which is gone with that."""
        value = await self.read(name)
        self._held.pop(name, None)
        return value

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:  # noqa: ARG002 - Table's signature
        """Nothing to wait for: one process renews a session in one task."""
        yield
