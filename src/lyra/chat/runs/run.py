"""One answer as an ordered log of parts with exactly one ending.

A producer fills the log, readers follow it; neither waits for the other. The log is bounded
because the answer is (`answer_max_bytes`), so a slow reader costs no more than that.

Invariant: a run ends in one step in which nothing can fail, at the latest when its producer's task
does. Both the producer's part in an ending (`Endings`) and a subscriber may fail: the run ends
anyway.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

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
from lyra.chat.runs.event_log import EventLog
from lyra.errors import LlmInterruptedError, LyraError

log = logging.getLogger(__name__)

LEFT = "The answer was ended because its reader had left. Ask again for a whole one."
TEXT_BREAK = "\n\n"  # between two texts, for readers that know only one
_CLOSE_S = 1.0  # for a producer that has been cancelled
_OVERHEAD = 1024  # bytes of the objects themselves and of their entries in the tables

Kind = TypeVar("Kind", bound=Part)


class Endings:
    """How a run without a producer ends: with the least that a reader needs."""

    def make_abort(self, reason: str) -> tuple[Part, ...]:
        """Return the parts of an ending on purpose: the run was stopped."""
        return (Abort(reason),)

    def make_failure(self, failure: LyraError, ending: str | None, /) -> tuple[Part, ...]:
        """Return the parts of an ending by failure; metrics name it `ending`, else by its code."""
        del ending  # nothing is counted here
        return (*failure_parts(failure, "-"), Finish("error", {"usage": {}}))

    def count(self) -> None:
        """Count the answer, once it has ended."""


class Producer(Endings, ABC):
    """What fills one run. It may add to the endings what only it knows, such as the cost."""

    @abstractmethod
    async def produce(self) -> None:
        """Fill the run up to its ending. Cancelling this closes the model's call."""


_BARE = Endings()


