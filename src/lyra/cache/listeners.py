"""Who asks, what is kept, for how long: the listeners of one process."""

import asyncio
import logging
import time
from collections.abc import Callable
from math import inf
from random import Random
from typing import Literal, Protocol

from msgspec.structs import replace

from lyra.cache.entry import Entry, make_entry
from lyra.cache.flights import Flight, Flights, Outcome
from lyra.cache.keys import Key, KeyMaker
from lyra.cache.life import TOKEN_LIFE_S, has_gap, life_of, worth_keeping
from lyra.cache.locks import KeyedLocks
from lyra.cache.shared import Found, SharedTier
from lyra.cache.store import BoundedMemoryCache
from lyra.cache.visit import Visit
from lyra.errors import OverloadedError, SpotifyTokenRejectedError, TryLaterError
from lyra.listening.fetch import SpotifyReader, fetch_listening
from lyra.listening.models import Listening
from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.token import Token

log = logging.getLogger(__name__)

REJECTED_TTL_S = 30.0
REJECTED_ENTRIES = 1024
THROTTLE_S = 30.0  # after a failure, old data is used this long before Spotify is asked again
MEMORY_TTL_S = 60.0  # with other processes around: a bound on what a lost notice can cost
_COUNTED = ("hits", "joined", "misses", "shared", "stale", "refreshes", "negative", "faults")


class Source(Protocol):
    """Where listeners come from: gives a reader bound to one token and one deadline."""

    def reader(self, token: Token) -> SpotifyReader: ...


