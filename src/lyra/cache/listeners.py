"""Who asks, what is kept, for how long: the listeners of one process."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any, Literal, Protocol

from lyra.cache.entry import Entry, make_entry
from lyra.cache.flights import Flight, Flights
from lyra.cache.keys import Key, KeyMaker
from lyra.cache.locks import KeyedLocks
from lyra.cache.store import BoundedMemoryCache
from lyra.errors import SpotifyTokenRejectedError
from lyra.listening.fetch import SpotifyReader, fetch_listening
from lyra.listening.models import Listening, Section
from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.token import Token

log = logging.getLogger(__name__)

State = Literal["hit", "joined", "miss"]

TOKEN_LIFE_S = 3600.0  # Spotify's access tokens live an hour
PARTIAL_TTL_S = 60.0  # a gap that may be filled soon is asked for again soon
REJECTED_TTL_S = 30.0
REJECTED_ENTRIES = 1024
JITTER = 0.1


class Source(Protocol):
    """Where listeners come from: gives a reader bound to one token and one deadline."""

    def reader(self, token: Token) -> SpotifyReader: ...


class Visit:
    """One caller's look-up: an entry at hand, or a flight to wait for."""

    def __init__(
        self,
        state: State,
        found: Entry | Flight,
        *,
        asked_at: float,
        clock: Callable[[], float],
    ) -> None:
        self.state = state
        self._clock = clock
        self._asked_at = asked_at
        self._found_at = clock() if isinstance(found, Entry) else None
        self._entry = found if isinstance(found, Entry) else None
        self._flight = found if isinstance(found, Flight) else None

    @property
    def at_hand(self) -> Entry | None:
        """The entry if no waiting is needed for it."""
        return self._entry

    @property
    def settled(self) -> bool:
        """Whether `entry` answers or fails without waiting."""
        return self._flight is None or self._flight.ended

    async def entry(self) -> Entry:
        """The listener, waited for if need be.

        Raises:
            LyraError: the fetch failed.
        """
        if self._entry is None and self._flight is not None:
            self._entry = await self._flight.entry()
            self._found_at = self._clock()
        assert self._entry is not None  # noqa: S101 - a visit has one of the two
        return self._entry

    async def sections(self) -> AsyncIterator[Section]:
        """How each of the five calls went, as they end; all at once for a hit."""
        if self._flight is None:
            for section in (await self.entry()).listening().sections:
                yield section
            return
        async for section in self._flight.sections():
            yield section

    async def proven(self) -> None:
        """Wait until Spotify has accepted this very token, or the flight has ended."""
        async for section in self.sections():
            if section.name == "profile" and section.status == "ok":
                return

    def describe(self) -> dict[str, Any]:
        """The `cache` object of the answers, as far as it is known now."""
        told: dict[str, Any] = {"state": self.state, "spotify_calls": self._calls()}
        if self._entry is not None:
            told["age_s"], told["expires_in_s"] = self._entry.ages(self._clock())
        return told

    def lookup_ms(self) -> float:
        """Milliseconds from the question to the entry, or until now while there is none."""
        until = self._clock() if self._found_at is None else self._found_at
        return round((until - self._asked_at) * 1000, 3)

    def _calls(self) -> int:
        return self._flight.reader.calls if self.state == "miss" and self._flight else 0


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
        self._first_seen = self._marks(settings.cache_max_entries)
        self._counts = dict.fromkeys(
            ("hits_total", "joined_total", "misses_total", "negative_total", "faults_total"), 0
        )
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
        if entry is not None:
            return self._visit("hit", entry, asked_at)
        # The lock is held over look-up and start only; nobody holds it while a fetch runs.
        async with self._locks.hold(key):
            return await self._join_or_start(key, token, asked_at)

    async def _join_or_start(self, key: Key, token: Token, asked_at: float) -> Visit:
        entry = await self._look_up(key)
        if entry is not None:
            return self._visit("hit", entry, asked_at)
        flight = self._flights.current(key)
        if flight is not None:
            return self._visit("joined", flight, asked_at)
        if await self._rejected.get(key):
            self._counts["negative_total"] += 1
            raise SpotifyTokenRejectedError
        flight = self._flights.start(key, self._source.reader(token), self._fetch)
        return self._visit("miss", flight, asked_at)

    def _visit(self, state: State, found: Entry | Flight, asked_at: float) -> Visit:
        counted = {"hit": "hits_total", "joined": "joined_total", "miss": "misses_total"}
        self._counts[counted[state]] += 1
        return Visit(state, found, asked_at=asked_at, clock=self._clock)

    async def peek(self, token: Token) -> Entry | None:
        """What is held for this token now; never fetches."""
        return await self._look_up(self._keys.key(token))

    async def clear(self, token: Token | None = None) -> None:
        """Forget one listener, or all; a fetch that is running now will not bring it back."""
        key = None if token is None else self._keys.key(token)
        self._flights.fence(key)
        for store in (self._entries, self._rejected, self._first_seen):
            await (store.clear() if key is None else store.delete(key))

    def ages(self, entry: Entry) -> tuple[int, int]:
        """How old the entry is and how long it has still, in whole seconds."""
        return entry.ages(self._clock())

    def key(self, token: Token) -> Key:
        """The key under which this token's listener is kept, for tables of other rooms."""
        return self._keys.key(token)

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
            for store in (self._entries, self._rejected, self._first_seen):
                await store.sweep()

    async def close(self) -> None:
        """End the running fetches and forget everything."""
        await self._flights.close()
        await self.clear()

    async def _look_up(self, key: Key) -> Entry | None:
        try:
            found: Entry | None = await self._entries.get(key)
        except Exception:
            self._counts["faults_total"] += 1
            log.exception("the cache failed to read; fetching instead")
            return None
        return found

    async def _fetch(self, flight: Flight) -> Entry:
        began = self._clock()
        try:
            listening = await fetch_listening(
                flight.reader, now=self._wall_clock(), report=flight.report
            )
        except SpotifyTokenRejectedError:
            await self._remember_rejection(flight)
            raise
        self._metrics.fetch_seconds.observe(self._clock() - began)
        entry = make_entry(
            listening,
            level=self._settings.llm_context,
            fetched_at=self._clock(),
            expires_at=self._clock() + await self._lifetime(flight, listening),
        )
        await self._publish(flight, entry)
        return entry

    async def _lifetime(self, flight: Flight, listening: Listening) -> float:
        """Seconds that this answer may be kept, never past the token's own life."""
        ttl = self._settings.cache_ttl_s
        if any(section.transient for section in listening.sections):
            ttl = min(ttl, PARTIAL_TTL_S)
        now = self._clock()
        seen: float | None = await self._first_seen.get(flight.key)
        life = TOKEN_LIFE_S if seen is None else seen + TOKEN_LIFE_S - now
        return min(ttl * (1 - JITTER * self._rng.random()), life)

    async def _publish(self, flight: Flight, entry: Entry) -> None:
        """Keep the entry unless a clear came in between, and let no newcomer join any more.

        Nothing here yields to the loop, so no newcomer can see neither entry nor flight.
        """
        if not flight.fenced:
            try:
                ttl = entry.expires_at - self._clock()
                await self._entries.set(flight.key, entry, ttl=ttl)
                if not await self._first_seen.exists(flight.key):
                    await self._first_seen.set(flight.key, entry.fetched_at, ttl=TOKEN_LIFE_S)
            except Exception:
                self._counts["faults_total"] += 1
                log.exception("the cache failed to keep a listener; answering all the same")
        self._flights.leave_table(flight)

    async def _remember_rejection(self, flight: Flight) -> None:
        if not flight.fenced:
            await self._entries.delete(flight.key)
            await self._rejected.set(flight.key, value=True, ttl=REJECTED_TTL_S)
        self._flights.leave_table(flight)
