"""The cache of listeners of one process: the one entrance to it."""

import asyncio
import time
from collections.abc import Callable
from random import Random
from typing import Literal

from msgspec.structs import replace

from lyra.cache.detail_loader import AskedDetail, DetailLoader
from lyra.cache.entry import Entry
from lyra.cache.keys import Key, KeyMaker
from lyra.cache.loader import Loader, Source
from lyra.cache.locks import KeyedLocks
from lyra.cache.lookup import Lookup
from lyra.cache.memory_tier import Backoff, MemoryTier
from lyra.cache.redis_tier import SharedTier
from lyra.cache.singleflight import Flight, SingleFlight
from lyra.errors import SpotifyTokenRejectedError, TryLaterError
from lyra.listening.details import Detail, WantedDetail, take_detail
from lyra.loop_throttle import LoopThrottle
from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.endpoints import CALLS_PER_FETCH
from lyra.spotify.token import Token

_COUNTED = ("hits", "joined", "misses", "stale", "refreshes", "negative")


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
        throttle: LoopThrottle | None = None,
    ) -> None:
        throttle = throttle or LoopThrottle()
        self._settings = settings
        self._clock = clock
        self._shared = shared
        self.keys = KeyMaker(settings.secret)
        self._locks = KeyedLocks()
        self._flights = SingleFlight(settings.spotify_max_fetches)
        self._memory = MemoryTier(settings, clock)
        self._loader = Loader(
            settings,
            source,
            self._memory,
            self._flights,
            metrics,
            keys=self.keys,
            rng=rng,
            clock=clock,
            wall_clock=wall_clock,
            shared=shared,
            throttle=throttle,
        )
        self._details = DetailLoader(
            self._loader,
            source,
            self._memory,
            self._flights,
            clock=clock,
            wall_clock=wall_clock,
            shared=shared,
            throttle=throttle,
            tracer=metrics.tracer,
        )
        self._counts = {f"{name}_total": 0 for name in _COUNTED}
        if shared is not None:
            shared.on_invalidate(self._on_invalidation, self._memory.entries.invalidate)
        metrics.register_callback("lyra_cache", self.stats)

    async def lookup(self, token: Token, on_miss: Callable[[], None] = lambda: None) -> Lookup:
        """Look this token's listener up; start or join the one fetch if it is not here (single flight).

        `on_miss` is called before a fetch for which no old entry is held; it may refuse by raising.

        Raises:
            SessionEndedError: the log-in whose token it is has ended meanwhile.
            SpotifyTokenRejectedError: Spotify refused this token less than 30 s ago.
            OverloadedError: too many fetches are running.
            TooManyRequestsError: this listener has been read too often lately.
            DrainingError: this process fetches no more.
        """
        await token.confirm()
        asked_at = self._clock()
        key = self.keys.key(token)
        entry = self._memory.look_up(key)
        if entry is not None and asked_at < entry.expires_at:
            if asked_at >= entry.refresh_at:
                await self._refresh_ahead(key, token, entry)
            return self._serve_fresh(entry, asked_at)
        # The lock covers look-up and start only; it is free again while the fetch runs.
        async with self._locks.hold(key):
            return await self._join_or_start(key, token, asked_at, on_miss)

    def _serve_fresh(self, entry: Entry, asked_at: float) -> Lookup:
        self._counts["hits_total"] += 1
        return Lookup("hit", entry=entry, asked_at=asked_at, clock=self._clock)

    async def _join_or_start(
        self, key: Key, token: Token, asked_at: float, on_miss: Callable[[], None]
    ) -> Lookup:
        old = self._memory.look_up(key)
        if old is not None and asked_at < old.expires_at:
            return self._serve_fresh(old, asked_at)
        flight = self._flights.current(key)
        if flight is not None:
            self._counts["joined_total"] += 1
            return self._follow_flight("joined", flight, old, asked_at)
        if await self._memory.negative.get(key):
            self._counts["negative_total"] += 1
            raise SpotifyTokenRejectedError
        backoff: Backoff | None = await self._memory.backoff.get(key)
        if old is not None and backoff is not None and backoff.transient:
            return self._serve_stale(old, backoff.reason, asked_at)
        if old is None:
            on_miss()
        try:
            flight = self._loader.start(key, token, old)
        except TryLaterError as busy:
            if old is None:
                raise
            return self._serve_stale(old, busy.code, asked_at)
        self._counts["misses_total"] += 1
        return self._follow_flight("miss", flight, old, asked_at)

    def _serve_stale(self, old: Entry, reason: str, asked_at: float) -> Lookup:
        self._count_stale()
        return Lookup("stale", entry=old, reason=reason, asked_at=asked_at, clock=self._clock)

    def _follow_flight(
        self,
        state: Literal["joined", "miss"],
        flight: Flight[Entry],
        old: Entry | None,
        asked_at: float,
    ) -> Lookup:
        return Lookup(
            state,
            flight=flight,
            old=old,
            refresh_wait_s=self._settings.cache_refresh_wait_s,
            asked_at=asked_at,
            clock=self._clock,
            stale=self._count_stale,
        )

    def _count_stale(self) -> None:
        self._counts["stale_total"] += 1

    async def _refresh_ahead(self, key: Key, token: Token, entry: Entry) -> None:
        """Start to renew a fresh entry in the background, unless a fetch runs or has just failed."""
        if self._flights.current(key) is not None or await self._memory.backoff.get(key):
            return
        try:
            self._loader.start(key, token, entry)
        except TryLaterError:
            return  # the entry is fresh; look-ups without one go first
        self._counts["refreshes_total"] += 1

    async def detail(self, token: Token, entry: Entry, wanted: WantedDetail) -> Detail:
        """Return a detail of the listener whose entry this is, read now if it is not kept.

        It is kept with the entry, for the TTL at most: one call per detail, however many ask.

        Raises:
            DetailRefusedError: it is a playlist that the entry does not hold as the listener's own.
            SpotifyFailure: Spotify does not give this detail, or did not a moment ago.
            SpotifyTokenRejectedError, SpotifyForbiddenError: nor anything else, as /me says.
            TooManyRequestsError: the listener has been read too often lately (`fetches`), or as many
                details are kept as may be (`details`).
            SessionEndedError, ForgottenError, OverloadedError, DrainingError: as for `lookup`.
        """
        listening = entry.listening()
        detail = take_detail(listening, wanted)
        if detail is not None:
            return detail
        await token.confirm()
        key = self.keys.key(token)
        if await self.is_negative(token):
            self._counts["negative_total"] += 1
            raise SpotifyTokenRejectedError
        return await self._details.load(key, AskedDetail(wanted, token, entry, listening.regime))

    async def peek(self, token: Token) -> Entry | None:
        """Return what is held for this token now, here or by other processes; never fetch."""
        key = self.keys.key(token)
        entry = self._memory.look_up(key)
        if entry is None and self._shared is not None:
            return await self._shared.find(key, token)
        return entry

    def is_fresh(self, entry: Entry) -> bool:
        """Return whether the entry has not expired."""
        return self._clock() < entry.expires_at

    async def clear(self, token: Token | None = None) -> bool:
        """Forget one listener, or all; a fetch that is running now will not bring it back (fencing).

        Return False when the other processes could not be told; they are told as soon as possible.
        """
        key = None if token is None else self.keys.key(token)
        # Asked before it is forgotten: deletes of what was never held have a small bound of their own.
        held = key is not None and self._memory.knows(key)
        self._forget_here(key)
        if self._shared is None:
            return True
        forget = self._shared.forget_all() if key is None else self._shared.forget(key, held=held)
        done = await forget
        self._forget_here(key)  # what was read from there in the meantime
        return done

    def _on_invalidation(self, key: str | None) -> None:
        """Handle an invalidation by another process.

        `None` means that some were missed: drop all entries but keep the negative cache.
        """
        if key is None:
            self._flights.fence()
            self._memory.entries.invalidate(None)
        else:
            self._forget_here(key)

    def _forget_here(self, key: str | None) -> None:
        """Forget in this process alone, at once."""
        self._flights.fence(None if key is None else Key(key))
        self._memory.forget(key)

    async def evict_all(self) -> None:
        """Drop all entries of this process, for want of memory; they can be read again."""
        self._memory.entries.invalidate(None)

    def ages(self, entry: Entry) -> tuple[int, int]:
        """Return the entry's age and the time until it expires, in whole seconds."""
        return entry.ages(self._clock())

    async def is_negative(self, token: Token) -> bool:
        """Return whether Spotify refused this token less than 30 s ago (negative cache)."""
        return bool(await self._memory.negative.get(self.keys.key(token)))

    def clear_negative(self, token: Token) -> None:
        """Clear the negative entry of a listener whose token has been renewed."""
        self._memory.negative.invalidate(self.keys.key(token))

    def identity(self, *account: str) -> str:
        """Return the secret that a log-in's data are kept under; see KeyMaker.identity."""
        return self.keys.identity(*account)

    def key(self, token: Token) -> Key:
        """Return the key of this token's listener, for tables elsewhere."""
        return self.keys.key(token)

    @property
    def ttl_s(self) -> float:
        """The seconds for which what is fetched now is fresh at most."""
        return self._loader.settings.cache_ttl_s

    def set_ttl(self, ttl_s: float) -> None:
        """Let what is fetched from now on be fresh for at most this many seconds."""
        self._loader.settings = replace(self._loader.settings, cache_ttl_s=ttl_s)

    def fresh_keys(self) -> list[Key]:
        """Return the keys of all fresh entries; this does not count as use."""
        now = self._clock()
        return [Key(key) for key, entry in self._memory.entries.items() if now < entry.expires_at]

    async def find(self, key: str) -> Entry | None:
        """Return the entry under this key, if it is fresh; never fetch."""
        entry = self._memory.look_up(Key(key))
        return entry if entry is not None and self._clock() < entry.expires_at else None

    def stats(self) -> dict[str, int]:
        """Return the counters (names in `_total`) and the sizes at this moment."""
        entries, counts = self._memory.entries, self._counts
        evicted = {f"evicted_{why}_total": n for why, n in entries.evictions.items()}
        details = self._details.counts
        saved = CALLS_PER_FETCH * (counts["hits_total"] + counts["joined_total"])
        saved += details["detail_hits_total"] + details["detail_joined_total"]
        return {
            **counts,
            **evicted,
            **details,
            "shared_total": self._loader.adopted,
            "faults_total": self._memory.faults,
            "spotify_calls_saved_total": saved,
            "entries": len(entries),
            "bytes": entries.weight,
            "flights": len(self._flights),
            "locks": len(self._locks),
            "rejected": len(self._memory.negative),
        }

    async def sweep_forever(self) -> None:
        """Remove expired entries every `cache_sweep_s`, so that what is not read goes too."""
        while True:
            await asyncio.sleep(self._settings.cache_sweep_s)
            await self._memory.sweep()

    async def drain(self, within_s: float) -> None:
        """Let the running fetches end within this time and begin no more; what is kept stays."""
        await self._flights.drain(within_s)

    async def close(self) -> None:
        """End the running fetches and forget what this process holds."""
        await self._flights.close()
        self._forget_here(None)
