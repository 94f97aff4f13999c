"""What a reader follows: the log of one answer, made by this process or by another.

A reader is either pushed to (`follow` a `Subscriber`) or waits for changes in a task of its own
(`changes`). Either way it reads `lines` from the position that it has reached.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Protocol

from lyra.errors import TooManyRequestsError

log = logging.getLogger(__name__)

READERS = 4  # of one log: a page in two tabs, and one that has not noticed that it is gone


class Subscriber(Protocol):
    """What is called at every change of a log; neither method may wait."""

    def on_change(self) -> None:
        """Note that something has changed. Called often, so it has to be quick."""
        ...

    def on_text(self) -> None:
        """Pass new text on, in this very iteration of the event loop."""
        ...


class ChangeEvent:
    """A subscriber for a task that sleeps until the log has changed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def on_change(self) -> None:
        self._event.set()

    on_text = on_change

    async def wait(self) -> None:
        """Return at the next change, or at once if there has been one since the last call."""
        await self._event.wait()
        self._event.clear()


class EventLog(ABC):
    """An append-only log with exactly one ending, which a bounded number of readers follow."""

    def __init__(self, log_id: str) -> None:
        self.id = log_id
        self.ended = False
        self.delivered = False
        self.readers = 0
        self._subscribers: set[Subscriber] = set()

    @abstractmethod
    def lines(self, position: int) -> list[bytes]:
        """Return the parts from `position` on, each as one line of JSON."""

    def mark_delivered(self) -> None:
        """Note that a reader of this process has been given the ending."""
        self.delivered = True

    @contextmanager
    def read(self) -> Iterator[None]:
        """Count one more reader for the length of the block.

        Raises:
            TooManyRequestsError: there are as many as one log may have.
        """
        if self.readers >= READERS:
            raise TooManyRequestsError(retry_after_s=1, reason="streams")
        self.readers += 1
        try:
            yield
        finally:
            self.readers -= 1

    @contextmanager
    def follow(self, subscriber: Subscriber) -> Iterator[None]:
        """Call this subscriber at every change, for the length of the block."""
        self._subscribers.add(subscriber)
        try:
            yield
        finally:
            self._subscribers.discard(subscriber)

    @contextmanager
    def change_event(self) -> Iterator[ChangeEvent]:
        """Follow the log with an event to wait for."""
        event = ChangeEvent()
        with self.follow(event):
            yield event

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yield at once, then whenever there may be more, and a last time after the ending.

        To be read under `aclosing`.
        """
        with self.change_event() as change:
            while not self.ended:
                yield
                await change.wait()
        yield

    def _notify(self) -> None:
        for subscriber in self._subscribers:
            try:
                subscriber.on_change()
            except Exception:
                log.exception("a reader broke: this is a fault in Lyra")
