"""Single flight (request coalescing): one fetch per key, however many callers come and go.

A key is a listener's. Parts of it are fetched by flights of their own: the listening itself (the part
`WHOLE`), and each detail that was asked for.

Invariants, hunted by tests/cache/test_singleflight.py:
- at most one flight per key and part is in the table; a flight leaves it in the loop step that publishes;
- a flight belongs to no caller: any number of them may be cancelled, it goes on and is kept;
- a flight that a clear has fenced may answer its waiters, but publishes nothing;
- a clear reaches the flights of all parts; one that reads with a log-in's token is ended by it,
  since it may be a sign-out;
- a flight that ends removes itself only, never the one that came after a clear;
- of one key no more than a tenth of all flights (or _MIN_FENCED) run on after their clears: a
  caller that forgets and loads in turn does not use up the flights of the others.
"""

import asyncio
import contextvars
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from lyra.cache.keys import Key
from lyra.errors import DrainingError, ForgottenError, LyraError, OverloadedError
from lyra.listening.details import ReadsDetails
from lyra.listening.models import Section
from lyra.spotify.failures import SpotifyFailure

log = logging.getLogger(__name__)

WHOLE = ""
_MIN_FENCED = 4

T = TypeVar("T")


class FlightOutcome(NamedTuple):
    """Where a flight's entry came from, if it is not what Spotify answered just now."""

    state: Literal["hit", "stale"]
    reason: str | None = None


class Flight(Generic[T]):
    """One running fetch: its task, how far it is, and whether it may still publish."""

    def __init__(
        self, key: Key, part: str, reader: ReadsDetails, *, withdrawable: bool = False
    ) -> None:
        self.key = key
        self.part = part
        self.reader = reader
        self.fenced = False
        self.withdrawable = withdrawable
        self.withdrawn = False  # cancelled, since nothing more may be read for this listener
        self.outcome: FlightOutcome | None = None
        self._sections: list[Section] = []
        self._changed = asyncio.Event()
        self.task: asyncio.Task[T]  # set by `start`, before any caller can see the flight

    def report(self, section: Section) -> None:
        """Pass on to all waiters that one of the five calls has ended."""
        self._sections.append(section)
        self.notify()

    def notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def ended(self) -> bool:
        return self.task.done()

    def fence(self, *, withdraw: bool) -> None:
        """Keep it from publishing; `withdraw`: cancel it too, if its token is a log-in's."""
        self.fenced = True
        if withdraw and self.withdrawable:
            self.withdrawn = True
            self.task.cancel()

    async def sections(self) -> AsyncGenerator[Section, None]:
        """Yield the sections in the order in which they arrive, earlier ones at once."""
        seen = 0
        while True:
            while seen < len(self._sections):
                seen += 1
                yield self._sections[seen - 1]
            if self.ended:
                return
            await self._changed.wait()

    async def result(self) -> T:
        """Return what the fetch brings. A caller that is cancelled here does not cancel the fetch.

        Raises:
            LyraError: the fetch failed, each waiter with an exception of its own; or it was
                withdrawn; or the process is shutting down.
            SpotifyFailure: Spotify did not give the detail that was asked for, likewise.
        """
        try:
            return await asyncio.shield(self.task)
        except (LyraError, SpotifyFailure) as failure:
            raise failure.copy() from None
        except asyncio.CancelledError:
            if self.task.cancelled() and not _self_cancelled():
                if self.withdrawn:
                    raise ForgottenError(retry_after_s=1) from None
                raise DrainingError(retry_after_s=1) from None
            raise

    def start(
        self,
        fetch: Callable[["Flight[T]"], Coroutine[Any, Any, T]],
        on_done: Callable[["Flight[T]"], None],
    ) -> None:
        # A context of its own: the fetch must not log under the first caller's request id.
        self.task = asyncio.get_running_loop().create_task(
            fetch(self), context=contextvars.Context()
        )
        self.task.add_done_callback(lambda _: on_done(self))


class SingleFlight:
    """The table of running fetches, owner of their tasks. At most `limit` run at once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._max_fenced = max(_MIN_FENCED, limit // 10)
        self._current: dict[Key, dict[str, Flight[Any]]] = {}
        self._running: set[Flight[Any]] = set()  # the fenced ones too: asyncio holds tasks weakly
        self._fenced: Counter[Key] = Counter()  # how many of `_running`, by key
        self._closed = False

    def __len__(self) -> int:
        return len(self._running)

    def current(self, key: Key, part: str = WHOLE) -> Flight[Any] | None:
        """Return the flight that a new caller may join."""
        return self._current.get(key, {}).get(part)

    def parts(self, key: Key) -> frozenset[str]:
        """Return the parts of this key that may be joined now."""
        return frozenset(self._current.get(key, ()))

    def start(
        self,
        key: Key,
        reader: ReadsDetails,
        fetch: Callable[[Flight[T]], Coroutine[Any, Any, T]],
        *,
        part: str = WHOLE,
        withdrawable: bool = False,
    ) -> Flight[T]:
        """Start the one flight of this part; `withdrawable`: a clear of the key ends it.

        Raises:
            OverloadedError: `limit` fetches are running, or too many of this key that were fenced.
            DrainingError: there will be no more.
        """
        if self._closed:
            raise DrainingError(retry_after_s=1)
        if len(self._running) >= self._limit or self._fenced[key] >= self._max_fenced:
            raise OverloadedError(retry_after_s=1)
        flight: Flight[T] = Flight(key, part, reader, withdrawable=withdrawable)
        self._current.setdefault(key, {})[part] = flight
        self._running.add(flight)
        flight.start(fetch, self._on_done)
        return flight

    def unregister(self, flight: Flight[Any]) -> None:
        """Let no caller join this flight any more; a newer one of its part stays."""
        parts = self._current.get(flight.key, {})
        if parts.get(flight.part) is flight:
            del parts[flight.part]
            if not parts:
                del self._current[flight.key]

    def fence(self, key: Key | None = None) -> None:
        """Forbid the running flights of this key (of every key) to publish; their waiters stay.

        One key may be a sign-out: then a log-in's flight reads no more either.
        """
        keys = list(self._current) if key is None else [key]
        for each in keys:
            for flight in self._current.pop(each, {}).values():
                flight.fence(withdraw=key is not None)
                self._fenced[each] += 1

    async def drain(self, within_s: float) -> None:
        """Let what runs come to its end, but no later than `within_s`."""
        if running := [flight.task for flight in self._running]:
            await asyncio.wait(running, timeout=within_s)
        await self.close()

    async def close(self) -> None:
        """End every flight for good; its waiters get DrainingError."""
        self._closed = True
        running = [flight.task for flight in self._running]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _on_done(self, flight: Flight[Any]) -> None:
        self.unregister(flight)
        self._running.discard(flight)
        if flight.fenced:
            self._fenced -= Counter((flight.key,))  # keys without one are not kept
        flight.notify()
        # Reading the exception also keeps asyncio from reporting it as never retrieved.
        failure = None if flight.task.cancelled() else flight.task.exception()
        if failure is not None and not isinstance(failure, LyraError | SpotifyFailure):
            log.error("a fetch broke: this is a fault in Lyra", exc_info=failure)


def _self_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
