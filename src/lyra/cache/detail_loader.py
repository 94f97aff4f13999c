"""Loads details of a listener: kept with the entry, and gone with it.

Invariants, hunted by tests/cache/test_details_storm.py:
- one call at most per detail while it is kept, one flight per detail however many ask for it;
- a detail is kept with an entry that is held, weighs with it, and goes with it: by a clear, an
  eviction, the end of its life or a refused token. A renewal of the entry takes it over;
- a flight that a clear has fenced keeps nothing (see `singleflight`);
- a failure is never kept as an answer; it only holds back the next call for a while.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from lyra.cache.entry import Entry
from lyra.cache.held_details import MAX_DETAILS, HeldDetail, live_details, pack_detail
from lyra.cache.keys import Key
from lyra.cache.loader import Loader, Source
from lyra.cache.memory_tier import BACKOFF_S, MemoryTier
from lyra.cache.redis_tier import SharedTier
from lyra.cache.singleflight import WHOLE, Flight, SingleFlight
from lyra.errors import LyraError, SpotifyTokenRejectedError, TooManyRequestsError
from lyra.listening.details import Detail, WantedDetail, fetch_detail
from lyra.loop_throttle import LoopThrottle
from lyra.redis.listener_store import Generation
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import Token
from lyra.tracing import Tracer, current_context, start_span

log = logging.getLogger(__name__)

_COUNTED = ("hits", "joined", "misses", "shared")


@dataclass(frozen=True, slots=True)
class AskedDetail:
    """What is asked for, with which token, and by whom: the owner of this entry.

    `regime` is which of Spotify's API regimes the entry shows.
    """

    wanted: WantedDetail
    token: Token
    entry: Entry
    regime: str


class DetailLoader:
    """Finds details where they are kept, and starts flights for those that are not."""

    def __init__(
        self,
        loader: Loader,
        source: Source,
        memory: MemoryTier,
        flights: SingleFlight,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        shared: SharedTier | None,
        throttle: LoopThrottle,
        tracer: Tracer,
    ) -> None:
        self.counts = {f"detail_{name}_total": 0 for name in _COUNTED}
        self._loader = loader
        self._source = source
        self._memory = memory
        self._flights = flights
        self._clock = clock
        self._wall_clock = wall_clock
        self._shared = shared
        self._throttle = throttle
        self._tracer = tracer

    async def load(self, key: Key, asked: AskedDetail) -> Detail:
        """Return the detail that is kept, else what the one flight for it brings.

        Raises: as `ListenerCache.detail` does.
        """
        details = self._details(key)
        held = _find(details, asked.wanted.name)
        if held is not None:
            self.counts["detail_hits_total"] += 1
            return held.detail()
        # Nothing here yields to the loop, so that no second flight can be started meanwhile.
        flight: Flight[HeldDetail] | None = self._flights.current(key, asked.wanted.name)
        if flight is not None:
            self.counts["detail_joined_total"] += 1
        else:
            flight = self._start(key, asked, details)
            self.counts["detail_misses_total"] += 1
        return (await flight.result()).detail()

    def _details(self, key: Key) -> tuple[HeldDetail, ...]:
        """Return what is kept in this process and lives."""
        entry = self._memory.look_up(key)
        return () if entry is None else live_details(entry.details, self._clock())

    def _start(
        self, key: Key, asked: AskedDetail, details: tuple[HeldDetail, ...]
    ) -> Flight[HeldDetail]:
        self._check_number(details, under_way=len(self._flights.parts(key) - {WHOLE}))
        self._loader.rate.spend(key)
        parent = current_context()  # the flight runs in a context of its own

        async def fetch(flight: Flight[HeldDetail]) -> HeldDetail:
            await self._loader.wait_for_slot()
            with start_span(self._tracer, "bring a detail", parent=parent) as span:
                held = await self._load(flight, asked)
                span.set_attributes({"lyra.spotify_calls": flight.reader.calls})
                return held

        return self._flights.start(
            key,
            self._source.reader(asked.token),
            fetch,
            part=asked.wanted.name,
            withdrawable=asked.token.renewed,
        )

    def _check_number(self, details: tuple[HeldDetail, ...], *, under_way: int = 0) -> None:
        """Refuse one more where there are as many as may be: none gives way before its time."""
        if len(details) + under_way < MAX_DETAILS:
            return
        now = self._clock()
        soonest = min((each.expires_at for each in details), default=now)
        raise TooManyRequestsError(retry_after_s=max(1.0, soonest - now), reason="details")

    async def _load(self, flight: Flight[HeldDetail], asked: AskedDetail) -> HeldDetail:
        if self._shared is None:
            return await self._fetch(flight, asked)
        try:
            return await self._load_shared(self._shared, flight, asked)
        except SpotifyTokenRejectedError:
            await self._shared.forget(flight.key, held=True)
            raise

    async def _load_shared(
        self, shared: SharedTier, flight: Flight[HeldDetail], asked: AskedDetail
    ) -> HeldDetail:
        """Return the detail that another process has kept or brings, else ask Spotify.

        The lease lets one process at a time fetch a detail.
        """
        held = await self._adopt(shared, flight, asked)
        if held is not None or not shared.reachable:
            return held or await self._fetch(flight, asked)
        until = asyncio.get_running_loop().time() + self._loader.settings.spotify_timeout_s
        lease = await shared.lead_detail(flight.key, flight.part, until)
        async with lease or nullcontext():
            # Again: whoever had the lease before may have kept it.
            held = await self._adopt(shared, flight, asked)
            return held or await self._fetch_and_publish(shared, flight, asked)

    async def _adopt(
        self, shared: SharedTier, flight: Flight[HeldDetail], asked: AskedDetail
    ) -> HeldDetail | None:
        """Take over what another process has kept, if it has.

        Raises:
            TooManyRequestsError: it has not, but as many others as may be are kept.
        """
        details = await shared.find_details(flight.key, asked.token)
        found = _find(details, flight.part)
        if found is None:
            self._check_number(details)
            return None
        self.counts["detail_shared_total"] += 1
        self._keep(flight, found)
        return found

    async def _fetch_and_publish(
        self, shared: SharedTier, flight: Flight[HeldDetail], asked: AskedDetail
    ) -> HeldDetail:
        """Ask Spotify, and publish the detail to all processes if Redis takes it."""
        generation = await shared.generation(flight.key) if shared.grants_leases else Generation()
        flight.reader = self._source.reader(asked.token)  # the fetch begins here
        held = await self._fetch(flight, asked)
        if flight.fenced:
            return held
        try:
            fate = await shared.keep_detail(flight.key, asked.token, held, generation)
        except Exception:
            log.exception("keeping a detail for all processes broke: this is a fault in Lyra")
            return held
        if fate == "forgotten":  # by another process, whose notice may be on its way
            self._memory.drop_detail(flight.key, held)
        return held

    async def _fetch(self, flight: Flight[HeldDetail], asked: AskedDetail) -> HeldDetail:
        """Ask Spotify, and keep what it answers."""
        await asked.token.confirm()  # last: nothing may come between this and reading
        try:
            detail = await fetch_detail(
                flight.reader,
                asked.wanted,
                regime=asked.regime,
                now=self._wall_clock(),
                throttle=self._throttle,
            )
        except (SpotifyFailure, LyraError) as failure:
            await self._note_failure(flight, failure)
            raise
        now = self._clock()
        dies_at = asked.entry.token_seen_at + asked.token.life_s
        expires_at = min(now + self._loader.settings.cache_ttl_s, dies_at)
        held = HeldDetail(flight.part, pack_detail(detail), expires_at)
        self._keep(flight, held)
        return held

    def _keep(self, flight: Flight[HeldDetail], held: HeldDetail) -> None:
        """Keep it with the entry unless a clear came in between, and let no one join any more.

        Nothing here yields to the loop, so that whoever asks sees the flight or the detail.
        """
        if not flight.fenced:
            self._memory.add_detail(flight.key, held)
        self._flights.unregister(flight)

    async def _note_failure(
        self, flight: Flight[HeldDetail], failure: SpotifyFailure | LyraError
    ) -> None:
        if isinstance(failure, SpotifyTokenRejectedError):
            if not flight.fenced:
                await self._memory.reject(flight.key)
            self._flights.unregister(flight)
        elif isinstance(failure, SpotifyFailure):
            expires_at = self._clock() + BACKOFF_S
            self._keep(flight, HeldDetail(flight.part, b"", expires_at, failure.code))


def _find(details: tuple[HeldDetail, ...], name: str) -> HeldDetail | None:
    return next((each for each in details if each.name == name), None)
