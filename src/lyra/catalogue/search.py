"""Search the catalogue: one cache for all listeners, one call per query at a time (single flight).

Invariants, hunted by tests/catalogue/test_search.py and tests/redis/test_search_storm.py:
- at most one call per query runs, however many listeners ask for it; with Redis, in all processes;
- a call ends when the last of those who wait for it has left;
- it runs under the token, and on the budget, of the answer that started it: a refusal of either is
  this answer's alone, and the next one who waits asks anew;
- at most MAX_FLIGHTS run, wait for their turn or end; none begins once `close` was called, which
  awaits them all;
- whoever waits gets a failure of its own, and is cancelled by nobody but its own caller;
- nothing of a listener is kept: the key is a hash of the query, the value is public.
"""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from sys import getsizeof
from typing import Protocol, TypeVar

from lyra.cache.keys import Key, KeyMaker
from lyra.cache.store import BoundedMemoryCache
from lyra.catalogue.budgets import AnswerBudget, SearchBudgets, SearchRefusedError
from lyra.catalogue.items import Item
from lyra.catalogue.queries import Query
from lyra.catalogue.results import read_results
from lyra.catalogue.shared_results import SharedResults
from lyra.redis.lease import Lease
from lyra.spotify.endpoints import SEARCHES_AT_ONCE, Endpoint
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import Token

log = logging.getLogger(__name__)
T = TypeVar("T")

FOUND_S, EMPTY_S = 86_400.0, 3600.0  # how long an answer with and without items is kept
MAX_FLIGHTS = 1_000  # of all listeners together
_MAX_QUERIES, _MAX_BYTES = 50_000, 33_554_432
_OBJECT_BYTES = 200  # of an item or an answer besides its texts, roughly
# Searches of other processes that are waited for. The pauses grow, for some eight seconds in all.
_TURNS, _PAUSE_S = 40, 0.01
_COUNTED = ("hits_total", "joined_total", "sent_total", "shared_total", "refused_total")
_OWN = frozenset({"rejected", "forbidden"})  # failures that say something about one token alone


class _Reads(Protocol):
    async def get(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], T],
        params: Mapping[str, str] | None = None,
    ) -> T: ...


class SearchesSpotify(Protocol):
    """Spotify's client: gives a reader bound to one token and one deadline."""

    def reader(self, token: Token) -> _Reads: ...


class _Flight:
    """One running call, on whose token and budget, and how many wait for it."""

    def __init__(self, token: Token, query: Query, budget: AnswerBudget) -> None:
        self.token = token
        self.query = query
        self.budget = budget
        self.waiting = 0
        self.task: asyncio.Task[tuple[Item, ...]]  # set before any caller can see the flight


