"""One answer as an ordered log of parts with exactly one ending.

A producer fills the log, readers follow it; neither waits for the other. The log is bounded
because the answer is (`answer_max_bytes`), so a slow reader costs no more than that.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from lyra.chat.parts import Abort, Finish, Part, Start, TextDelta, TextEnd, TextStart
from lyra.errors import LyraError

_TEXT_ID = "t1"


class Run:
    """The log of one answer. Nothing is visible before `begin`; nothing is added after `end`."""

    def __init__(self, run_id: str) -> None:
        self.id = run_id
        self.failure: LyraError | None = None
        self._producer: asyncio.Task[None] | None = None
        self.begun = False
        self.ended = False
        self._parts: list[Part] = []
        self._talking = False
        self._changed = asyncio.Event()

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
        if not self._talking:
            self._talking = True
            self.add(TextStart(_TEXT_ID))
        self.add(TextDelta(_TEXT_ID, words))

    def end(self, *ending: Part, failure: LyraError | None = None) -> None:
        """Close the text and append the ending. Only the first ending counts."""
        if self.ended:
            return
        if self._talking:
            self.add(TextEnd(_TEXT_ID))
        for part in ending:
            self.add(part)
        self.failure = failure
        self.ended = True
        self._wake()

    def fill(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin the work that fills this run; whoever made the run calls `give_up` in the end."""
        self._producer = asyncio.get_running_loop().create_task(work)

    def stop(self, reason: str) -> None:
        """End the run now with `abort`, and the work that fills it."""
        self.end(Abort(reason))
        if self._producer is not None:
            self._producer.cancel()

    async def give_up(self) -> None:
        """End the work that fills this run, and wait until it has let go of the model."""
        if self._producer is not None:
            self._producer.cancel()
            await asyncio.gather(self._producer, return_exceptions=True)

    def text(self) -> str:
        """All words so far."""
        return "".join(part.delta for part in self._parts if isinstance(part, TextDelta))

    @property
    def finish(self) -> Finish | None:
        """The `finish` part, if that is how the run ended."""
        last = self._parts[-1] if self.ended and self._parts else None
        return last if isinstance(last, Finish) else None

    def since(self, position: int) -> list[Part]:
        """The visible parts from `position` on."""
        return self._parts[position:] if self.begun else []

    async def ready(self) -> None:
        """Wait until the run has become visible, or has ended without."""
        while not (self.begun or self.ended):
            await self._changed.wait()

    async def grown(self, position: int) -> None:
        """Wait until there is a part at `position`, or the run has ended."""
        while len(self._parts) <= position and not self.ended:
            await self._changed.wait()

    async def finished(self) -> None:
        """Wait until the run has its ending."""
        while not self.ended:
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
