"""Lyra's cache and its peers behind one face, each as its own documentation says to use it."""

import asyncio
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, Protocol, TypeVar

from lyra.cache.listeners import ListenerCache
from lyra.errors import LyraError
from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.endpoints import Endpoint
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import Token

T = TypeVar("T")
TTL_S = 3600
SIZE = 100_000  # more than any case holds
_ROOM = {"cache_max_entries": SIZE, "cache_max_bytes": 2**40, "spotify_max_fetches": SIZE}


class UpstreamError(Exception):
    """The upstream's own failure; any other error is the cache's."""


@dataclass
class Upstream:
    """Counts its calls; each gives the number of the call once the gate is open."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    calls: int = 0
    failing: bool = False
    rejects: Callable[[str], bool] = lambda _: False

    async def fetch(self) -> int:
        self.calls += 1
        number = self.calls
        failing = self.failing
        await self.gate.wait()
        if failing:
            raise UpstreamError
        return number


class Subject(Protocol):
    """One cache over one upstream."""

    async def get(self, token: str) -> int: ...

    async def clear(self) -> None: ...

    async def close(self) -> None: ...

    def leftover(self) -> int:
        """Locks and flights that the cache itself still holds."""
        ...


class Lyra:
    """The listeners' cache; a fetch is five calls, of which /me is counted."""

    def __init__(self, upstream: Upstream, **changes: Any) -> None:
        self.cache = ListenerCache(
            Settings(**{**_ROOM, **changes}),
            _Source(upstream),
            Metrics(),
            rng=Random(1),  # noqa: S311 - jitter
            wall_clock=lambda: 1_795_000_000.0,
        )

    async def get(self, token: str) -> int:
        lookup = await self.cache.lookup(Token(token))
        try:
            entry = await lookup.entry()
        except LyraError as failure:
            raise UpstreamError from failure
        return int(entry.listening().profile.display_name or 0)

    async def clear(self) -> None:
        await self.cache.clear()

    async def close(self) -> None:
        await self.cache.close()

    def leftover(self) -> int:
        stats = self.cache.stats()
        return stats["locks"] + stats["flights"]


class _Source:
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def reader(self, token: Token) -> "_Reader":
        return _Reader(self._upstream, token.reveal())


class _Reader:
    def __init__(self, upstream: Upstream, token: str) -> None:
        self._upstream = upstream
        self._token = token
        self.calls = 0

    async def get(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], T],
        params: Mapping[str, str] | None = None,  # noqa: ARG002 - no details here
        *,
        playlist: str | None = None,  # noqa: ARG002
    ) -> T:
        self.calls += 1
        if self._upstream.rejects(self._token):
            raise SpotifyFailure("token_rejected")
        if endpoint != "profile":
            await self._upstream.gate.wait()
            if self._upstream.failing:
                raise SpotifyFailure("server_error")
            return parse(b'{"items": []}')
        try:
            number = await self._upstream.fetch()
        except UpstreamError:
            raise SpotifyFailure("server_error") from None
        return parse(b'{"id": "vesna", "display_name": "%d"}' % number)


class _Decorated:
    """What most peers offer: a decorator for the function that fetches."""

    def __init__(self, function: Any, clear: Callable[[], Any]) -> None:
        self._function = function
        self._clear = clear

    async def get(self, token: str) -> int:
        return int(await self._function(token))

    async def clear(self) -> None:
        cleared = self._clear()
        if cleared is not None and hasattr(cleared, "__await__"):
            await cleared

    async def close(self) -> None:
        return

    def leftover(self) -> int:
        return 0


class AiocacheStampede(_Decorated):
    """Its lease is longer than any fetch here; the default of 2 s would let more through."""

    def __init__(self, upstream: Upstream) -> None:
        aiocache = importlib.import_module("aiocache")
        self._lock: Any = importlib.import_module("aiocache.lock").RedLock

        async def fetch(token: str) -> int:
            del token
            return await upstream.fetch()

        cached = aiocache.cached_stampede(
            ttl=TTL_S,
            lease=30,
            key_builder=lambda _, token: token,
            cache=aiocache.SimpleMemoryCache,
        )
        function = cached(fetch)
        super().__init__(function, function.cache.clear)

    def leftover(self) -> int:
        return len(self._lock._EVENTS)  # noqa: SLF001 - the leak is the fact


def async_lru(upstream: Upstream) -> Subject:
    """As its README says, with the ttl."""
    module = importlib.import_module("async_lru")

    @module.alru_cache(maxsize=SIZE, ttl=TTL_S)  # type: ignore[untyped-decorator]
    async def fetch(token: str) -> int:
        del token
        return await upstream.fetch()

    return _Decorated(fetch, fetch.cache_clear)


def cachebox(upstream: Upstream) -> Subject:
    """Its stampede prevention is on by default."""
    module = importlib.import_module("cachebox")

    @module.cached(module.TTLCache(SIZE, TTL_S))  # type: ignore[untyped-decorator]
    async def fetch(token: str) -> int:
        del token
        return await upstream.fetch()

    return _Decorated(fetch, fetch.cache_clear)


def cashews(upstream: Upstream) -> Subject:
    """In memory, with the lock that its README offers against stampedes."""
    cache = importlib.import_module("cashews").Cache()
    cache.setup(f"mem://?size={SIZE}")

    @cache(ttl=f"{TTL_S}s", key="listener:{token}", lock=True)  # type: ignore[untyped-decorator]
    async def fetch(token: str) -> int:
        del token
        return await upstream.fetch()

    return _Decorated(fetch, cache.clear)


def theine(upstream: Upstream) -> Subject:
    """With a key function, the mode that it recommends."""
    module = importlib.import_module("theine")

    @module.Memoize(SIZE, timedelta(seconds=TTL_S))  # type: ignore[untyped-decorator]
    async def fetch(token: str) -> int:
        del token
        return await upstream.fetch()

    fetch.key(lambda token: token)
    return _Decorated(fetch, fetch._cache.clear)  # noqa: SLF001 - it has no other


Make = Callable[[Upstream], Subject]
SUBJECTS: dict[str, tuple[str, Make]] = {
    "Lyra": ("lyra-listening", Lyra),
    "aiocache cached_stampede": ("aiocache", AiocacheStampede),
    "async-lru": ("async-lru", async_lru),
    "cachebox": ("cachebox", cachebox),
    "cashews": ("cashews", cashews),
    "theine": ("theine", theine),
}
"""Name in the tables -> the package to install, and what makes one."""
