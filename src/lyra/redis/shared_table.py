"""Tables that all processes share: opaque values under hashed names, bounded and expiring.

Unlike the cache, what is here is nowhere else: a Redis that is away is an error for the caller.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from types import MappingProxyType
from typing import Literal

from lyra.redis import scripts
from lyra.redis.gateway import RedisGateway
from lyra.redis.keyspace import RedisKeys, check_key
from lyra.redis.lease import Lease
from lyra.redis.protocol import WRONG_TYPE, Command, Refusal, Reply, UnansweredError, as_ms
from lyra.redis.tombstones import Tombstones

_EVICTED_AT_ONCE = 100
TableKind = Literal["session", "login", "proposal"]
_CAP_BYTES: Mapping[TableKind, int] = MappingProxyType(
    {"session": 65_536, "login": 65_536, "proposal": 262_144}
)


class SharedTable:
    """One table, bounded in all and for one owner; a value longer than its kind may be is not read.

    Over the bound the least recently used is evicted (LRU); over an owner's, that owner's oldest.
    """

    def __init__(
        self,
        gateway: RedisGateway,
        kind: TableKind,
        *,
        max_entries: int,
        max_per_owner: int = 10,
        wall_clock: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._kind = kind
        self._cap_bytes = _CAP_BYTES[kind]
        self._max_entries = max_entries
        self._max_per_owner = max_per_owner
        self._wall_clock = wall_clock
        self._index = f"lyra:v2:{kind}s"
        self._ended = Tombstones()  # names are random: one that was taken is never used again
        gateway.bus.on_session_end(lambda name: self._ended.add(name, 1, held=True))

    async def read(self, name: str) -> bytes | None:
        """Return the value of this name, and count that as use.

        None for one that was taken, even if it has been put back since.

        Raises:
            UnansweredError: Redis is away; the other methods raise it too.
        """
        if self._ended.cover(name, 1):
            return None
        value, *_ = await self._execute(
            ("GETRANGE", self._value_key(name), 0, self._cap_bytes),
            ("ZADD", self._index, "XX", self._now_ms, name),
        )
        return value if isinstance(value, bytes) and 0 < len(value) <= self._cap_bytes else None

    async def keep(self, name: str, value: bytes, ttl_s: float, *, owner: str = "") -> None:
        """Keep a value under a new name, for this owner if one is named."""
        bounds = {self._index: self._max_entries} | (
            {self._owner_index(owner): self._max_per_owner} if owner else {}
        )
        ttl_ms = as_ms(ttl_s)
        await self._list(name, ("SET", self._value_key(name), value, "PX", ttl_ms), bounds, ttl_ms)

    async def adopt(self, name: str, owner: str, old_owner: str, ttl_s: float) -> None:
        """Count a value as this owner's from now on."""
        leave = ("ZREM", self._owner_index(old_owner), name)
        bounds = {self._owner_index(owner): self._max_per_owner}
        await self._list(name, leave, bounds, as_ms(ttl_s))

    async def drop_all(self, owner: str) -> int:
        """Remove all values of this owner, and return how many there were."""
        index = self._owner_index(owner)
        listed, *_ = await self._execute(("ZRANGE", index, 0, -1))
        members = listed if isinstance(listed, list) else []
        names = [each for each in map(_parse_name, members) if each]
        if names:
            await self._evict(index, names)
        return len(names)

    async def _list(
        self, name: str, first: Command, bounds: Mapping[str, int], ttl_ms: int
    ) -> None:
        """Send a command, and list the name in these indexes, each with its bound."""
        commands_by_index = {
            index: self._index_commands(index, name, limit, ttl_ms)
            for index, limit in bounds.items()
        }
        _, *replies = await self._execute(first, *chain(*commands_by_index.values()))
        for (index, commands), answers in zip(
            commands_by_index.items(), _in_threes(replies), strict=True
        ):
            if WRONG_TYPE in answers:
                self._gateway.discarded.count("poisoned")
                await self._execute(("UNLINK", index), *commands)
            elif isinstance(overflow := answers[1], list) and overflow:
                await self._evict(index, [each for each in map(_parse_name, overflow) if each])

    def _index_commands(
        self, index: str, name: str, limit: int, ttl_ms: int
    ) -> tuple[Command, ...]:
        """Return commands that add a name to an index and read those over its bound, oldest first."""
        return (
            ("ZADD", index, self._now_ms, name),
            ("ZRANGE", index, -limit - _EVICTED_AT_ONCE, -limit - 1),
            ("PEXPIRE", index, 2 * ttl_ms),
        )

    async def swap(self, name: str, old: bytes, new: bytes, ttl_s: float) -> bool:
        """Replace exactly the old value by the new one; False when it has changed (compare-and-swap)."""
        script = ("EVAL", scripts.SWAP, 1, self._value_key(name), old, new, as_ms(ttl_s))
        return await self._execute(script) == [1]

    async def take(self, name: str) -> bytes | None:
        """Remove the value of this name and return it."""
        gateway, ended = self._gateway, self._ended.cover(name, 1)
        value, *_ = await self._execute(
            (
                "EVAL",
                scripts.TAKE,
                1,
                self._value_key(name),
                gateway.channel,
                gateway.bus.compose("out", name),
            ),
            ("ZREM", self._index, name),
        )
        there = isinstance(value, bytes)
        self._ended.add(name, 1, held=there)
        return value if there and not ended else None

    async def leave(self, owner: str, name: str) -> None:
        """Remove a value that was taken from its owner's index."""
        if owner:
            await self._execute(("ZREM", self._owner_index(owner), name))

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[None]:
        """Hold the lock of this name across processes; wait for it without a limit."""
        with self._gateway.bus.key_event(name) as event:
            while True:
                event.clear()
                lease = await self._acquire_lease(name)
                if lease is not None:
                    break
                await event.wait(self._gateway.timing.recheck_s)
        async with lease:
            yield

    async def _acquire_lease(self, name: str) -> Lease | None:
        names = RedisKeys(self._kind, check_key(name))
        value = secrets.token_hex(8)
        lease_ms = round(self._gateway.timing.lease_s * 1000)
        script = ("EVAL", scripts.LEAD, 2, names.entry, names.lease, value, lease_ms, 1)
        replies = await self._execute(script)
        if replies == [WRONG_TYPE]:
            self._gateway.discarded.count("poisoned")
            await self._execute(("UNLINK", names.lease))
        return Lease(self._gateway, names, value) if replies == [1] else None

    async def _evict(self, index: str, names: Sequence[str]) -> None:
        await self._execute(
            *(("UNLINK", self._value_key(name)) for name in names),
            ("ZREM", self._index, *names),
            ("ZREM", index, *names),
        )

    async def _execute(self, *commands: Command) -> list[Reply]:
        replies = await self._gateway.execute(*commands)
        if replies is None:
            raise UnansweredError("away", timed_out=False)
        first = replies[0]
        # A value of a wrong type is not in the table; any other refusal counts as no answer.
        if isinstance(first, Refusal) and first != WRONG_TYPE:
            raise UnansweredError(first.code, timed_out=False)
        return replies

    @property
    def _now_ms(self) -> int:
        return round(self._wall_clock() * 1000)

    def _owner_index(self, owner: str) -> str:
        return f"{self._index}:{{{check_key(owner)}}}" if owner else ""

    def _value_key(self, name: str) -> str:
        return f"lyra:v2:{self._kind}:{{{check_key(name)}}}"


def _in_threes(replies: Sequence[Reply]) -> list[Sequence[Reply]]:
    """Return the replies of each index: see SharedTable._index_commands."""
    return [replies[at : at + 3] for at in range(0, len(replies), 3)]


def _parse_name(member: Reply) -> str:
    try:
        return check_key(member.decode("ascii", "replace")) if isinstance(member, bytes) else ""
    except ValueError:
        return ""
