"""The Redis tier (L2): entries that the processes of one service share, each value sealed.

A value is an entry with the moments of its life on the wall clock, since every process has a
monotonic clock of its own. The model's context is made anew where this process's settings allow
more or less of it than those of the process that wrote the value.
"""

import hashlib
import logging
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from lyra.cache.entry import ContextLevel, Entry, make_entry, unpack
from lyra.cache.expiry import Life
from lyra.cache.held_details import MAX_DETAILS, HeldDetail
from lyra.cache.keys import Key
from lyra.redis.invalidation import Invalidate, Replaced
from lyra.redis.lease import Lease
from lyra.redis.listener_store import Fate, Generation, Held, SharedListeners, Standing
from lyra.redis.sealing import open_sealed, seal
from lyra.spotify.token import Token

log = logging.getLogger(__name__)

_TRIES = 4  # to add a detail while other processes add theirs


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    life: Life
    level: ContextLevel
    packed: bytes
    init_members: bytes
    packed_context: bytes
    top_artists_count: int
    account: str = ""
    moment: int = 0  # when its fetch began, and in which epoch: see Generation
    epoch: str = ""


class _StoredDetail(msgspec.Struct, frozen=True, array_like=True):
    """One detail; `expires_at` is of the wall clock, `moment` and `epoch` are as an entry's."""

    name: str
    packed: bytes
    expires_at: float
    moment: int
    epoch: str


class _FoundDetails(NamedTuple):
    """What was read (empty: nothing that is of use), and the details in it that live."""

    blob: bytes = b""
    stored: tuple[_StoredDetail, ...] = ()
    remaining_s: float = 0.0


