"""Log-ins of all processes: opaque values under hashed names, so many and no more.

Unlike the cache, what is here is nowhere else: a Redis that is away is an error for the caller.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from typing import Literal

from lyra.redis import scripts
from lyra.redis.gateway import RedisGateway
from lyra.redis.keyspace import RedisKeys, checked
from lyra.redis.lease import Lease
from lyra.redis.protocol import WRONG_TYPE, Command, Refusal, Reply, UnansweredError, as_ms
from lyra.redis.tombstones import Tombstones

_EVICTED_AT_ONCE = 100
_CAP_BYTES = 65_536


class SharedSessions:
    """A table of log-ins, or of those that have begun: `most`, and `most_each` of one owner.

    Of too many the least recently used go first; of too many of one owner the owner's oldest.
    """

    def __init__(
        self,
        door: RedisGateway,
        kind: Literal["session", "login"],
        *,
        most: int,
        most_each: int = 10,
        wall_clock: Callable[[], float],
    ) -> None:
        self._door = door
        self._kind = kind
        self._most = most
        self._most_each = most_each
        self._wall_clock = wall_clock
        self._index = f"lyra:v2:{kind}s"
        self._ended = Tombstones()  # names are random: one that was taken never comes again
        door.notices.tell_of_ends(lambda name: self._ended.bury(name, 1, held=True))

    async def read(self, name: str) -> bytes | None:
        """The value of this name, which is recently used from now on.

        Nothing for one that has been taken, whoever has put it back since.

        Raises:
            UnansweredError: Redis is away. So do all the others here.
        """
        if self._ended.hold(name, 1):
            return None
        value, *_ = await self._ask(
            ("GETRANGE", self._at(name), 0, _CAP_BYTES),
            ("ZADD", self._index, "XX", self._now_ms, name),
        )
        return value if isinstance(value, bytes) and 0 < len(value) <= _CAP_BYTES else None

    async def keep(self, name: str, value: bytes, ttl_s: float, *, owner: str = "") -> None:
        """Keep a value under a new name, for this owner if one is named."""
        ttl_ms = as_ms(ttl_s)
        bounds = {self._index: self._most} | (
            {self._owned(owner): self._most_each} if owner else {}
        )
        listed = {index: self._listed(index, name, most, ttl_ms) for index, most in bounds.items()}
        _, *replies = await self._ask(
            ("SET", self._at(name), value, "PX", ttl_ms), *chain(*listed.values())
        )
        for (index, commands), found in zip(listed.items(), _thrice(replies), strict=True):
            if WRONG_TYPE in found:
                self._door.discarded.count("poisoned")
                await self._ask(("UNLINK", index), *commands)
            elif isinstance(overflow := found[1], list) and overflow:
                await self._evict(index, [each for each in map(_name, overflow) if each])

    def _listed(self, index: str, name: str, most: int, ttl_ms: int) -> tuple[Command, ...]:
        """Put a name into an index, and ask for those that are too many in it, oldest first."""
        return (
            ("ZADD", index, self._now_ms, name),
            ("ZRANGE", index, -most - _EVICTED_AT_ONCE, -most - 1),
            ("PEXPIRE", index, 2 * ttl_ms),
        )

    async def swap(self, name: str, old: bytes, new: bytes, ttl_s: float) -> bool:
        """Put the new value in the place of exactly the old one; False when that has changed."""
        script = ("EVAL", scripts.SWAP, 1, self._at(name), old, new, as_ms(ttl_s))
        return await self._ask(script) == [1]

    async def take(self, name: str) -> bytes | None:
        """The value of this name, which is gone with that."""
        door, ended = self._door, self._ended.hold(name, 1)
        value, *_ = await self._ask(
            (
                "EVAL",
                scripts.TAKE,
                1,
                self._at(name),
                door.channel,
                door.notices.compose("out", name),
            ),
            ("ZREM", self._index, name),
        )
        there = isinstance(value, bytes)
        self._ended.bury(name, 1, held=there)
        return value if there and not ended else None

    async def leave(self, owner: str, name: str) -> None:
        """Count a value that was taken no more as its owner's."""
        if owner:
            await self._ask(("ZREM", self._owned(owner), name))

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[None]:
        """Be the only process in such a block for this name; wait for that without a limit."""
        with self._door.notices.bell(name) as bell:
            while True:
                bell.clear()
                lease = await self._lead(name)
                if lease is not None:
                    break
                await bell.wait(self._door.timing.recheck_s)
        async with lease:
            yield

    async def _lead(self, name: str) -> Lease | None:
        names = RedisKeys(self._kind, checked(name))
        value = secrets.token_hex(8)
        lease_ms = round(self._door.timing.lease_s * 1000)
        script = ("EVAL", scripts.LEAD, 2, names.entry, names.lease, value, lease_ms, 1)
        replies = await self._ask(script)
        if replies == [WRONG_TYPE]:
            self._door.discarded.count("poisoned")
            await self._ask(("UNLINK", names.lease))
        return Lease(self._door, names, value) if replies == [1] else None

    async def _evict(self, index: str, names: Sequence[str]) -> None:
        await self._ask(
            *(("UNLINK", self._at(name)) for name in names),
            ("ZREM", self._index, *names),
            ("ZREM", index, *names),
        )

    async def _ask(self, *commands: Command) -> list[Reply]:
        replies = await self._door.execute(*commands)
        if replies is None:
            raise UnansweredError("away", timed_out=False)
        first = replies[0]
        # What strangers have put under the name is no log-in; any other refusal is no answer.
        if isinstance(first, Refusal) and first != WRONG_TYPE:
            raise UnansweredError(first.code, timed_out=False)
        return replies

    @property
    def _now_ms(self) -> int:
        return round(self._wall_clock() * 1000)

    def _owned(self, owner: str) -> str:
        return f"{self._index}:{{{checked(owner)}}}" if owner else ""

    def _at(self, name: str) -> str:
        return f"lyra:v2:{self._kind}:{{{checked(name)}}}"


def _thrice(replies: Sequence[Reply]) -> list[Sequence[Reply]]:
    """The replies of each index: see SharedSessions._listed."""
    return [replies[at : at + 3] for at in range(0, len(replies), 3)]


def _name(member: Reply) -> str:
    try:
        return checked(member.decode("ascii", "replace")) if isinstance(member, bytes) else ""
    except ValueError:
        return ""
