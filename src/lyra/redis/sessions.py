"""Log-ins of all processes: opaque values under hashed names, so many and no more.

Unlike the cache, what is here is nowhere else: a Redis that is away is an error for the caller.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Literal

from lyra.redis import scripts
from lyra.redis.door import RedisDoor
from lyra.redis.lease import Lease
from lyra.redis.names import Names, checked
from lyra.redis.replies import Command, Refusal, Reply, UnansweredError

_WRONG_TYPE = Refusal("WRONGTYPE")
_EVICTED_AT_ONCE = 100
_CAP_BYTES = 65_536


class SharedSessions:
    """A table of log-ins, or of those that have begun; the least recently used go first."""

    def __init__(
        self,
        door: RedisDoor,
        kind: Literal["session", "login"],
        *,
        most: int,
        wall_clock: Callable[[], float],
    ) -> None:
        self._door = door
        self._kind = kind
        self._most = most
        self._wall_clock = wall_clock
        self._index = f"lyra:v2:{kind}s"

    async def read(self, name: str) -> bytes | None:
        """The value of this name, which is recently used from now on.

        Raises:
            UnansweredError: Redis is away. So do all the others here.
        """
        value, *_ = await self._ask(
            ("GETRANGE", self._at(name), 0, _CAP_BYTES),
            ("ZADD", self._index, "XX", self._now_ms, name),
        )
        return value if isinstance(value, bytes) and 0 < len(value) <= _CAP_BYTES else None

    async def keep(self, name: str, value: bytes, ttl_s: float) -> None:
        """Keep a value under a new name."""
        ttl_ms = _ms(ttl_s)
        _, _, overflow, _ = await self._ask(
            ("SET", self._at(name), value, "PX", ttl_ms),
            ("ZADD", self._index, self._now_ms, name),
            ("ZRANGE", self._index, -self._most - _EVICTED_AT_ONCE, -self._most - 1),
            ("PEXPIRE", self._index, 2 * ttl_ms),
        )
        if isinstance(overflow, list) and overflow:
            await self._evict([each for each in map(_name, overflow) if each])

    async def swap(self, name: str, old: bytes, new: bytes, ttl_s: float) -> bool:
        """Put the new value in the place of exactly the old one; False when that has changed."""
        script = ("EVAL", scripts.SWAP, 1, self._at(name), old, new, _ms(ttl_s))
        return await self._ask(script) == [1]

    async def take(self, name: str) -> bytes | None:
        """The value of this name, which is gone with that."""
        value, *_ = await self._ask(
            ("EVAL", scripts.TAKE, 1, self._at(name)), ("ZREM", self._index, name)
        )
        return value if isinstance(value, bytes) else None

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        """Be the only process in such a block for this name; wait for that without a limit."""
        with self._door.notices.bell(name) as bell:
            while True:
                bell.still()
                lease = await self._lead(name)
                if lease is not None:
                    break
                await bell.rung(self._door.timing.recheck_s)
        async with lease:
            yield

    async def _lead(self, name: str) -> Lease | None:
        names = Names(self._kind, checked(name))
        value = secrets.token_hex(8)
        lease_ms = round(self._door.timing.lease_s * 1000)
        script = ("EVAL", scripts.LEAD, 2, names.entry, names.lease, value, lease_ms, 1)
        replies = await self._ask(script)
        return Lease(self._door, names, value) if replies == [1] else None

    async def _evict(self, names: Sequence[str]) -> None:
        await self._ask(
            *(("UNLINK", self._at(name)) for name in names), ("ZREM", self._index, *names)
        )

    async def _ask(self, *commands: Command) -> list[Reply]:
        replies = await self._door.ask(*commands)
        if replies is None:
            raise UnansweredError("away", timed_out=False)
        first = replies[0]
        # What strangers have put under the name is no log-in; any other refusal is no answer.
        if isinstance(first, Refusal) and first != _WRONG_TYPE:
            raise UnansweredError(first.code, timed_out=False)
        return replies

    @property
    def _now_ms(self) -> int:
        return round(self._wall_clock() * 1000)

    def _at(self, name: str) -> str:
        return f"lyra:v2:{self._kind}:{{{checked(name)}}}"


def _name(member: Reply) -> str:
    try:
        return checked(member.decode("ascii", "replace")) if isinstance(member, bytes) else ""
    except ValueError:
        return ""


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
