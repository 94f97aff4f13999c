"""Loads listeners: from the other processes if one of them has them, else from Spotify."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import nullcontext
from math import inf
from random import Random
from typing import Protocol

from lyra.cache.entry import Entry, make_entry
from lyra.cache.expiry import JITTER, compute_expiry, has_gap
from lyra.cache.fetch_rate import FetchRate
from lyra.cache.keys import Key, KeyMaker
from lyra.cache.memory_tier import MemoryTier
from lyra.cache.redis_tier import SharedTier
from lyra.cache.singleflight import Flight, FlightOutcome, SingleFlight
from lyra.errors import LyraError, OverloadedError, SpotifyTokenRejectedError, TryLaterError
from lyra.listening.details import ReadsDetails
from lyra.listening.fetch import fetch_listening
from lyra.listening.models import Listening
from lyra.loop_throttle import LoopThrottle
from lyra.metrics import Metrics
from lyra.redis.listener_store import Generation, Standing
from lyra.settings import Settings
from lyra.spotify.token import Token
from lyra.tracing import current_context, start_span

log = logging.getLogger(__name__)

_WAITS = 3  # of one flight, each for a fetch of another process that failed
MEMORY_TTL_S = 60.0  # with Redis: bounds what a lost invalidation can cost


class Source(Protocol):
    """Where listeners come from: gives a reader bound to one token and one deadline."""

    def reader(self, token: Token) -> ReadsDetails: ...


class Loader:
    """Starts flights and stores what they bring, unless a clear has fenced them meanwhile."""

    def __init__(
        self,
        settings: Settings,
        source: Source,
        memory: MemoryTier,
        flights: SingleFlight,
        metrics: Metrics,
        *,
        keys: KeyMaker,
        rng: Random,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        shared: SharedTier | None,
        throttle: LoopThrottle,
    ) -> None:
        self.settings = settings
        self.adopted = 0  # entries that came from other processes
        self._source = source
        self._memory = memory
        self._flights = flights
        self._metrics = metrics
        self._keys = keys
        self.rate = FetchRate(
            settings.fetches_per_minute, entries=settings.cache_max_entries, clock=clock
        )
        self._rng = rng
        self._clock = clock
        self._wall_clock = wall_clock
        self._shared = shared
        self._throttle = throttle

    def start(self, key: Key, token: Token, old: Entry | None) -> Flight[Entry]:
        """Start the one flight of this key; `old` is the entry that is held already.

        Raises:
            OverloadedError: as many flights are under way as there may be.
            TooManyRequestsError: this listener has been read too often lately.
        """
        self.rate.spend(key)
        tracer = self._metrics.tracer
        parent = current_context()  # the flight runs in a context of its own

        async def fetch(flight: Flight[Entry]) -> Entry:
            await self.wait_for_slot()
            with start_span(tracer, "bring a listener", parent=parent) as span:
                entry = await self._load(flight, old, token)
                span.set_attributes({"lyra.spotify_calls": flight.reader.calls})
                return entry

        reader = self._source.reader(token)
        return self._flights.start(key, reader, fetch, withdrawable=token.renewed)

    async def wait_for_slot(self) -> None:
        """Wait until this flight may begin.

        Raises:
            OverloadedError: that took as long as a whole fetch may.
        """
        try:
            async with asyncio.timeout(self.settings.spotify_timeout_s):
                await self._throttle.admit()
        except TimeoutError:
            raise OverloadedError(retry_after_s=1) from None

    async def _load(self, flight: Flight[Entry], old: Entry | None, token: Token) -> Entry:
        if self._shared is None:
            return await self._fetch(flight, old, token)
        try:
            return await self._load_shared(self._shared, flight, old, token)
        except SpotifyTokenRejectedError:
            await self._shared.forget(flight.key, held=old is not None)
            raise

    async def _load_shared(
        self, shared: SharedTier, flight: Flight[Entry], old: Entry | None, token: Token
    ) -> Entry:
        """Return the entry of another process that has it or fetches it, else ask Spotify.

        The lease lets one process at a time fetch a key.
        """
        cached = await shared.find(flight.key, token)
        if cached is not None and (old is None or cached.fetched_at > old.fetched_at):
            if self._is_fresh(cached):
                return await self._adopt(flight, cached)
            old = cached
        if not shared.reachable:
            return await self._fetch(flight, old, token)  # calling it more would only cost time
        until = asyncio.get_running_loop().time() + self.settings.spotify_timeout_s
        lease = await shared.acquire_lease(flight.key, refresh=old is not None)
        for _ in range(_WAITS):
            if lease is not None or not shared.grants_leases:
                break  # where Redis grants no leases, no other process holds one
            standing, entry = await self._await_other_process(shared, flight, old, token, until)
            if entry is not None:
                return entry
            if standing != "vacant":
                break  # nothing to wait for: Redis is away, or what has arrived is of no use here
            lease = await shared.acquire_lease(flight.key, refresh=False)
        async with lease or nullcontext():
            return await self._fetch_and_publish(shared, flight, old, token)

    async def _await_other_process(
        self,
        shared: SharedTier,
        flight: Flight[Entry],
        old: Entry | None,
        token: Token,
        until: float,
    ) -> tuple[Standing, Entry | None]:
        """Wait for another process's fetch; return how things stand, and the entry if there is one."""
        standing = await shared.wait(flight.key, until)
        if standing == "unknown":
            return standing, None
        entry = await shared.find(flight.key, token)
        if entry is not None and self._is_fresh(entry):
            return standing, await self._adopt(flight, entry)
        if old is not None:
            flight.outcome = FlightOutcome("stale", "slow")
        return standing, old

    async def _adopt(self, flight: Flight[Entry], entry: Entry) -> Entry:
        """Take over what another process has fetched."""
        self.adopted += 1
        flight.outcome = FlightOutcome("hit")
        for section in entry.listening().sections:
            flight.report(section)
        await self._store(flight, entry)
        return entry

    async def _fetch_and_publish(
        self, shared: SharedTier, flight: Flight[Entry], old: Entry | None, token: Token
    ) -> Entry:
        """Ask Spotify, and publish the entry to all processes if Redis takes it.

        The generation is the fencing token: a forget after it was read makes the publish fail.
        """
        generation = await shared.generation(flight.key) if shared.grants_leases else Generation()
        base = old
        if generation.ticket and _reusable_sections(old, self._clock(), self.settings):
            # Read again, after the generation: a forget before the generation has deleted it, and
            # a forget after the generation keeps this fetch from publishing.
            base = await shared.find(flight.key, token)
        flight.reader = self._source.reader(token)  # the fetch begins here, however long it waited
        try:
            entry = await self._fetch(flight, base, token)
        except TryLaterError as failure:
            if old is None:
                raise
            flight.outcome = FlightOutcome("stale", failure.code)
            return old
        if entry is not base and not flight.fenced:
            await self._share(shared, flight, entry, token, generation)
        return entry

    async def _share(
        self,
        shared: SharedTier,
        flight: Flight[Entry],
        entry: Entry,
        token: Token,
        generation: Generation,
    ) -> None:
        """Publish a stored entry to all processes; no fault there undoes that it is stored."""
        try:
            fate = await shared.keep(flight.key, token, entry, generation)
        except Exception:
            log.exception("keeping a listener for all processes broke: this is a fault in Lyra")
            return
        if fate == "forgotten":  # by another process, whose notice may be on its way
            self._memory.entries.invalidate(flight.key)

    async def _fetch(self, flight: Flight[Entry], old: Entry | None, token: Token) -> Entry:
        """Ask Spotify, and store what it answers."""
        started = self._clock()
        held = _reusable_sections(old, started, self.settings)
        await token.confirm()  # last: nothing may come between this and reading
        try:
            listening = await fetch_listening(
                flight.reader,
                now=self._wall_clock(),
                report=flight.report,
                held=held,
                throttle=self._throttle,
            )
        except LyraError as failure:
            await self._note_failure(flight, failure)
            raise
        self._metrics.fetch_seconds.observe(self._clock() - started)
        if old is not None and held is None and has_gap(listening) and self._is_fresh(old):
            # A renewal that lost a section is worse than the entry, which is fresh and has it.
            await self._back_off(flight, "partial", transient=True)
            return old
        fetched_at = old.fetched_at if held and old else self._clock()
        seen_at = self._clock()
        if not token.renewed:
            seen_at = await self._memory.seen_at(flight.key, old)
        await self._throttle.slice()
        entry = self._make_entry(listening, fetched_at, seen_at, token)
        await self._store(flight, entry)
        return entry

    def _is_fresh(self, entry: Entry) -> bool:
        return self._clock() < entry.expires_at

    def _make_entry(
        self, listening: Listening, fetched_at: float, seen_at: float, token: Token
    ) -> Entry:
        life = compute_expiry(
            listening,
            settings=self.settings,
            now=self._clock(),
            fetched_at=fetched_at,
            token_seen_at=seen_at,
            token_life_s=token.life_s,
            rng=self._rng,
        )
        return make_entry(listening, level=self.settings.llm_context, life=life)

    async def _store(self, flight: Flight[Entry], entry: Entry) -> None:
        """Store the entry unless a clear came in between, and let no look-up join any more.

        Nothing here yields to the loop, so every look-up sees the flight or the entry.
        """
        if entry.account:
            self.rate.learn(flight.key, self._keys.account(entry.account))
        if not flight.fenced:
            longest_s = inf if self._shared is None else MEMORY_TTL_S
            # With Redis details are found there: none that another process has forgotten may be
            # held here for longer than an entry is.
            await self._memory.put(
                flight.key, entry, longest_s=longest_s, keep_details=self._shared is None
            )
        self._flights.unregister(flight)

    async def _note_failure(self, flight: Flight[Entry], failure: LyraError) -> None:
        if isinstance(failure, SpotifyTokenRejectedError):
            if not flight.fenced:
                await self._memory.reject(flight.key)
            self._flights.unregister(flight)
        else:
            await self._back_off(flight, failure.code, transient=isinstance(failure, TryLaterError))

    async def _back_off(self, flight: Flight[Entry], reason: str, *, transient: bool) -> None:
        if not flight.fenced:
            await self._memory.back_off(flight.key, reason, transient=transient)
        self._flights.unregister(flight)


def _reusable_sections(held: Entry | None, now: float, settings: Settings) -> Listening | None:
    """Return the data of which only the gaps have to be fetched again; None where all has to be."""
    if held is None:
        return None
    # The gap may take a whole fetch to fill, and what is kept must not expire meanwhile.
    stops_at = held.fetched_at + settings.cache_ttl_s * (1 - JITTER)
    if now + settings.spotify_timeout_s >= stops_at:
        return None
    listening = held.listening()
    return listening if has_gap(listening) else None
