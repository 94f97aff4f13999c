"""The facade: one object over the cache and Spotify.

`open_lyra` builds it on the caller's event loop and closes everything it opened.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, TypedDict

import orjson

from lyra.background import background
from lyra.cache.entry import Entry, as_plain
from lyra.cache.listeners import ListenerCache
from lyra.cache.redis_tier import SharedTier
from lyra.catalogue.budgets import SearchBudgets
from lyra.catalogue.finder import find_items
from lyra.catalogue.known import KnownMusic
from lyra.catalogue.search import CatalogueSearch
from lyra.catalogue.shared_results import SharedResults
from lyra.catalogue.views import find_view, read_wanted
from lyra.clocks import wall_clock
from lyra.errors import (
    LyraError,
    MalformedTokenError,
    NotForgottenError,
    OverloadedError,
    ProposalsUnavailableError,
    SpotifyTokenRejectedError,
)
from lyra.listening.fetch import fetch_listening
from lyra.listening.models import Listening
from lyra.listening.views import data_view
from lyra.metrics import Metrics
from lyra.playlists.proposals import Caller, Proposals
from lyra.playlists.save_limit import SaveLimit
from lyra.playlists.saver import Choice, PlaylistSaver
from lyra.playlists.views import playlist_view, read_playlist
from lyra.redis.counters import SharedCounters
from lyra.redis.gateway import RedisGateway, open_redis
from lyra.redis.listener_store import SharedListeners
from lyra.settings import SettingError, Settings
from lyra.spotify.client import SpotifyClient, open_spotify
from lyra.spotify.token import Token

Answer = dict[str, Any]

_MALFORMED = (
    "This is not a Spotify access token. Pass the token's text alone, without 'Bearer', blanks or "
    "line breaks."
)
FIND_TIMEOUT_S = 8.0  # for all searches of one call together
_FORGOTTEN = "Everything that was held is forgotten."


class CacheEntry(TypedDict):
    """The cached data of one listener. Both times are in UTC; it is fresh before `expires`."""

    data: Answer
    timestamp: datetime
    expires: datetime


@dataclass(frozen=True)
class Lyra:
    """The cache and the Spotify client; belongs to the event loop that opened it.

    `epoch` is the moment, in seconds since 1970, at which the cache's clock showed 0.
    """

    settings: Settings
    metrics: Metrics
    spotify: SpotifyClient
    listeners: ListenerCache
    catalogue: CatalogueSearch
    searches: SearchBudgets
    proposals: Proposals
    saver: PlaylistSaver
    epoch: float
    direct_reads: asyncio.Semaphore
    redis: RedisGateway | None = None
    clock: Callable[[], float] = time.monotonic

    def wall_clock(self) -> float:
        """Return the seconds since 1970, by the cache's clock."""
        return self.epoch + self.clock()

    async def initialize_user_session(self, token: str) -> Answer:
        """Load the listener or find it in the cache; return what POST /lyra/init does, as builtins."""
        try:
            lookup = await self.listeners.lookup(_parse_token(token))
            entry = await lookup.entry()
        except LyraError as failure:
            return failure_answer(failure)
        members = orjson.loads(b"{%b}" % entry.init_members)
        return {"success": True, **members, "cache": lookup.describe()}

    async def get_cached_user_data(self, token: str) -> Answer | None:
        """Return the data if it is held and fresh, else None; never asks Spotify."""
        try:
            entry = await self.listeners.peek(_parse_token(token))
        except LyraError as failure:
            return failure_answer(failure)
        fresh = entry is not None and self.listeners.is_fresh(entry)
        return data_view(entry.plain()) if entry is not None and fresh else None

    async def get_comprehensive_user_data(self, token: str) -> Answer:
        """Return the data that is held, else fetch and keep it."""
        try:
            entry = await (await self.listeners.lookup(_parse_token(token))).entry()
        except LyraError as failure:
            return failure_answer(failure)
        return data_view(entry.plain())

    async def get_full_spotify_profile(self, token: str) -> Answer:
        """Return data that is fetched now; nothing of it is kept."""
        try:
            return data_view(as_plain(await self._read(_parse_token(token))))
        except LyraError as failure:
            return failure_answer(failure)

    async def find_music(self, token: str, items: object) -> Answer:
        """Look items up in Spotify's catalogue, and whether this listener's data hold them."""
        try:
            wanted, parsed = read_wanted(items), _parse_token(token)
            entry = await (await self.listeners.lookup(parsed)).entry()
            budget = self.searches.open_answer(self.listeners.key(parsed))
            finds = await find_items(
                self.catalogue, parsed, wanted, budget, timeout_s=FIND_TIMEOUT_S
            )
            if any(find.reason == "token_rejected" for find in finds):
                await self.listeners.clear(parsed)
                raise SpotifyTokenRejectedError
        except LyraError as failure:
            return failure_answer(failure)
        known = KnownMusic(entry.listening())
        views = [find_view(find, known.find(find.item) if find.item else None) for find in finds]
        return {"success": True, "items": views, "searches": budget.sent}

    async def save_playlist(self, token: str, name: object, uris: object) -> Answer:
        """Make a playlist of these tracks for the listener, once within half an hour."""
        try:
            draft, parsed = read_playlist(name, uris), _parse_token(token)
            proposal_id = await self.proposals.propose_once(parsed, draft)
            caller = Caller(self.listeners.key(parsed), _no_account)
            progress = await self.saver.save(proposal_id, caller, parsed, Choice())
        except LyraError as failure:
            return failure_answer(failure)
        return {"success": True, "playlist": playlist_view(progress)}

    async def forget(self, token: Token) -> bool:
        """Forget the listener's data and proposed playlists; False if other processes hold some yet."""
        cleared = await self.listeners.clear(token)
        return await self.forget_proposals(token) and cleared

    async def forget_proposals(self, token: Token) -> bool:
        """Forget the playlists proposed to this listener; False where Redis does not take it now."""
        try:
            await self.proposals.forget(token)
        except ProposalsUnavailableError:
            return False
        return True

    async def clear_user_cache(self, token: str | None = None) -> Answer:
        """Forget one listener, or all; a fetch that is running brings nothing back."""
        try:
            if token is None:
                cleared = await self.listeners.clear()
            else:
                cleared = await self.forget(_parse_token(token))
            if not cleared:
                raise NotForgottenError(retry_after_s=1)
        except LyraError as failure:
            return failure_answer(failure)
        return {"success": True, "message": _FORGOTTEN}

    async def cache_stats(self) -> dict[str, int]:
        """Return the cache's counters (names in `_total`) and sizes."""
        return self.listeners.stats()

    async def cached_keys(self) -> list[str]:
        """Return the key hashes of all fresh entries."""
        return [*self.listeners.fresh_keys()]

    async def cached_entry(self, key: str) -> CacheEntry | None:
        """Return the entry under this key hash, if it is fresh."""
        entry = await self.listeners.find(key)
        return None if entry is None else self._to_cache_entry(entry)

    async def key_of(self, token: str) -> str:
        """Return the key hash of a token.

        Raises:
            ValueError: It is not a token; the message does not show what it is.
        """
        return self.listeners.key(Token(token))

    async def cache_duration_s(self) -> float:
        """Return for how many seconds what is fetched now would be kept at most."""
        return self.listeners.ttl_s

    async def keep_for(self, ttl_s: float | None) -> None:
        """Keep what is fetched from now on this long; None: as long as the settings say."""
        self.listeners.set_ttl(self.settings.cache_ttl_s if ttl_s is None else ttl_s)

    async def _read(self, token: Token) -> Listening:
        if self.direct_reads.locked():
            raise OverloadedError(retry_after_s=1)
        async with self.direct_reads:
            try:
                return await fetch_listening(
                    self.spotify.reader(token),
                    now=wall_clock(),
                    report=lambda _: None,
                    throttle=self.spotify.throttle,
                )
            except SpotifyTokenRejectedError:
                await self.listeners.clear(token)
                raise

    def _to_cache_entry(self, entry: Entry) -> CacheEntry:
        return {
            "data": data_view(entry.plain()),
            "timestamp": datetime.fromtimestamp(self.epoch + entry.fetched_at, UTC),
            "expires": datetime.fromtimestamp(self.epoch + entry.expires_at, UTC),
        }


