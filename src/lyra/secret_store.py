"""A secret store: values behind secret ids, in this process or sealed in Redis.

Ids are hashed where values are kept; in Redis, which others may read, values are sealed (encrypted)
with a key that only the id completes.
"""

import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from hashlib import blake2b
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from lyra.errors import TryLaterError
from lyra.redis.gateway import RedisGateway
from lyra.redis.protocol import UnansweredError
from lyra.redis.sealing import open_sealed, seal
from lyra.redis.shared_table import SharedTable, TableKind

_ID_BYTES = 32
_MAX_ID = 128
_TRIES = 8


class Keepable(Protocol):
    """A msgspec struct that a store can keep. `until` is in seconds since 1970."""

    @property
    def until(self) -> float: ...

    @property
    def owner(self) -> str: ...


Kept = TypeVar("Kept", bound=Keepable)


class Table(Protocol):
    """Values under hashed names, bounded and expiring; see lyra.redis.shared_table for each method."""

    async def read(self, name: str) -> bytes | None: ...

    async def keep(self, name: str, value: bytes, ttl_s: float, *, owner: str = "") -> None: ...

    async def swap(self, name: str, old: bytes, new: bytes, ttl_s: float) -> bool: ...

    async def take(self, name: str) -> bytes | None: ...

    async def leave(self, owner: str, name: str) -> None: ...

    async def adopt(self, name: str, owner: str, old_owner: str, ttl_s: float) -> None: ...

    async def drop_all(self, owner: str) -> int: ...

    def lock(self, name: str) -> AbstractAsyncContextManager[None]: ...


class _Entry(NamedTuple):
    value: bytes
    until: float
    owner: str


class MemoryTable:
    """At most `max_entries` values in this process, and `max_per_owner` of one owner.

    Of too many values the least recently used is evicted (LRU); of too many of one owner the owner's
    oldest, so that no owner evicts the values of another by having ever more.
    """

    def __init__(self, max_entries: int, clock: Callable[[], float], *, max_per_owner: int) -> None:
        self._max_entries = max_entries
        self._max_per_owner = max_per_owner
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._owned: dict[
            str, dict[str, None]
        ] = {}  # names by owner, oldest first; the same as in _entries

    def __len__(self) -> int:
        return len(self._entries)

    async def read(self, name: str) -> bytes | None:
        """Return the value of this name, and count it as recently used."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        if entry.until <= self._clock():
            self._drop(name)
            return None
        self._entries.move_to_end(name)
        return entry.value

    async def keep(self, name: str, value: bytes, ttl_s: float, *, owner: str = "") -> None:
        """Keep a value under a new name, for this owner if one is named."""
        self._entries[name] = _Entry(value, self._clock() + ttl_s, owner)
        self._own(name, owner)
        while len(self._entries) > self._max_entries:
            self._drop(next(iter(self._entries)))

    async def swap(self, name: str, old: bytes, new: bytes, ttl_s: float) -> bool:
        """Replace exactly the old value by the new one (compare and swap); False if it has changed."""
        if await self.read(name) != old:
            return False
        self._entries[name] = _Entry(new, self._clock() + ttl_s, self._entries[name].owner)
        return True

    async def take(self, name: str) -> bytes | None:
        """Remove the value of this name, and return it."""
        value = await self.read(name)
        self._drop(name)
        return value

    async def leave(self, owner: str, name: str) -> None:
        """Do nothing: a value that was taken is not counted any more."""

    async def adopt(self, name: str, owner: str, old_owner: str, ttl_s: float) -> None:  # noqa: ARG002
        """Count a value as this owner's from now on."""
        entry = self._entries.get(name)
        if entry is None:
            return
        self._disown(name, entry.owner)
        self._entries[name] = entry._replace(owner=owner)
        self._own(name, owner)

    async def drop_all(self, owner: str) -> int:
        """Remove all values of this owner, and return how many there were."""
        names = [*self._owned.get(owner, ())]
        for name in names:
            self._drop(name)
        return len(names)

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[None]:  # noqa: ARG002 - Table's signature
        """Wait for nothing: in one process a value has one task that needs the lock."""
        yield

    def _drop(self, name: str) -> None:
        entry = self._entries.pop(name, None)
        if entry is not None:
            self._disown(name, entry.owner)

    def _own(self, name: str, owner: str) -> None:
        if not owner:
            return
        names = self._owned.setdefault(owner, {})
        names[name] = None
        while len(names) > self._max_per_owner:
            self._drop(next(iter(names)))

    def _disown(self, name: str, owner: str) -> None:
        names = self._owned.get(owner, {})
        names.pop(name, None)
        if not names:
            self._owned.pop(owner, None)


def make_table(
    redis: RedisGateway | None,
    kind: TableKind,
    *,
    max_entries: int,
    max_per_owner: int,
    wall_clock: Callable[[], float],
) -> Table:
    """Return the table of this kind: that of all processes where there is a Redis."""
    if redis is None:
        return MemoryTable(max_entries, wall_clock, max_per_owner=max_per_owner)
    return SharedTable(
        redis, kind, max_entries=max_entries, max_per_owner=max_per_owner, wall_clock=wall_clock
    )


