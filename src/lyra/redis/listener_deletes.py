"""Deletes of listeners in every process; while Redis cannot be told they stay pending.

Invariant: between a forget that Redis has not taken and the moment when it has, this process reads
and publishes nothing for that key there (see `settle`).
"""

from lyra.redis import scripts
from lyra.redis.epoch import Epoch
from lyra.redis.gateway import RedisGateway
from lyra.redis.pending_deletes import PendingDeletes
from lyra.redis.protocol import Reply
from lyra.redis.shared_tombstones import SharedTombstones

_ALL = "all"


class ListenerDeletes:
    """Deletes that are carried out now or stay pending, and tombstones of those that were."""

    def __init__(self, gateway: RedisGateway, epoch: Epoch) -> None:
        self._gateway = gateway
        self._epoch = epoch
        # A table of its own: no number of pending single keys becomes a pending "forget all".
        self._pending_all = PendingDeletes(gateway, lambda _: self._delete_all())
        self._pending = PendingDeletes(gateway, self._delete)
        self._tombstones = SharedTombstones(gateway, "past")
        gateway.bus.on_joined(self._retry_now)

    def was_forgotten(self, key: str, moment: int) -> bool:
        """Return whether this process knows that what began then has been forgotten since."""
        return self._tombstones.cover(key, moment)

    def parse_time(self, reply: Reply) -> int | None:
        """Return the time in Redis' reply, in microseconds; None if there is none in it."""
        return self._tombstones.parse_time(reply)

    async def settle(self, key: str) -> bool:
        """Carry out what is pending for this key; False if Redis does not take it."""
        return await self._pending_all.settle(_ALL) and await self._pending.settle(key)

    async def forget(self, key: str, *, held: bool) -> bool:
        """Forget a key; see `SharedListeners.forget`."""
        done = await self._delete(key, held=held)
        if not done:
            self._pending.add(key, held=held)
            if self._gateway.reachable:
                # A user who may send no scripts may delete all the same.
                await self._epoch.execute(
                    key,
                    lambda names: [("UNLINK", names.entry, names.generation, names.details)],
                )
                gone = self._gateway.bus.compose("gone", key)
                await self._tombstones.announce(key, gone, held=held)
        return done

    async def forget_all(self) -> bool:
        """Forget every key; see `SharedListeners.forget_all`."""
        done = await self._delete_all()
        if not done:
            self._pending_all.add(_ALL, held=True)
            if self._gateway.reachable:
                await self._tombstones.announce(None, self._gateway.bus.compose("all"), held=True)
        return done

    async def _delete(self, key: str, *, held: bool = False) -> bool:
        bus = self._gateway.bus
        replies = await self._epoch.execute(
            key,
            lambda names: [
                (
                    *("EVAL", scripts.FORGET, 4),
                    *(names.entry, names.generation, names.lease, names.details),
                    *(self._gateway.channel, bus.compose("gone", key)),
                    *(bus.compose("past", key), int(held)),
                )
            ],
        )
        match replies:
            case [[bytes(moment), int(there)]] if moment.isdigit():
                self._tombstones.add(key, int(moment), held=bool(there))
                return True
            case _:
                return False

    async def _delete_all(self) -> bool:
        demands = [(table, table.demand()) for table in (self._pending_all, self._pending)]
        moment = await self._epoch.replace()
        if moment is None:
            return False
        # Under a new epoch there is nothing left to be forgotten of the old one.
        self._tombstones.add(None, moment, held=True)
        for table, demand in demands:
            table.clear(demand)
        return True

    async def _retry_now(self) -> None:
        self._pending_all.retry_now()
        self._pending.retry_now()
