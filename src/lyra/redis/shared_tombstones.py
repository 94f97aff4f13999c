"""Tombstones of what any process has forgotten, by Redis' own clock."""

import asyncio

from lyra.redis.gateway import RedisGateway
from lyra.redis.invalidation import PastVerb
from lyra.redis.protocol import Reply
from lyra.redis.tombstones import Tombstones

_APART_US = 10_000_000  # more than any message takes


class SharedTombstones:
    """Tombstones that learn of the other processes' forgets, and announce this one's.

    `verb` says of what: see InvalidationBus.on_past.
    """

    def __init__(self, gateway: RedisGateway, verb: PastVerb) -> None:
        self._gateway = gateway
        self._verb: PastVerb = verb
        self._tombstones = Tombstones()
        self._ahead: float | None = None  # Redis' clock before the loop's, in microseconds
        gateway.bus.on_joined(self._learn_time)
        gateway.bus.on_past(verb, self._on_forgotten)

    def cover(self, key: str, moment: int) -> bool:
        """Return whether what began at this moment has been forgotten since."""
        return self._tombstones.cover(key, moment)

    def add(self, key: str | None, moment: int, *, held: bool) -> None:
        """Refuse values of this key (None: of all) up to this moment."""
        if key is None:
            self._tombstones.add_all(moment)
        else:
            self._tombstones.add(key, moment, held=held)

    def parse_time(self, reply: Reply) -> int | None:
        """Return the time in Redis' reply, in microseconds; None if there is none in it."""
        match reply:
            case [int(seconds), int(micros)]:
                moment = seconds * 1_000_000 + micros
                self._ahead = moment - asyncio.get_running_loop().time() * 1e6
                return moment
            case _:
                return None

    async def announce(self, key: str | None, *also: str, held: bool) -> None:
        """Have all processes refuse earlier values though Redis still has them; publish `also`.

        A Redis that is full or read-only still passes messages on. Each process that gets this one
        refuses what Redis keeps, since it is older.
        """
        replies = await self._gateway.execute(("TIME",))
        moment = self.parse_time(replies[0]) if replies else None
        if moment is None:
            return
        self.add(key, moment, held=held)
        past = f"{self._gateway.bus.compose(self._verb, key or '-')} {moment} {int(held)}"
        await self._gateway.execute(
            *(("PUBLISH", self._gateway.channel, each) for each in (past, *also))
        )

    def _on_forgotten(self, key: str | None, moment: int, held: bool) -> None:
        """Take over another process's forget; a moment in the future is cut to now."""
        if self._ahead is not None:
            now = asyncio.get_running_loop().time() * 1e6 + self._ahead
            self.add(key, min(moment, round(now) + _APART_US), held=held)

    async def _learn_time(self) -> None:
        if replies := await self._gateway.execute(("TIME",)):
            self.parse_time(replies[0])