@asynccontextmanager
async def open_lyra(
    settings: Settings,
    metrics: Metrics | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    wall_clock: Callable[[], float] = wall_clock,
    rng: Random | None = None,
) -> AsyncIterator[Lyra]:
    """Give a Lyra with its HTTP session and its sweeper; close both with the block.

    Lifetimes are measured by `clock`, which never jumps; `wall_clock` may.
    """
    rng = rng or Random()  # noqa: S311 - spreads load, guards nothing
    metrics = metrics or Metrics()
    async with (
        open_spotify(settings, metrics, rng=rng, clock=wall_clock) as spotify,
        _open_redis(settings, metrics, clock=clock, rng=rng) as redis,
    ):
        shared = SharedListeners(redis) if redis else None
        listeners = ListenerCache(
            settings,
            spotify,
            metrics,
            rng=rng,
            clock=clock,
            wall_clock=wall_clock,
            shared=_shared_tier(settings, shared, clock, wall_clock) if shared else None,
            throttle=spotify.throttle,
        )
        searches = SearchBudgets(
            settings,
            entries=settings.cache_max_entries,
            wall_clock=wall_clock,
            shared=SharedCounters(redis) if redis else None,
        )
        catalogue = CatalogueSearch(
            spotify,
            listeners.keys,
            searches,
            clock=clock,
            shared=SharedResults(shared, settings.secret or "") if shared else None,
            shared_wait_s=settings.spotify_timeout_s,
        )
        metrics.register_callback("lyra_catalogue", catalogue.stats)
        proposals = Proposals(settings, listeners.keys, redis, wall_clock=wall_clock)
        saver = PlaylistSaver(
            proposals,
            spotify,
            listeners,
            SaveLimit(
                settings.saves_per_day,
                entries=settings.cache_max_entries,
                wall_clock=wall_clock,
                shared=SharedCounters(redis) if redis else None,
            ),
            timeout_s=settings.spotify_timeout_s,
            wall_clock=wall_clock,
        )
        metrics.register_callback("lyra_playlists", saver.stats)
        try:
            async with background(listeners.sweep_forever()):
                yield Lyra(
                    settings,
                    metrics,
                    spotify,
                    listeners,
                    catalogue,
                    searches,
                    proposals,
                    saver,
                    epoch=wall_clock() - clock(),
                    direct_reads=asyncio.Semaphore(settings.spotify_max_fetches),
                    redis=redis,
                    clock=clock,
                )
        finally:
            await saver.close()
            await catalogue.close()
            await listeners.close()