class SharedTier:
    """Entries in Redis, readable only with the listener's own token. Never raises for Redis."""

    def __init__(
        self,
        shared: SharedListeners,
        secret: str,
        *,
        level: ContextLevel,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._shared = shared
        self._secret = secret
        self._level = level
        self._clock = clock
        self._wall_clock = wall_clock

    @property
    def reachable(self) -> bool:
        """Whether Redis answered the latest call."""
        return self._shared.reachable

    @property
    def grants_leases(self) -> bool:
        """Whether Redis takes leases."""
        return self._shared.grants_leases

    def on_invalidate(self, invalidate: Invalidate, replaced: Replaced) -> None:
        """See SharedListeners.on_invalidate."""
        self._shared.on_invalidate(invalidate, replaced=replaced)

    async def find(self, key: Key, token: Token) -> Entry | None:
        """Return the entry for this token, fresh or stale.

        Delete a value that cannot be read, and one that was forgotten and has been put back.
        """
        held = await self._shared.read(key)
        if held is None:
            return None
        plain = open_sealed(self._secret, token.identity, key, held.blob)
        try:
            stored = msgspec.msgpack.decode(plain or b"", type=_Stored)
            if not self._was_forgotten(key, held, stored):
                return self._restore(stored, held.ttl_ms / 1000)
        except ValueError:
            log.debug("a value in Redis cannot be understood")
        await self._shared.discard(key)
        return None

    def _was_forgotten(self, key: Key, held: Held, stored: _Stored | _StoredDetail) -> bool:
        return stored.epoch != held.epoch or self._shared.was_forgotten(key, stored.moment)

    def _restore(self, stored: _Stored, remaining_s: float) -> Entry | None:
        """Return the entry by this process's clock; None if its life is over.

        Two wall clocks may differ, so the time that Redis still keeps it bounds its life too. The
        wall clock keeps out a value that is put back after its life.
        """
        ahead = self._wall_clock() - self._clock()
        ahead = max(ahead, stored.life.stale_until - (self._clock() + remaining_s))
        life = Life(*(moment - ahead for moment in stored.life))
        if life.stale_until <= self._clock():
            return None
        if stored.level != self._level:
            return make_entry(unpack(stored.packed), level=self._level, life=life)
        return Entry(
            packed=stored.packed,
            init_members=stored.init_members,
            packed_context=stored.packed_context,
            top_artists_count=stored.top_artists_count,
            account=stored.account,
            **life._asdict(),
        )

    async def keep(self, key: Key, token: Token, entry: Entry, generation: Generation) -> Fate:
        """Keep an entry for all processes; see SharedListeners.publish."""
        ahead = self._wall_clock() - self._clock()
        stored = _Stored(
            life=Life(*(moment + ahead for moment in entry.life())),
            level=self._level,
            packed=entry.packed,
            init_members=entry.init_members,
            packed_context=entry.packed_context,
            top_artists_count=entry.top_artists_count,
            account=entry.account,
            moment=generation.moment,
            epoch=generation.epoch,
        )
        plain = msgspec.msgpack.encode(stored)
        sealed = seal(self._secret, token.identity, key, plain)
        ttl_ms = int((entry.stale_until - self._clock()) * 1000)
        return await self._shared.publish(key, sealed, ttl_ms, generation)

    async def find_details(self, key: Key, token: Token) -> tuple[HeldDetail, ...]:
        """Return the details of this token's listener, by this process's clock."""
        found = await self._read_details(key, token)
        ahead = self._wall_clock() - self._clock()
        until = self._clock() + found.remaining_s  # two wall clocks may differ
        return tuple(
            [
                HeldDetail(each.name, each.packed, min(each.expires_at - ahead, until))
                for each in found.stored
            ]
        )

    async def _read_details(self, key: Key, token: Token) -> _FoundDetails:
        held = await self._shared.read_details(key)
        if held is None:
            return _FoundDetails()
        plain = open_sealed(self._secret, token.identity, _details_place(key), held.blob)
        try:
            stored = msgspec.msgpack.decode(plain or b"", type=tuple[_StoredDetail, ...])
            if not any(self._was_forgotten(key, held, each) for each in stored):
                now = self._wall_clock()
                live = tuple([each for each in stored if now < each.expires_at])
                return _FoundDetails(held.blob, live, held.ttl_ms / 1000)
        except ValueError:
            log.debug("details in Redis cannot be understood")
        await self._shared.discard_details(key)
        return _FoundDetails()

    async def keep_detail(
        self, key: Key, token: Token, held: HeldDetail, generation: Generation
    ) -> Fate:
        """Keep a detail for all processes, beside those that are kept already.

        See SharedListeners.publish_details; `unknown` too where others kept theirs again and again.
        """
        ahead = self._wall_clock() - self._clock()
        added = _StoredDetail(
            held.name,
            held.packed,
            held.expires_at + ahead,
            generation.moment,
            generation.epoch,
        )
        for _ in range(_TRIES):
            found = await self._read_details(key, token)
            others = [each for each in found.stored if each.name != held.name]
            stored = (*others[-(MAX_DETAILS - 1) :], added)
            latest = max(each.expires_at for each in stored)
            fate = await self._shared.publish_details(
                key,
                seal(
                    self._secret,
                    token.identity,
                    _details_place(key),
                    msgspec.msgpack.encode(stored),
                ),
                int((latest - self._wall_clock()) * 1000),
                generation,
                instead_of=found.blob,
            )
            if fate != "changed":
                return fate
        return "unknown"

    async def lead_detail(self, key: Key, name: str, until: float) -> Lease | None:
        """Return the lease on fetching one detail; see SharedListeners.lead_part."""
        # Hashed with the listener's key: names in Redis tell nothing of who has which playlist.
        part = hashlib.blake2b(f"{key} {name}".encode(), digest_size=16).hexdigest()
        return await self._shared.lead_part(key, part, until)

    async def generation(self, key: Key) -> Generation:
        """Return the fencing token, before a fetch; see SharedListeners.generation."""
        return await self._shared.generation(key)

    async def acquire_lease(self, key: Key, *, refresh: bool) -> Lease | None:
        """Return the lease on fetching; see SharedListeners.acquire_lease."""
        return await self._shared.acquire_lease(key, refresh=refresh)

    async def wait(self, key: Key, until: float) -> Standing:
        """Wait for another process's fetch; see SharedListeners.wait."""
        return await self._shared.wait(key, until)

    async def forget(self, key: Key, *, held: bool) -> bool:
        """Forget one listener in every process; see SharedListeners.forget."""
        return await self._shared.forget(key, held=held)

    async def forget_all(self) -> bool:
        """Forget all in every process; see SharedListeners.forget_all."""
        return await self._shared.forget_all()


def _details_place(key: Key) -> str:
    """Return the place that details are sealed for, so that they cannot pass for an entry."""
    return f"{key} details"
