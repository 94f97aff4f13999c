"""The listeners that all processes share: opaque values under hashed keys.

Nothing here raises for want of Redis: a read is then a miss, and everything else fails softly.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Literal, NamedTuple

from lyra.redis import scripts
from lyra.redis.epoch import Commands, Epoch
from lyra.redis.gateway import RedisGateway
from lyra.redis.invalidation import Invalidate, Replaced
from lyra.redis.keyspace import EPOCH, RedisKeys, check_key, parse_word
from lyra.redis.lease import Lease
from lyra.redis.listener_deletes import ListenerDeletes
from lyra.redis.protocol import Command, Refusal, Reply

CAP_BYTES = 1_048_576
GENERATION_MS = 600_000  # longer than any fetch
_LEAD: Command = ("EVAL", scripts.LEAD)

Standing = Literal["arrived", "vacant", "unknown"]
Fate = Literal["kept", "forgotten", "unknown"]
_HEAD_BYTES = 32  # of a sealed value: no two of them begin alike, since each has a nonce of its own


class Held(NamedTuple):
    """A value, the milliseconds that it is still kept, and its epoch."""

    blob: bytes
    ttl_ms: int
    epoch: str = ""


@dataclass(frozen=True, slots=True)
class Generation:
    """The fencing token of a fetch; without a ticket nothing can be published with it.

    `moment` is when the fetch began, in microseconds of Redis' clock. It and the epoch belong into
    what is sealed; a reader passes the moment to `was_forgotten`.
    """

    ticket: str = ""
    moment: int = field(default=0, compare=False)
    epoch: str = ""


_Name = Callable[[RedisKeys], str]
_ENTRY: _Name = attrgetter("entry")
_DETAILS: _Name = attrgetter("details")


class SharedListeners:
    """The store behind every process's memory tier."""

    def __init__(self, gateway: RedisGateway) -> None:
        self._gateway = gateway
        self._epoch = Epoch(gateway)
        self._deletes = ListenerDeletes(gateway, self._epoch)

    @property
    def reachable(self) -> bool:
        """Whether Redis answered the latest call; if not, fetch without calling it again."""
        return self._gateway.reachable

    @property
    def grants_leases(self) -> bool:
        """Whether Redis takes leases: it answered the latest call, and refused no lease lately."""
        return self._gateway.reachable and not self._gateway.refuses(_LEAD, ("GET", EPOCH))

    def on_invalidate(self, invalidate: Invalidate, *, replaced: Replaced | None = None) -> None:
        """Call `invalidate(key)` when another process forgets a key, `invalidate(None)` for all.

        Call it with None also when messages may have been lost. `replaced(key)` is called when another process
        keeps a newer value; by default it is `invalidate`. Neither may block.
        """
        self._gateway.bus.on_invalidate(invalidate, replaced or invalidate)

    async def read(self, key: str) -> Held | None:
        """Return what is kept for this key; None when there is nothing, or no Redis."""
        return await self._read(key, _ENTRY)

    async def read_details(self, key: str) -> Held | None:
        """Return the details that are kept beside this key's value; None as for `read`."""
        return await self._read(key, _DETAILS)

    async def _read(self, key: str, name: _Name) -> Held | None:
        replies = await self._execute(
            key, lambda names: [("GETRANGE", name(names), 0, CAP_BYTES), ("PTTL", name(names))]
        )
        match replies:
            case [bytes(blob), _] if len(blob) > CAP_BYTES:
                await self._delete(key, name, "oversized")
            case [bytes(blob), -1] if blob:
                await self._delete(key, name, "poisoned")  # all of ours expire
            case [bytes(blob), int(ttl_ms)] if blob and ttl_ms > 0:
                return Held(blob, ttl_ms, self._epoch.current)
        return None

    def was_forgotten(self, key: str, moment: int) -> bool:
        """Return whether this process knows that what began then has been forgotten since."""
        return self._deletes.was_forgotten(key, moment)

    async def discard(self, key: str) -> None:
        """Delete a value that cannot be understood, and count it."""
        await self._delete(key, _ENTRY, "poisoned")

    async def discard_details(self, key: str) -> None:
        """Delete details that cannot be understood, and count them."""
        await self._delete(key, _DETAILS, "poisoned")

    async def generation(self, key: str) -> Generation:
        """Return the fencing token for a fetch, before it begins: a later forget invalidates it."""
        mine = secrets.token_hex(8)
        replies = await self._execute(
            key,
            lambda names: [
                ("SET", names.generation, mine, "NX", "PX", GENERATION_MS),
                ("PEXPIRE", names.generation, GENERATION_MS),
                ("TIME",),
                ("GET", names.generation),
            ],
        )
        ticket = parse_word(replies[-1]) if replies else None
        moment = self._deletes.parse_time(replies[-2]) if replies else None
        return (
            Generation(ticket, moment, self._epoch.current) if ticket and moment else Generation()
        )

    async def publish(self, key: str, blob: bytes, ttl_ms: int, generation: Generation) -> Fate:
        """Keep the value unless the key was forgotten since, and wake those that wait for it.

        `unknown`: it could not be kept, and it is not known whether the key was forgotten.
        """
        if not self._may_publish(blob, ttl_ms, generation):
            return "unknown"
        message = self._gateway.bus.compose("kept", key)
        # Under another epoch's names there is no such ticket, so it is refused there too.
        replies = await self._execute(
            key,
            lambda names: [
                (
                    *("EVAL", scripts.PUBLISH, 3),
                    *(names.entry, names.generation, names.details),
                    *(generation.ticket, blob, ttl_ms),
                    *(self._gateway.channel, message),
                )
            ],
        )
        match replies:
            case [1]:
                return "kept"
            case [0]:
                return "forgotten"
            case _:
                return "unknown"

    async def publish_details(
        self, key: str, blob: bytes, ttl_ms: int, generation: Generation, *, instead_of: bytes
    ) -> Fate | Literal["changed"]:
        """Keep details beside the key's value, in place of those that were read (empty: none).

        `changed`: there are others by now, so read them again. `forgotten` is as for `publish`, and
        so is `unknown`, which a key without a value gives too.
        """
        if not self._may_publish(blob, ttl_ms, generation):
            return "unknown"
        replies = await self._execute(
            key,
            lambda names: [
                (
                    *("EVAL", scripts.PUBLISH_DETAILS, 3),
                    *(names.details, names.entry, names.generation),
                    *(generation.ticket, instead_of[:_HEAD_BYTES], blob, ttl_ms),
                )
            ],
        )
        match replies:
            case [1]:
                return "kept"
            case [0]:
                return "forgotten"
            case [2]:
                return "changed"
            case _:
                return "unknown"

    def _may_publish(self, blob: bytes, ttl_ms: int, generation: Generation) -> bool:
        """Return whether there is something to keep, and a right to; count a value that is too large."""
        if not generation.ticket or ttl_ms <= 0:
            return False
        if not 0 < len(blob) <= CAP_BYTES:
            self._gateway.discarded.count("oversized")
            return False
        return True

    async def forget(self, key: str, *, held: bool = False) -> bool:
        """Forget a key everywhere; no fetch running now can bring it back.

        Return False when Redis could not be told. It is told as soon as possible, and until then
        this process reads and publishes nothing for the key. `held`: this process has held it.
        """
        return await self._deletes.forget(key, held=held)

    async def forget_all(self) -> bool:
        """Forget every key, in one step however many there are; False as for `forget`."""
        return await self._deletes.forget_all()

    async def acquire_lease(self, key: str, *, refresh: bool = False) -> Lease | None:
        """Return the right to fetch this key, to be used as `async with lease`.

        None when another process has it, when there is a value already (unless this is a
        `refresh` of it), or when Redis is away: `wait` tells which.
        """
        lease, replies = await self._lead(key, refresh=refresh)
        match replies:
            case [1]:
                return lease
            case None | [0 | Refusal()]:
                return None
            case _:
                self._gateway.misunderstand(_LEAD)
                return None

    async def lead_part(self, key: str, part: str, until: float) -> Lease | None:
        """Return the right to fetch a part of this key; wait for it while another process has it.

        None when Redis is away or grants no leases, or it is `until` by the event loop's clock: fetch
        alone then. `part` is a hash, as the key is.
        """
        check_key(part)
        with self._gateway.bus.key_event(key) as event:
            try:
                async with asyncio.timeout_at(until):
                    while self.grants_leases:
                        event.clear()
                        lease, replies = await self._lead(key, part, refresh=True)
                        if replies == [1]:
                            return lease
                        if replies != [0]:
                            return None
                        await event.wait(self._gateway.timing.recheck_s)
            except TimeoutError:
                return None
        return None

    async def _lead(
        self, key: str, part: str = "", *, refresh: bool
    ) -> tuple[Lease, list[Reply] | None]:
        """Ask for a lease; return what it would be, and the replies that say whether it is granted."""
        value = secrets.token_hex(8)
        lease_ms = round(self._gateway.timing.lease_s * 1000)
        try:
            replies = await self._execute(
                key,
                lambda names: [
                    (
                        *("EVAL", scripts.LEAD, 2, names.entry, names.of(part).lease),
                        *(value, lease_ms, int(refresh)),
                    )
                ],
            )
        except asyncio.CancelledError:
            # It may be granted all the same, and would block the key until it expires.
            self._lease(key, part, value).abandon()
            raise
        return self._lease(key, part, value), replies

    def _lease(self, key: str, part: str, value: str) -> Lease:
        return Lease(self._gateway, RedisKeys(self._epoch.current, key, part), value)

    async def wait(self, key: str, until: float) -> Standing:
        """Wait for another process's fetch: `arrived` once there is a value to read.

        `vacant`: no process fetches and there is no value, so try to get the lease. `unknown`: Redis
        is away or grants no leases, or it is `until` by the event loop's clock; fetch alone.
        """
        if not self.grants_leases:
            return "unknown"
        with self._gateway.bus.key_event(key) as event:
            try:
                async with asyncio.timeout_at(until):
                    while True:
                        event.clear()
                        standing = await self._standing(key)
                        if standing != "led":
                            return standing
                        await event.wait(self._gateway.timing.recheck_s)
            except TimeoutError:
                return "unknown"

    async def _standing(self, key: str) -> Standing | Literal["led"]:
        replies = await self._execute(
            key, lambda names: [("EXISTS", names.entry), ("EXISTS", names.lease)]
        )
        match replies:
            case [1, _]:
                return "arrived"
            case [0, 1]:
                return "led"
            case [0, 0]:
                return "vacant"
            case _:
                return "unknown"

    async def _delete(self, key: str, name: _Name, reason: str) -> None:
        self._gateway.discarded.count(reason)
        await self._execute(key, lambda names: [("UNLINK", name(names))])

    async def _execute(self, key: str, commands: Commands) -> list[Reply] | None:
        """Return the replies, once what is pending for this key has been deleted; else None."""
        check_key(key)
        if not await self._deletes.settle(key):
            return None
        return await self._epoch.execute(key, commands)
