"""One answer as an ordered log of parts with exactly one ending.

A producer fills the log, readers follow it; neither waits for the other. The log is bounded
because the answer is (`answer_max_bytes`), so a slow reader costs no more than that.

Invariant: a run ends in one step, which nothing can fail in; and at the latest when its work does.
Whatever has to be asked before (`closing`, `failing`) or told after (`counting`, followers) may fail
alone.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from lyra.chat.best_effort import best_effort
from lyra.chat.parts import (
    Abort,
    Finish,
    Part,
    Start,
    TextDelta,
    TextEnd,
    TextStart,
    failure_parts,
)
from lyra.errors import LlmInterruptedError, LyraError

log = logging.getLogger(__name__)

LEFT = "The answer was ended because its reader had left. Ask again for a whole one."
_TEXT_ID = "t1"
_LET_GO_S = 1.0  # for work that has been cancelled
_OVERHEAD = 1024  # bytes of the objects themselves and of their places in the tables

Kind = TypeVar("Kind", bound=Part)
Closing = Callable[[str], tuple[Part, ...]]
Failing = Callable[[LyraError, str | None], tuple[Part, ...]]


class EventLog(Protocol):
    """What a reader follows: this process's run, or another's as Redis tells of it."""

    id: str
    ended: bool
    delivered: bool  # whether a reader of this process has been given the ending

    def lines(self, position: int) -> list[bytes]:
        """The parts from `position` on, each as one line of JSON."""
        ...

    def changes(self) -> AsyncGenerator[None, None]:
        """Yields at once, then whenever there may be more, and a last time after the ending."""
        ...


class Subscriber(Protocol):
    """Who is told of every change of a run."""

    def on_change(self) -> None:
        """Something has changed; called often, so to be done in no time."""
        ...

    def on_text(self) -> None:
        """Words have come: to be passed on in this very turn of the loop."""
        ...


class ChangeEvent:
    """A follower that sleeps until the run has changed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def on_change(self) -> None:
        self._event.set()

    on_text = on_change

    async def woken(self) -> None:
        """Return at the next change, or at once after one that was not waited for."""
        await self._event.wait()
        self._event.clear()


def _cut(reason: str) -> tuple[Part, ...]:
    return (Abort(reason),)


def _broken(failure: LyraError, _: str | None) -> tuple[Part, ...]:
    return (*failure_parts(failure, "-"), Finish("error", {"usage": {}}))


def _uncounted() -> None:
    """Count nothing."""


