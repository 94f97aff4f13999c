"""Where log-ins are kept: a table of one process, or of all (lyra.redis.session_store)."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple, Protocol


class Table(Protocol):
    """Values under hashed names, bounded and expiring; see lyra.redis.session_store for each method."""

    async def read(self, name: str) -> bytes | None: ...

    async def keep(self, name: str, value: bytes, ttl_s: float, *, owner: str = "") -> None: ...

    async def swap(self, name: str, old: bytes, new: bytes, ttl_s: float) -> bool: ...

    async def take(self, name: str) -> bytes | None: ...

    async def leave(self, owner: str, name: str) -> None: ...

    def lock(self, name: str) -> AbstractAsyncContextManager[None]: ...


class _Held(NamedTuple):
    value: bytes
    until: float
    owner: str


class MemoryTable:
    """At most `most` values in this process, and `most_each` of one owner.

    Of too many values the least recently used goes; of too many of one owner the owner's oldest, so
    that nobody pushes out what is another's by having ever more.
    """

    def __init__(self, most: int, clock: Callable[[], float], *, most_each: int) -> None:
        self._most = most
        self._most_each = most_each
        self._clock = clock
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._owned: dict[str, dict[str, None]] = {}  # names by owner, oldest first; as in _held

    def __len__(self) -> int:
        return len(self._held)

    async def read(self, name: str) -> bytes | None:
        """The value of this name, which is recently used from now on."""
        held = self._held.get(name)
        if held is None:
            return None
        if held.until <= self._clock():
            self._drop(name)
            return None
        self._held.move_to_end(name)
        return held.value

    async def keep(self, name: str, value: bytes, ttl_s: float, *, owner: str = "") -> None:
        """Keep a value under a new name, for this owner if one is named."""
        self._held[name] = _Held(value, self._clock() + ttl_s, owner)
        if owner:
            names = self._owned.setdefault(owner, {})
            names[name] = None
            while len(names) > self._most_each:
                self._drop(next(iter(names)))
        while len(self._held) > self._most:
            self._drop(next(iter(self._held)))

    async def swap(self, name: str, old: bytes, new: bytes, ttl_s: float) -> bool:
        """Put the new value in the place of exactly the old one; False when that has changed."""
        if await self.read(name) != old:
            return False
        self._held[name] = _Held(new, self._clock() + ttl_s, self._held[name].owner)
        return True

    async def take(self, name: str) -> bytes | None:
        """The value of this name, which is gone with that."""
        value = await self.read(name)
        self._drop(name)
        return value

    async def leave(self, owner: str, name: str) -> None:
        """Nothing to do: what is taken is its owner's no more."""

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[None]:  # noqa: ARG002 - Table's signature
        """Nothing to wait for: one process renews a session in one task."""
        yield

    def _drop(self, name: str) -> None:
        held = self._held.pop(name, None)
        if held is not None and held.owner:
            names = self._owned[held.owner]
            del names[name]
            if not names:
                del self._owned[held.owner]