@asynccontextmanager
async def _open_redis(
    settings: Settings, metrics: Metrics, *, clock: Callable[[], float], rng: Random
) -> AsyncIterator[RedisGateway | None]:
    """Give the gateway to the Redis of the settings, if they name one."""
    async with AsyncExitStack() as stack:
        gateway = None
        if settings.redis_url is not None:
            try:
                gateway = await stack.enter_async_context(
                    open_redis(settings.redis_url, metrics, clock=clock, rng=rng)
                )
            except ValueError as wrong:
                raise SettingError(f"LYRA_REDIS_URL: {wrong}.") from None
        yield gateway


def _shared_tier(
    settings: Settings,
    shared: SharedListeners,
    clock: Callable[[], float],
    wall_clock: Callable[[], float],
) -> SharedTier:
    assert settings.secret is not None  # noqa: S101 - Settings refuses Redis without a secret
    return SharedTier(
        shared,
        settings.secret,
        level=settings.llm_context,
        clock=clock,
        wall_clock=wall_clock,
    )


def failure_answer(failure: LyraError) -> Answer:
    """Return the failure as the functions do; there is no request, so no request id."""
    error = failure.to_dict("")
    del error["request_id"]
    return {"success": False, "error": error, "message": str(failure)}


async def _no_account() -> None:
    """Name no account: what a program saves is found by its own token alone."""


def _parse_token(token: str) -> Token:
    try:
        return Token(token)
    except (TypeError, ValueError):
        pass
    # Not in the block above: the argument may be a secret, and hangs on that error's frames.
    raise MalformedTokenError(_MALFORMED)
