"""The memory tier (L1): entries, negative cache and back-off of one process, all bounded."""

import logging
from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from lyra.cache.entry import Entry
from lyra.cache.held_details import HeldDetail, add_detail, live_details
from lyra.cache.keys import Key
from lyra.cache.store import BoundedMemoryCache
from lyra.settings import Settings
from lyra.spotify.token import TOKEN_LIFE_S

log = logging.getLogger(__name__)

REJECTED_TTL_S = 30.0
REJECTED_ENTRIES = 1024
BACKOFF_S = 30.0  # after a failure, old data is used so long before Spotify is asked again


Details = tuple[HeldDetail, ...]


class Backoff(NamedTuple):
    """Why Spotify is not asked again just now, and whether old data may stand in meanwhile."""

    reason: str
    transient: bool


class MemoryTier:
    """Entries, tokens rejected lately (negative cache), back-offs, and when a token was first seen."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.entries = BoundedMemoryCache(
            max_entries=settings.cache_max_entries,
            max_weight=settings.cache_max_bytes,
            weigh=Entry.weight,
            clock=clock,
        )
        self.negative = self._make_store(REJECTED_ENTRIES)
        self.backoff = self._make_store(settings.cache_max_entries)
        self.first_seen = self._make_store(settings.cache_max_entries)
        self._stores = (self.entries, self.negative, self.backoff, self.first_seen)
        self.faults = 0

    def _make_store(self, entries: int) -> BoundedMemoryCache:
        return BoundedMemoryCache(
            max_entries=entries, max_weight=entries, weigh=lambda _: 1, clock=self._clock
        )

    def look_up(self, key: Key) -> Entry | None:
        """Return the entry, fresh or stale. A fault of the store is a counted miss."""
        try:
            entry: Entry | None = self.entries.peek(key)
        except Exception:
            self.faults += 1
            log.exception("the cache failed to read; fetching instead")
            return None
        return entry

    async def put(
        self, key: Key, entry: Entry, *, longest_s: float, keep_details: bool = False
    ) -> None:
        """Hold an entry for the rest of its life, at most `longest_s`. Nothing here awaits.

        `keep_details`: with the details of the entry that it replaces.
        """
        try:
            now = self._clock()
            old: Entry | None = self.entries.peek(key) if keep_details else None
            if old is not None and old.details:
                entry = replace(entry, details=live_details(old.details, now))
            await self.entries.set(key, entry, ttl=min(entry.stale_until - now, longest_s))
            await self.backoff.delete(key)
            if not await self.first_seen.exists(key):
                life_s = max(0, entry.token_seen_at + TOKEN_LIFE_S - now)  # a log-in's may be over
                await self.first_seen.set(key, entry.token_seen_at, ttl=life_s)
        except Exception:
            self.faults += 1
            log.exception("the cache failed to keep a listener; answering all the same")

    def add_detail(self, key: Key, detail: HeldDetail) -> None:
        """Hold a detail with its entry, if that is held. A fault of the store is counted."""
        self._change_details(key, lambda held: add_detail(held, detail, self._clock()))

    def drop_detail(self, key: Key, detail: HeldDetail) -> None:
        """Hold this detail no more."""
        self._change_details(key, lambda held: tuple([each for each in held if each is not detail]))

    def _change_details(self, key: Key, change: Callable[[Details], Details]) -> None:
        try:
            entry: Entry | None = self.entries.peek(key)
            if entry is not None:
                changed = replace(entry, details=change(entry.details))
                self.entries.replace_value(key, changed)
        except Exception:
            self.faults += 1
            log.exception("the cache failed to keep a detail; answering all the same")

    async def seen_at(self, key: Key, old: Entry | None) -> float:
        """Return when this token was first accepted, as far as is remembered here; else now."""
        marked: float | None = await self.first_seen.get(key)
        known = self._clock() if marked is None else marked
        return known if old is None else min(known, old.token_seen_at)

    def knows(self, key: Key) -> bool:
        """Return whether this process holds this listener, or did within the life of the token."""
        return self.look_up(key) is not None or self.first_seen.peek(key) is not None

    async def reject(self, key: Key) -> None:
        """Purge a listener whose token Spotify refuses, and remember that for a while."""
        self.entries.invalidate(key)
        await self.negative.set(key, value=True, ttl=REJECTED_TTL_S)

    async def back_off(self, key: Key, reason: str, *, transient: bool) -> None:
        """Do not ask Spotify for a while, as long as there is old data (back-off)."""
        await self.backoff.set(key, Backoff(reason, transient), ttl=BACKOFF_S)

    def forget(self, key: str | None) -> None:
        """Forget one key, or all, at once."""
        for store in self._stores:
            store.invalidate(key)

    async def sweep(self) -> None:
        """Remove what has expired in every table."""
        for store in self._stores:
            await store.sweep()