class CatalogueSearch:
    """The searches of one process; belongs to the event loop that it runs on."""

    def __init__(
        self,
        spotify: SearchesSpotify,
        keys: KeyMaker,
        budgets: SearchBudgets,
        *,
        clock: Callable[[], float],
        shared: SharedResults | None = None,
        shared_wait_s: float = 0.0,
    ) -> None:
        self._spotify = spotify
        self._shared = shared
        self._shared_wait_s = shared_wait_s
        self._keys = keys
        self._budgets = budgets
        self._slots = asyncio.Semaphore(SEARCHES_AT_ONCE)
        self._flights: dict[Key, _Flight] = {}
        self._tasks: set[asyncio.Task[tuple[Item, ...]]] = set()  # those that end, too
        self._closed = False
        self._kept = BoundedMemoryCache(
            max_entries=_MAX_QUERIES,
            max_weight=_MAX_BYTES,
            weigh=_weigh,
            clock=clock,
        )
        self._counts = dict.fromkeys(_COUNTED, 0)

    def stats(self) -> Mapping[str, int]:
        """Return counters (names in `_total`) and sizes at this moment."""
        return {
            **self._counts,
            "queries": len(self._kept),
            "bytes": self._kept.weight,
            "flights": len(self._flights),
        }

    def peek(self, query: Query) -> tuple[Item, ...] | None:
        """Return what is kept for this query, without any search."""
        return self._peek(self._keys.search(query.cache_text))

    def _peek(self, key: Key) -> tuple[Item, ...] | None:
        items: tuple[Item, ...] | None = self._kept.peek(key)
        if items is not None:
            self._counts["hits_total"] += 1
        return items

    async def search(self, token: Token, query: Query, budget: AnswerBudget) -> tuple[Item, ...]:
        """Return the items that Spotify shows for this query, at most ten, the best first.

        Raises:
            SpotifyFailure: Spotify does not answer it, or not with this token.
            SearchRefusedError: it would have to be sent, and a budget is used up; or this process
                is too busy, or ending.
        """
        key = self._keys.search(query.cache_text)
        while True:
            if (items := self._peek(key)) is not None:
                return items
            flight = self._flights.get(key)
            if flight is None:
                flight = self._start(key, token, query, budget)
            else:
                self._counts["joined_total"] += 1
            failure: SpotifyFailure | SearchRefusedError
            try:
                return await self._join(key, flight)
            except SpotifyFailure as shared:
                failure = shared.copy()
                own = failure.kind in _OWN and flight.budget.listener != budget.listener
            except SearchRefusedError as refused:
                failure = SearchRefusedError(refused.bound)
                own = refused.bound in ("answer", "listener") and flight.budget is not budget
            if not own:
                raise failure

    async def close(self) -> None:
        """End the running calls, for good; those who wait are refused."""
        self._closed = True
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        # Those that all have left are cancelled already: they give their leases back.
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, key: Key, token: Token, query: Query, budget: AnswerBudget) -> _Flight:
        if self._closed or len(self._tasks) >= MAX_FLIGHTS:
            raise SearchRefusedError("process")
        flight = _Flight(token, query, budget)
        # A context of its own: the call must not log under the first caller's request id.
        flight.task = asyncio.get_running_loop().create_task(
            self._load(key, flight), context=contextvars.Context()
        )
        self._flights[key] = flight
        self._tasks.add(flight.task)
        flight.task.add_done_callback(partial(self._on_done, key, flight))
        return flight

    async def _load(self, key: Key, flight: _Flight) -> tuple[Item, ...]:
        """Return what another process has found or is about to find, else send the search."""
        if self._shared is None:
            return await self._send(key, flight)
        items, lease = await self._await_turn(self._shared, key)
        if items is not None:
            return items
        async with lease or nullcontext():
            generation = await self._shared.generation(key)
            items = await self._send(key, flight)
            await self._shared.keep(key, items, _ttl_s(items), generation)
            return items

    async def _await_turn(
        self, shared: SharedResults, key: Key
    ) -> tuple[tuple[Item, ...] | None, Lease | None]:
        """Return what another process has found, else the lease; neither: send the search alone."""
        until = asyncio.get_running_loop().time() + self._shared_wait_s
        unread = False  # there was a value, and it is gone or cannot be read
        for turn in range(_TURNS):
            if (kept := await shared.find(key)) is not None:
                self._counts["shared_total"] += 1
                items, ttl_s = kept
                await self._kept.set(key, items, ttl=ttl_s)
                return items, None
            if not shared.grants_leases:
                break  # no other process holds one either; asking more would only cost time
            if (lease := await shared.acquire_lease(key, refresh=unread)) is not None:
                return None, lease
            standing = await shared.wait(key, until)
            if standing == "unknown":
                break
            if (
                standing == "vacant" or unread
            ):  # it had nothing to share: its token was refused, say
                await asyncio.sleep(turn * _PAUSE_S)
            unread = standing == "arrived"
        return None, None

    async def _send(self, key: Key, flight: _Flight) -> tuple[Item, ...]:
        async with self._slots:
            await self._budgets.spend(flight.budget)
            self._counts["sent_total"] += 1
            query = flight.query
            items = await self._spotify.reader(flight.token).get(
                "search", partial(read_results, kind=query.kind), query.params()
            )
        await self._kept.set(key, items, ttl=_ttl_s(items))
        return items

    async def _join(self, key: Key, flight: _Flight) -> tuple[Item, ...]:
        """Wait for the call; the last one who leaves ends it."""
        flight.waiting += 1
        try:
            await asyncio.wait([flight.task])
            if flight.task.cancelled():
                raise SearchRefusedError("process")
            return flight.task.result()
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._forget(key, flight)
                flight.task.cancel()

    def _forget(self, key: Key, flight: _Flight) -> None:
        """Let nobody join this flight any more; a newer one under its key stays."""
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _on_done(self, key: Key, flight: _Flight, task: asyncio.Task[tuple[Item, ...]]) -> None:
        self._forget(key, flight)
        self._tasks.discard(task)
        # Reading the exception also keeps asyncio from reporting it as never retrieved.
        failure = None if task.cancelled() else task.exception()
        self._counts["refused_total"] += isinstance(failure, SearchRefusedError)
        if failure is not None and not isinstance(failure, SpotifyFailure | SearchRefusedError):
            log.error("a search broke: this is a fault in Lyra", exc_info=failure)


def _ttl_s(items: tuple[Item, ...]) -> float:
    return FOUND_S if items else EMPTY_S


def _weigh(items: tuple[Item, ...]) -> int:
    """Return the bytes that an answer takes in memory: whoever names things decides how many."""
    texts = [
        text
        for item in items
        for text in (item.uri, item.name, *item.artists, item.album, item.image, item.url)
    ]
    return _OBJECT_BYTES * (1 + len(items)) + sum(map(getsizeof, texts))
