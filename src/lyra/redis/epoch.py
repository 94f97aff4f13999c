"""The epoch: a random word in every listener's key, which "forget all" replaces (a namespace version).

What was kept under the old one, and what a fetch that began before still wants to publish, is out
of every process's reach in one step, however many keys there are.
"""

import secrets
from collections.abc import Callable, Sequence

from lyra.redis import scripts
from lyra.redis.gateway import RedisGateway
from lyra.redis.keyspace import EPOCH, RedisKeys, check_key, parse_word
from lyra.redis.protocol import WRONG_TYPE, Command, Reply

Commands = Callable[[RedisKeys], Sequence[Command]]


class Epoch:
    """Sends commands about one key under the current epoch's names.

    Invariant: no reply is believed that was given under another epoch than the one that Redis
    named in the same round trip.
    """

    def __init__(self, gateway: RedisGateway) -> None:
        self.current = ""  # as this process knows it; empty: not yet
        self._gateway = gateway

    async def execute(self, key: str, commands: Commands) -> list[Reply] | None:
        """Return the replies under the current epoch's names; None without Redis.

        The epoch is asked for along with the rest: one round trip, and yet nothing is done under
        an old one. Commands that are sent under an old one's names do no harm.
        """
        for last_try in (False, False, True):
            names = RedisKeys(self.current, check_key(key))
            prepared = commands(names) if self.current else ()
            replies = await self._gateway.execute(*prepared, ("GET", EPOCH))
            if replies is None:
                return None
            *rest, epoch = replies
            if parse_word(epoch) and parse_word(epoch) == names.epoch:
                await self._delete_wrong_types(names, rest)
                return rest
            if not last_try and not await self._learn(epoch):
                return None
        return None

    async def replace(self) -> int | None:
        """Begin a new epoch; return when, in microseconds of Redis' clock, or None if it failed."""
        epoch, bus = secrets.token_hex(8), self._gateway.bus
        replies = await self._gateway.execute(
            (
                *("EVAL", scripts.FORGET_ALL, 1, EPOCH, epoch, self._gateway.channel),
                *(bus.compose("all"), bus.compose("past")),
            )
        )
        match replies:
            case [[bytes(moment), int(kept)]] if moment.isdigit():
                self.current = epoch if kept else ""
                return int(moment)
            case _:
                return None

    async def _learn(self, reply: Reply) -> bool:
        """Take over the epoch that Redis has; give it one if it has none, or none that is one.

        False when there is none, and Redis takes none.
        """
        epoch = parse_word(reply)
        missing = reply is None
        if epoch is None and (missing or isinstance(reply, bytes) or reply == WRONG_TYPE):
            # The first of several processes wins; rubbish under the name is written over.
            only_new = ("NX",) if missing else ()
            epoch = secrets.token_hex(8)
            replies = await self._gateway.execute(("SET", EPOCH, epoch, *only_new), ("GET", EPOCH))
            epoch = parse_word(replies[-1]) if replies else None
            if epoch is None and replies and replies[-1] is not None:
                self._gateway.misunderstand(
                    ("GET", EPOCH)
                )  # it was set, and reads as something else
        self.current = epoch or ""
        return bool(self.current)

    async def _delete_wrong_types(self, names: RedisKeys, replies: list[Reply]) -> None:
        """Delete and count values of a wrong type under the key's names: they are not Lyra's."""
        if WRONG_TYPE in replies:
            self._gateway.discarded.count("poisoned")
            await self._gateway.execute(
                ("UNLINK", names.entry, names.generation, names.lease, names.details)
            )