class Run(EventLog):
    """The log of one answer. Nothing is visible before `begin`; nothing is added after `end`."""

    def __init__(self, run_id: str, *, resumable: bool = False) -> None:
        super().__init__(run_id)
        self.resumable = resumable
        self.failure: LyraError | None = None
        self.begun = False
        self.discarded = False  # whether nobody may come back to it
        self.started = False  # whether it has been given a producer
        self._endings = _BARE  # the producer, as long as it works
        self._task: asyncio.Task[None] | None = None
        self._on_done: Callable[[], None] | None = None
        self._parts: list[Part] = []
        self._lines: list[bytes] = []
        self._packed: bytes | None = None
        self._text_id = ""
        self._texts = 0  # how many texts there are: one a round in which anything is said
        self._text_open = False

    def begin(self, start: Start) -> None:
        """Make the run visible, with `start` as its first part."""
        if not (self.begun or self.ended):
            self.begun = True
            self._parts.insert(0, start)
            self._notify()

    def add(self, part: Part) -> None:
        """Append a part that does not end the answer."""
        if not self.ended:
            self._parts.append(part)
            self._notify()

    def add_text(self, text: str) -> None:
        """Append text of the answer, and push it to the subscribers at once."""
        if self.ended:
            return
        if not self._text_open:
            self._text_open = True
            self._texts += 1
            self._text_id = f"t{self._texts}"
            self._parts.append(TextStart(self._text_id))
        self._parts.append(TextDelta(self._text_id, text))
        for subscriber in self._subscribers:
            try:
                subscriber.on_text()
            except Exception:
                log.exception("a reader broke: this is a fault in Lyra")

    def end_text(self) -> None:
        """Close the text that is open; more text will be another one, as a paragraph is."""
        if self._text_open and not self.ended:
            self._text_open = False
            self.add(TextEnd(self._text_id))

    def end(self, *ending: Part, failure: LyraError | None = None) -> None:
        """Close the text and append the ending. Only the first ending counts."""
        if self.ended:
            return
        text_end = (TextEnd(self._text_id),) if self._text_open else ()
        self._parts += (*text_end, *ending)
        # A copy: the failure itself would keep the frames it came through as long as the run is kept.
        self.failure = failure and failure.copy()
        self.ended = True
        self._notify()
        with best_effort("the count of an answer"):
            self._endings.count()

    def fail(self, failure: LyraError, ending: str | None = None) -> None:
        """End the run with this failure; metrics name it `ending`, else by its code."""
        if self.ended:
            return
        parts = _BARE.make_failure(failure, ending)
        with best_effort("the ending of an answer"):
            parts = self._endings.make_failure(failure, ending)
        self.end(*parts, failure=failure)

    def start(self, producer: Producer, on_done: Callable[[], None]) -> None:
        """Start the task in which this producer fills the run.

        `on_done` is called once: when the task has ended, or when nobody waits for that any more
        (see `abandon`).
        """
        self.started = True
        self._endings = producer
        self._on_done = on_done
        self._task = asyncio.get_running_loop().create_task(producer.produce())
        self._task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled():  # perhaps before its first step, in which case it ended nothing
            self.fail(LlmInterruptedError(LEFT), ending="left")
        elif failure := task.exception():
            log.error("an answer's work broke: this is a fault in Lyra", exc_info=failure)
        self.fail(LyraError())
        self._release()

    def _release(self) -> None:
        on_done, self._on_done = self._on_done, None
        # The producer holds the run: a run that kept its producer would need the garbage collector.
        self._task, self._endings = None, _BARE
        if on_done is not None:
            on_done()

    def abandon(self) -> "asyncio.Task[None] | None":
        """Cancel the producer's task without waiting for its end; return it, if there is one."""
        task = self._task
        if task is not None:
            task.cancel()
            self._release()
        return task

    @property
    def busy(self) -> bool:
        """Whether the producer still works, or somebody reads."""
        return self._task is not None or self.readers > 0

    def stop(self, reason: str) -> None:
        """End the run now with `abort`, and cancel its producer."""
        if not self.ended:
            parts = _BARE.make_abort(reason)
            with best_effort("the ending of an answer"):
                parts = self._endings.make_abort(reason)
            self.end(*parts)
        self.cancel()

    def discard(self) -> None:
        """Let nobody find this run any more, here or in another process."""
        self.discarded = True
        self.resumable = False
        self._notify()

    def cancel(self) -> None:
        """Cancel the producer, which then closes the model's call."""
        if self._task is not None:
            self._task.cancel()

    async def wait_closed(self) -> None:
        """Wait until the producer has closed the model's call, which has to be soon."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_CLOSE_S)

    def text(self) -> str:
        """Return all text so far, a blank line between two texts."""
        pieces: list[str] = []
        for part in self._parts:
            if isinstance(part, TextDelta):
                pieces.append(part.delta)
            elif isinstance(part, TextStart) and pieces:
                pieces.append(TEXT_BREAK)
        return "".join(pieces)

    def parts_of(self, kind: type[Kind]) -> list[Kind]:
        """Return the parts of one kind, in order."""
        return [part for part in self._parts if isinstance(part, kind)]

    @property
    def finish(self) -> Finish | None:
        """The `finish` part, if that is how the run ended."""
        last = self._parts[-1] if self.ended and self._parts else None
        return last if isinstance(last, Finish) else None

    def since(self, position: int) -> list[Part]:
        """Return the visible parts from `position` on, of a run that is not packed."""
        return self._parts[position:] if self.begun else []

    def lines(self, position: int) -> list[bytes]:
        """See EventLog.lines; each part is encoded only once."""
        if self._packed is not None:
            return self._packed.split(b"\n")[position:]
        if not self.begun:
            return []
        lines = self._lines
        for part in self._parts[len(lines) :]:
            lines.append(part.encode())
        return lines[position:]

    def pack(self) -> int:
        """Replace the parts of an ended run by its lines in one bytes object. Return its size."""
        self._packed = b"\n".join(self.lines(0))
        self._parts, self._lines = [], []
        return len(self._packed) + _OVERHEAD

    async def wait_begun(self) -> None:
        """Wait until the run has become visible, or has ended unseen."""
        with self.change_event() as change:
            while not (self.begun or self.ended):
                await change.wait()

    async def wait_ended(self) -> None:
        """Wait until the run has its ending."""
        with self.change_event() as change:
            while not self.ended:
                await change.wait()