class Run:
    """The log of one answer. Nothing is visible before `begin`; nothing is added after `end`."""

    def __init__(self, run_id: str, *, resumable: bool = False) -> None:
        self.id = run_id
        self.resumable = resumable
        self.failure: LyraError | None = None
        self.begun = False
        self.ended = False
        self.delivered = False  # whether a reader has been given the ending
        self.discarded = False  # whether nobody may come back to it
        self.readers = 0
        # How an ending on purpose looks, and a failure (with the ending's name, if it is not the
        # failure's code); whoever fills the run knows more than the run does.
        self.closing: Closing = _cut
        self.failing: Failing = _broken
        self.counting = _uncounted  # called once, after the ending
        self.filled = False  # whether the work that fills this run has been begun
        self._producer: asyncio.Task[None] | None = None
        self._done: Callable[[], None] | None = None
        self._parts: list[Part] = []
        self._lines: list[bytes] = []
        self._packed: bytes | None = None
        self._talking = False
        self._followers: set[Subscriber] = set()

    def begin(self, start: Start) -> None:
        """Make the run visible, with `start` as its first part."""
        if not (self.begun or self.ended):
            self.begun = True
            self._parts.insert(0, start)
            self._wake()

    def add(self, part: Part) -> None:
        """Append a part that is no ending."""
        if not self.ended:
            self._parts.append(part)
            self._wake()

    def say(self, words: str) -> None:
        """Append words of the answer."""
        if self.ended:
            return
        if not self._talking:
            self._talking = True
            self._parts.append(TextStart(_TEXT_ID))
        self._parts.append(TextDelta(_TEXT_ID, words))
        for follower in self._followers:
            try:
                follower.on_text()
            except Exception:
                log.exception("a reader broke: this is a fault in Lyra")

    def end(self, *ending: Part, failure: LyraError | None = None) -> None:
        """Close the text and append the ending. Only the first ending counts."""
        if self.ended:
            return
        talk = (TextEnd(_TEXT_ID),) if self._talking else ()
        self._parts += (*talk, *ending)
        self.failure = failure
        self.ended = True
        self._wake()
        with best_effort("the count of an answer"):
            self.counting()

    def fail(self, failure: LyraError, ending: str | None = None) -> None:
        """End the run with this failure; metrics call the ending by its code, or by `ending`."""
        if self.ended:
            return
        parts = _broken(failure, ending)
        with best_effort("the ending of an answer"):
            parts = self.failing(failure, ending)
        self.end(*parts, failure=failure)

    def fill(self, work: Coroutine[Any, Any, None], done: Callable[[], None]) -> None:
        """Begin the work that fills this run; `done` is called when it has let go of the model.

        Or when nobody waits for that any more: see `abandon`.
        """
        self.filled = True
        self._done = done
        self._producer = asyncio.get_running_loop().create_task(work)
        self._producer.add_done_callback(self._over)

    def _over(self, work: "asyncio.Task[None]") -> None:
        if work.cancelled():  # perhaps before its first step: then it could end nothing
            self.fail(LlmInterruptedError(LEFT), ending="left")
        elif broken := work.exception():
            log.error("an answer's work broke: this is a fault in Lyra", exc_info=broken)
        self.fail(LyraError())
        self._let_go()

    def _let_go(self) -> None:
        done, self._done = self._done, None
        # The work holds the run: what held the work in turn would wait for the garbage collector.
        self._producer, self.counting = None, _uncounted
        self.closing, self.failing = _cut, _broken
        if done is not None:
            done()

    def abandon(self) -> "asyncio.Task[None] | None":
        """End the work that fills this run without waiting for it; that work, if there is any."""
        work = self._producer
        if work is not None:
            work.cancel()
            self._let_go()
        return work

    @property
    def busy(self) -> bool:
        """Whether that work is still going on, or somebody reads."""
        return self._producer is not None or self.readers > 0

    def stop(self, reason: str) -> None:
        """End the run now with `abort`, and the work that fills it."""
        if not self.ended:
            parts = _cut(reason)
            with best_effort("the ending of an answer"):
                parts = self.closing(reason)
            self.end(*parts)
        self.cancel()

    def discard(self) -> None:
        """Let nobody find this run any more, here or elsewhere."""
        self.discarded = True
        self._wake()

    def cancel(self) -> None:
        """End the work that fills this run, which then closes the model's call."""
        if self._producer is not None:
            self._producer.cancel()

    async def wait_closed(self) -> None:
        """Wait until the work that fills this run has let go of the model, as it has to at once."""
        if self._producer is not None:
            await asyncio.wait([self._producer], timeout=_LET_GO_S)

    def text(self) -> str:
        """All words so far."""
        return "".join(part.delta for part in self._parts if isinstance(part, TextDelta))

    def parts_of(self, kind: type[Kind]) -> list[Kind]:
        """The parts of one kind, in order."""
        return [part for part in self._parts if isinstance(part, kind)]

    @property
    def finish(self) -> Finish | None:
        """The `finish` part, if that is how the run ended."""
        last = self._parts[-1] if self.ended and self._parts else None
        return last if isinstance(last, Finish) else None

    def since(self, position: int) -> list[Part]:
        """The visible parts from `position` on, of a run that is not packed."""
        return self._parts[position:] if self.begun else []

    def lines(self, position: int) -> list[bytes]:
        """The visible parts from `position` on, each as one line of JSON, encoded only once."""
        if self._packed is not None:
            return self._packed.split(b"\n")[position:]
        if not self.begun:
            return []
        lines = self._lines
        for part in self._parts[len(lines) :]:
            lines.append(part.encode())
        return lines[position:]

    def pack(self) -> int:
        """Keep an ended run as one piece of bytes; how many it takes."""
        self._packed = b"\n".join(self.lines(0))
        self._parts, self._lines = [], []
        return len(self._packed) + _OVERHEAD

    @contextmanager
    def subscribe(self, follower: Subscriber) -> Iterator[None]:
        """Wake this follower whenever the run has changed, for the length of the block."""
        self._followers.add(follower)
        try:
            yield
        finally:
            self._followers.discard(follower)

    @contextmanager
    def followed(self) -> Iterator[ChangeEvent]:
        """One who sleeps until the run has changed."""
        sleeper = ChangeEvent()
        with self.subscribe(sleeper):
            yield sleeper

    async def ready(self) -> None:
        """Wait until the run has become visible, or has ended without."""
        with self.followed() as follower:
            while not (self.begun or self.ended):
                await follower.woken()

    async def changes(self) -> AsyncGenerator[None, None]:
        """See Log.changes; to be read under `aclosing`."""
        with self.followed() as follower:
            while not self.ended:
                yield
                await follower.woken()
        yield

    async def finished(self) -> None:
        """Wait until the run has its ending."""
        with self.followed() as follower:
            while not self.ended:
                await follower.woken()

    def _wake(self) -> None:
        for follower in self._followers:
            try:
                follower.on_change()
            except Exception:
                log.exception("a reader broke: this is a fault in Lyra")