class SecretStore(Generic[Kept]):
    """Values of one kind behind secret ids. With a secret they are sealed, each under its id.

    Every method raises `unavailable` while the table cannot be reached.
    """

    def __init__(
        self,
        table: Table,
        kind: type[Kept],
        *,
        secret: str | None,
        wall_clock: Callable[[], float],
        unavailable: type[TryLaterError],
    ) -> None:
        self.table = table
        self._kind: type[Kept] = kind
        self._secret = secret
        self._wall_clock = wall_clock
        self._unavailable = unavailable

    @property
    def recheck_delays_s(self) -> tuple[float, ...]:
        """Pauses, in seconds, after which to check whether another process has changed a value.

        A lock keeps the processes apart; but one that lost it without noticing may write late.
        """
        return (0.0, 0.25, 0.5) if self._secret else (0.0,)

    async def add(self, value: Kept) -> str:
        """Keep a value, and return its id of 256 random bits."""
        secret_id = secrets.token_urlsafe(_ID_BYTES)
        await self.keep(secret_id, value)
        return secret_id

    async def keep(self, secret_id: str, value: Kept) -> None:
        """Keep a value under an id that nobody can guess, and that has none yet."""
        with self._translate_outage():
            name, packed = name_of(secret_id), self._pack(secret_id, value)
            await self.table.keep(name, packed, self._ttl_s(value), owner=value.owner)

    async def find(self, secret_id: str) -> Kept | None:
        """Return the value of this id, if there is one."""
        kept = await self._read(secret_id)
        return kept[1] if kept else None

    async def take(self, secret_id: str) -> Kept | None:
        """Remove the value of this id, and return it: to one caller, once."""
        if not _is_plausible(secret_id):
            return None
        with self._translate_outage():
            packed = await self.table.take(name_of(secret_id))
            value = self._unpack(secret_id, packed)
        if value is not None:
            # The caller has the value, even if its owner's count stays one too high.
            with suppress(UnansweredError):
                await self.table.leave(value.owner, name_of(secret_id))
        return value

    async def change(self, secret_id: str, update: Callable[[Kept], Kept]) -> Kept | None:
        """Update a value, whatever other processes do meanwhile; None if it is gone."""
        for _ in range(_TRIES):
            kept = await self._read(secret_id)
            if kept is None:
                return None
            packed, value = kept
            value = update(value)
            with self._translate_outage():
                new = self._pack(secret_id, value)
                if await self.table.swap(name_of(secret_id), packed, new, self._ttl_s(value)):
                    return value
        raise self._unavailable(retry_after_s=1)

    async def adopt(
        self, secret_id: str, update: Callable[[Kept], Kept], old_owner: str
    ) -> Kept | None:
        """Update a value to be another owner's; return it, None if it is gone."""
        value = await self.change(secret_id, update)
        if value is not None:
            with self._translate_outage():
                await self.table.adopt(
                    name_of(secret_id), value.owner, old_owner, self._ttl_s(value)
                )
        return value

    async def take_all(self, owner: str) -> int:
        """Remove all values of this owner, and return how many there were."""
        with self._translate_outage():
            return await self.table.drop_all(owner)

    @asynccontextmanager
    async def lock(self, secret_id: str) -> AsyncIterator[None]:
        """Hold the lock of this id among all processes, for the length of the block."""
        with self._translate_outage():
            async with self.table.lock(name_of(secret_id)):
                yield

    @contextmanager
    def _translate_outage(self) -> Iterator[None]:
        """Raise a Redis that does not answer as an error of the API."""
        try:
            yield
        except UnansweredError:
            raise self._unavailable(retry_after_s=1) from None

    async def _read(self, secret_id: str) -> tuple[bytes, Kept] | None:
        if not _is_plausible(secret_id):
            return None
        with self._translate_outage():
            packed = await self.table.read(name_of(secret_id))
        value = self._unpack(secret_id, packed)
        return (packed, value) if packed is not None and value is not None else None

    def _ttl_s(self, value: Kept) -> float:
        return max(1.0, value.until - self._wall_clock())

    def _pack(self, secret_id: str, value: Kept) -> bytes:
        plain = msgspec.msgpack.encode(value)
        return seal(self._secret, secret_id, name_of(secret_id), plain) if self._secret else plain

    def _unpack(self, secret_id: str, packed: bytes | None) -> Kept | None:
        if packed is not None and self._secret:
            packed = open_sealed(self._secret, secret_id, name_of(secret_id), packed)
        try:
            value = msgspec.msgpack.decode(packed or b"", type=self._kind)
        except ValueError:
            return None  # not there, or not written by this service
        return value if self._wall_clock() < value.until else None


def name_of(secret_id: str) -> str:
    """Return the name that an id's value is kept under. The id is random, so the hash needs no key."""
    return blake2b(secret_id.encode(), digest_size=20, person=b"lyra-session").hexdigest()


def _is_plausible(secret_id: str) -> bool:
    return 0 < len(secret_id) <= _MAX_ID and secret_id.isascii()
