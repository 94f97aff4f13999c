"""The result of one caller's look-up: a cached entry, a flight to wait for, or both."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Literal

from lyra.cache.entry import Entry
from lyra.cache.singleflight import Flight
from lyra.errors import LyraError, TryLaterError
from lyra.listening.models import Section

State = Literal["hit", "joined", "miss", "stale"]


class Lookup:
    """One caller's view of a listener that is cached or being fetched.

    With `old` data at hand and a flight under way, the flight is waited for no longer than
    `refresh_wait_s`; if it is slower (stale-while-revalidate) or fails for a reason that may pass
    (stale-if-error), the old data is the answer.
    """

    def __init__(
        self,
        state: State,
        *,
        asked_at: float,
        clock: Callable[[], float],
        entry: Entry | None = None,
        flight: Flight[Entry] | None = None,
        old: Entry | None = None,
        refresh_wait_s: float = 0.5,
        reason: str | None = None,
        stale: Callable[[], None] | None = None,
    ) -> None:
        self.state = state
        self.reason = reason
        self._clock = clock
        self._asked_at = asked_at
        self._answered_at = clock() if entry else None
        self._entry = entry
        self._flight = flight
        self._old = old
        self._refresh_wait_s = refresh_wait_s
        self._count_stale = stale

    @property
    def cached(self) -> Entry | None:
        """The entry if no waiting is needed for it."""
        return self._entry

    @property
    def done(self) -> bool:
        """Whether `entry` returns or fails without waiting."""
        return self._entry is not None or self._flight is None or self._flight.ended

    async def entry(self) -> Entry:
        """Return the listener, after waiting for the flight if need be.

        Raises:
            LyraError: the fetch failed, and there is no old data that may stand in for it.
        """
        if self._entry is None and self._flight is not None:
            await self._wait(self._flight)
        assert self._entry is not None  # noqa: S101 - a look-up has an entry or a flight
        return self._entry

    @contextmanager
    def on_fetched(self, act: Callable[[Entry], None]) -> Iterator[None]:
        """Within the block, call `act` with what the fetch brings, before any waiter wakes up."""
        flight = self._flight

        def on_done(task: asyncio.Task[Entry]) -> None:
            if flight is not None and not task.cancelled() and task.exception() is None:
                self._take(flight, task.result())
                act(task.result())

        if flight is None or self._old is not None:  # old data may answer sooner
            yield
            return
        flight.task.add_done_callback(on_done)
        try:
            yield
        finally:
            flight.task.remove_done_callback(on_done)

    async def _wait(self, flight: Flight[Entry]) -> None:
        if self._old is None:
            self._take(flight, await flight.result())
            return
        try:
            async with asyncio.timeout(self._refresh_wait_s):
                entry = await flight.result()
        except TimeoutError:
            self._take_old(self._old, "slow")
        except TryLaterError as failure:
            if flight.withdrawn:
                raise  # the old data are forgotten too
            self._take_old(self._old, failure.code)
        else:
            self._take(flight, entry)

    def _take(self, flight: Flight[Entry], entry: Entry) -> None:
        if flight.outcome is not None:
            self.state, self.reason = flight.outcome
        self._entry, self._answered_at = entry, self._clock()

    def _take_old(self, entry: Entry, reason: str) -> None:
        self.state, self.reason = "stale", reason
        self._entry, self._answered_at = entry, self._clock()
        if self._count_stale is not None:
            self._count_stale()

    async def sections(self) -> AsyncGenerator[Section, None]:
        """Yield how each of the five calls went, as they end; all at once when old data is at hand.

        End early when the fetch fails; `entry` raises the reason.
        """
        if self._flight is not None and self._old is None:
            async with aclosing(self._flight.sections()) as arriving:
                async for section in arriving:
                    yield section
            return
        try:
            entry = await self.entry()
        except LyraError:
            return
        for section in entry.listening().sections:
            yield section

    async def token_verified(self) -> None:
        """Wait until Spotify has accepted this very token, or the look-up has ended."""
        async with aclosing(self.sections()) as sections:
            async for section in sections:
                if section.name == "profile" and section.status == "ok":
                    return

    def describe(self) -> dict[str, Any]:
        """Return the `cache` object of the responses, as far as it is known now."""
        fields: dict[str, Any] = {"state": self.state, "spotify_calls": self._calls()}
        if self.reason is not None:
            fields["reason"] = self.reason
        if self._entry is not None:
            fields["age_s"], fields["expires_in_s"] = self._entry.ages(self._clock())
        return fields

    def lookup_ms(self) -> float:
        """Return the milliseconds from the look-up to the entry, or until now while there is none."""
        until = self._clock() if self._answered_at is None else self._answered_at
        return round((until - self._asked_at) * 1000, 3)

    def _calls(self) -> int:
        return self._flight.reader.calls if self.state == "miss" and self._flight else 0