class ListenerCache:
    """Listeners by token: bounded, one fetch per token at a time, never older than promised.

    A fault of the store is a counted miss and a fresh fetch, never an error for the caller.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        metrics: Metrics,
        *,
        rng: Random,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float],
        shared: SharedTier | None = None,
    ) -> None:
        self._settings = settings
        self._source = source
        self._metrics = metrics
        self._rng = rng
        self._clock = clock
        self._wall_clock = wall_clock
        self._keys = KeyMaker(settings.secret)
        self._locks = KeyedLocks()
        self._flights = Flights(settings.spotify_max_fetches)
        self._entries = BoundedMemoryCache(
            max_entries=settings.cache_max_entries,
            max_weight=settings.cache_max_bytes,
            weigh=Entry.weight,
            clock=clock,
        )
        self._rejected = self._marks(REJECTED_ENTRIES)
        self._throttled = self._marks(settings.cache_max_entries)
        self._first_seen = self._marks(settings.cache_max_entries)
        self._stores = (self._entries, self._rejected, self._throttled, self._first_seen)
        self._counts = {f"{name}_total": 0 for name in _COUNTED}
        self._shared = shared
        if shared is not None:
            shared.on_invalidate(self._invalidated, self._replaced)
        metrics.watch("lyra_cache", self.stats)

    def _marks(self, entries: int) -> BoundedMemoryCache:
        return BoundedMemoryCache(
            max_entries=entries, max_weight=entries, weigh=lambda _: 1, clock=self._clock
        )

    async def visit(self, token: Token) -> Visit:
        """Look this token's listener up; begin or join the one fetch if it is not here.

        Raises:
            SpotifyTokenRejectedError: Spotify refused this token less than 30 s ago.
            OverloadedError: too many fetches are running.
        """
        asked_at = self._clock()
        key = self._keys.key(token)
        entry = await self._look_up(key)
        if entry is not None and asked_at < entry.expires_at:
            if asked_at >= entry.refresh_at:
                await self._refresh_behind(key, token, entry)
            return self._hit(entry, asked_at)
        # The lock is held over look-up and start only; nobody holds it while a fetch runs.
        async with self._locks.hold(key):
            return await self._join_or_start(key, token, asked_at)

    def _hit(self, entry: Entry, asked_at: float) -> Visit:
        self._counts["hits_total"] += 1
        return Visit("hit", entry=entry, asked_at=asked_at, clock=self._clock)

    async def _join_or_start(self, key: Key, token: Token, asked_at: float) -> Visit:
        old = await self._look_up(key)
        if old is not None and asked_at < old.expires_at:
            return self._hit(old, asked_at)
        flight = self._flights.current(key)
        if flight is not None:
            self._counts["joined_total"] += 1
            return self._waiting("joined", flight, old, asked_at)
        if await self._rejected.get(key):
            self._counts["negative_total"] += 1
            raise SpotifyTokenRejectedError
        if old is not None and (reason := await self._throttled.get(key)):
            self._counts["stale_total"] += 1
            return Visit("stale", entry=old, reason=reason, asked_at=asked_at, clock=self._clock)
        self._counts["misses_total"] += 1
        return self._waiting("miss", self._start(key, token, old), old, asked_at)

    def _waiting(
        self, state: Literal["joined", "miss"], flight: Flight, old: Entry | None, asked_at: float
    ) -> Visit:
        return Visit(
            state,
            flight=flight,
            old=old,
            patience_s=self._settings.cache_patience_s,
            asked_at=asked_at,
            clock=self._clock,
            stale=self._count_stale,
        )

    def _count_stale(self) -> None:
        self._counts["stale_total"] += 1

    async def _refresh_behind(self, key: Key, token: Token, entry: Entry) -> None:
        """Begin to renew an entry while it still answers; at most one at a time, and not in vain."""
        if self._flights.current(key) is not None or await self._throttled.get(key):
            return
        try:
            self._start(key, token, entry)
        except OverloadedError:
            return  # the entry is fresh; whoever has none goes first
        self._counts["refreshes_total"] += 1

    def _start(self, key: Key, token: Token, old: Entry | None) -> Flight:
        async def fetch(flight: Flight) -> Entry:
            if self._shared is None:
                return await self._fetch(flight, old)
            return await self._bring(self._shared, flight, old, token)

        return self._flights.start(key, self._source.reader(token), fetch)

    async def peek(self, token: Token) -> Entry | None:
        """What is held for this token now, here or by other processes; never fetches."""
        key = self._keys.key(token)
        entry = await self._look_up(key)
        if entry is None and self._shared is not None:
            found = await self._shared.find(key, token)
            return found.entry if found else None
        return entry

    def is_fresh(self, entry: Entry) -> bool:
        """Whether the entry's time has not come yet."""
        return self._clock() < entry.expires_at

    async def clear(self, token: Token | None = None) -> None:
        """Forget one listener, or all; a fetch that is running now will not bring it back."""
        key = None if token is None else self._keys.key(token)
        self._invalidated(key)
        if self._shared is not None:
            await self._shared.forget(key)

    def _invalidated(self, key: str | None) -> None:
        """Forget in this process, at once."""
        self._flights.fence(None if key is None else Key(key))
        for store in self._stores:
            store.drop(key)

    def _replaced(self, key: str) -> None:
        """Another process keeps something newer."""
        self._entries.drop(key)

    def ages(self, entry: Entry) -> tuple[int, int]:
        """How old the entry is and how long it has still, in whole seconds."""
        return entry.ages(self._clock())

    def key(self, token: Token) -> Key:
        """The key under which this token's listener is kept, for tables of other rooms."""
        return self._keys.key(token)

    @property
    def ttl_s(self) -> float:
        """For how many seconds what is fetched now is fresh at most."""
        return self._settings.cache_ttl_s

    def keep_for(self, ttl_s: float) -> None:
        """Let what is fetched from now on be fresh for at most this many seconds."""
        self._settings = replace(self._settings, cache_ttl_s=ttl_s)

    def fresh_keys(self) -> list[Key]:
        """The keys of all who are held and fresh; looking here makes nobody recently used."""
        now = self._clock()
        return [Key(key) for key, entry in self._entries.live() if now < entry.expires_at]

    async def find(self, key: str) -> Entry | None:
        """What is held under this key, if it is fresh; never fetches."""
        entry = await self._look_up(Key(key))
        return entry if entry is not None and self._clock() < entry.expires_at else None

    def stats(self) -> dict[str, int]:
        """Counters (names in `_total`) and sizes at this moment."""
        evicted = {f"evicted_{why}_total": n for why, n in self._entries.evictions.items()}
        return {
            **self._counts,
            **evicted,
            "entries": len(self._entries),
            "bytes": self._entries.weight,
            "flights": len(self._flights),
            "locks": len(self._locks),
            "rejected": len(self._rejected),
        }

    async def sweep_forever(self) -> None:
        """Remove expired entries every `cache_sweep_s`, so that what nobody reads goes too."""
        while True:
            await asyncio.sleep(self._settings.cache_sweep_s)
            for store in self._stores:
                await store.sweep()

    async def close(self) -> None:
        """End the running fetches and forget what this process holds."""
        await self._flights.close()
        self._invalidated(None)

    async def _look_up(self, key: Key) -> Entry | None:
        try:
            found: Entry | None = await self._entries.get(key)
        except Exception:
            self._counts["faults_total"] += 1
            log.exception("the cache failed to read; fetching instead")
            return None
        return found

    async def _bring(
        self, shared: SharedTier, flight: Flight, old: Entry | None, token: Token
    ) -> Entry:
        """From the other processes if one of them has it or gets it, else from Spotify."""
        found = await shared.find(flight.key, token)
        if found is not None and (old is None or found.entry.fetched_at > old.fetched_at):
            if self.is_fresh(found.entry):
                return await self._adopt(flight, found)
            old = found.entry
        if not shared.reachable:
            return await self._fetch(flight, old)  # asking it more would only cost time
        until = asyncio.get_running_loop().time() + self._settings.spotify_timeout_s
        lease = await shared.lead(flight.key, refresh=old is not None)
        while lease is None:
            standing = await shared.wait(flight.key, until)
            if standing == "unknown":
                return await self._ask(shared, flight, old, token)
            found = await shared.find(flight.key, token)
            if found is not None and self.is_fresh(found.entry):
                return await self._adopt(flight, found)
            if old is not None:
                flight.outcome = Outcome("stale", "slow")
                return old
            lease = await shared.lead(flight.key, refresh=found is not None)
        async with lease:
            return await self._ask(shared, flight, old, token)

    async def _adopt(self, flight: Flight, found: Found) -> Entry:
        """Take over what another process has fetched."""
        self._counts["shared_total"] += 1
        flight.outcome = Outcome("hit")
        for section in found.entry.listening().sections:
            flight.report(section)
        await self._publish(flight, found.entry, found.token_seen_at)
        return found.entry

    async def _ask(
        self, shared: SharedTier, flight: Flight, old: Entry | None, token: Token
    ) -> Entry:
        """Ask Spotify, and keep the answer for all processes."""
        generation = await shared.generation(flight.key)
        flight.reader = self._source.reader(token)  # waiting for others cost it no time
        try:
            entry = await self._fetch(flight, old)
        except TryLaterError as failure:
            if old is None:
                raise
            flight.outcome = Outcome("stale", failure.code)
            return old
        if entry is not old and not flight.fenced:
            seen_at: float = await self._first_seen.get(flight.key) or entry.fetched_at
            kept = await shared.keep(flight.key, token, Found(entry, seen_at), generation)
            if not kept and shared.reachable:
                self._entries.drop(flight.key)  # forgotten elsewhere while it was fetched
        return entry

    async def _fetch(self, flight: Flight, old: Entry | None) -> Entry:
        began = self._clock()
        held = worth_keeping(old, began, self._settings)
        try:
            listening = await fetch_listening(
                flight.reader, now=self._wall_clock(), report=flight.report, held=held
            )
        except SpotifyTokenRejectedError:
            await self._remember_rejection(flight)
            raise
        except TryLaterError as failure:
            await self._throttle(flight, failure.code)
            raise
        self._metrics.fetch_seconds.observe(self._clock() - began)
        if old is not None and has_gap(listening) and held is None and began < old.expires_at:
            # A renewal that lost a section which the entry still holds fresh is none.
            await self._throttle(flight, "partial")
            return old
        fetched_at = old.fetched_at if held and old else self._clock()
        entry = await self._entry(flight, listening, fetched_at)
        await self._publish(flight, entry)
        return entry

    async def _entry(self, flight: Flight, listening: Listening, fetched_at: float) -> Entry:
        now = self._clock()
        seen: float | None = await self._first_seen.get(flight.key)
        life = life_of(
            listening,
            settings=self._settings,
            now=now,
            fetched_at=fetched_at,
            token_seen_at=now if seen is None else seen,
            rng=self._rng,
        )
        return make_entry(listening, level=self._settings.llm_context, life=life)

    async def _throttle(self, flight: Flight, reason: str) -> None:
        """Let nobody wait in vain for a while, as long as there is old data."""
        if not flight.fenced:
            await self._throttled.set(flight.key, reason, ttl=THROTTLE_S)
        self._flights.leave_table(flight)

    async def _publish(
        self, flight: Flight, entry: Entry, token_seen_at: float | None = None
    ) -> None:
        """Keep the entry unless a clear came in between, and let no newcomer join any more.

        Nothing here yields to the loop, so no newcomer can see neither entry nor flight.
        """
        if not flight.fenced:
            try:
                now = self._clock()
                seen_at = now if token_seen_at is None else token_seen_at
                longest = inf if self._shared is None else MEMORY_TTL_S
                await self._entries.set(flight.key, entry, ttl=min(entry.dies_at - now, longest))
                await self._throttled.delete(flight.key)
                if not await self._first_seen.exists(flight.key):
                    life = seen_at + TOKEN_LIFE_S - now
                    await self._first_seen.set(flight.key, seen_at, ttl=life)
            except Exception:
                self._counts["faults_total"] += 1
                log.exception("the cache failed to keep a listener; answering all the same")
        self._flights.leave_table(flight)

    async def _remember_rejection(self, flight: Flight) -> None:
        if not flight.fenced:
            await self._entries.delete(flight.key)
            await self._rejected.set(flight.key, value=True, ttl=REJECTED_TTL_S)
        self._flights.leave_table(flight)
