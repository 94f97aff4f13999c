"""What this process knows of what was forgotten, here and elsewhere, by Redis' own clock."""

import asyncio

from lyra.redis.gateway import RedisGateway
from lyra.redis.invalidation import PastVerb
from lyra.redis.protocol import Reply
from lyra.redis.tombstones import Tombstones

_APART_US = 10_000_000  # more than anything takes to be told


class SharedTombstones:
    """Tombstones that hear of the other processes' forgets, and tell them of this one's.

    `verb` says of what: see InvalidationBus.tell_of_past.
    """

    def __init__(self, door: RedisGateway, verb: PastVerb) -> None:
        self._door = door
        self._verb: PastVerb = verb
        self._graves = Tombstones()
        self._ahead: float | None = None  # Redis' clock before the loop's, in microseconds
        door.notices.on_joined(self._learn)
        door.notices.tell_of_past(verb, self._hear)

    def holds(self, key: str, moment: int) -> bool:
        """Whether what began at this moment has been forgotten since."""
        return self._graves.hold(key, moment)

    def bury(self, key: str | None, moment: int, *, held: bool) -> None:
        """Refuse what there was of this key, or of all, up to this moment."""
        if key is None:
            self._graves.bury_all(moment)
        else:
            self._graves.bury(key, moment, held=held)

    def moment(self, reply: Reply) -> int | None:
        """The time that Redis has told, in microseconds; None if it is none."""
        match reply:
            case [int(seconds), int(micros)]:
                moment = seconds * 1_000_000 + micros
                self._ahead = moment - asyncio.get_running_loop().time() * 1e6
                return moment
            case _:
                return None

    async def tell(self, key: str | None, *also: str, held: bool) -> None:
        """Have all processes refuse what there was, though Redis keeps it for now; say `also` this.

        One that is full or read-only still passes notices on. What it keeps was there before, so
        that whoever hears this takes nothing of it any more.
        """
        replies = await self._door.execute(("TIME",))
        moment = self.moment(replies[0]) if replies else None
        if moment is None:
            return
        self.bury(key, moment, held=held)
        past = f"{self._door.notices.compose(self._verb, key or '-')} {moment} {int(held)}"
        await self._door.execute(*(("PUBLISH", self._door.channel, each) for each in (past, *also)))

    def _hear(self, key: str | None, moment: int, held: bool) -> None:
        """Take over another process's forget; a moment that is yet to come is nobody's."""
        if self._ahead is not None:
            now = asyncio.get_running_loop().time() * 1e6 + self._ahead
            self.bury(key, min(moment, round(now) + _APART_US), held=held)

    async def _learn(self) -> None:
        if replies := await self._door.execute(("TIME",)):
            self.moment(replies[0])
