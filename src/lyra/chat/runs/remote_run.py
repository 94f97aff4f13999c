"""A run of another process, polled from Redis: one copy and one poller for all its readers here.

Invariant, hunted by tests/chat/runs/test_remote_run.py: what a reader is shown is a prefix of the
answer as it was made, and it ends in an error unless it is the whole answer. The seal of each chunk
covers its position and whether it is the last. So an attacker that can write to Redis can take
chunks away, but cannot move one, cut one, or make one the last. The seal covers the moment of the
answer too: an answer that was forgotten is not shown, even if somebody puts it back.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

import orjson

from lyra.cache.keys import Key
from lyra.chat.parts import Finish, Part, TextEnd, failure_parts
from lyra.chat.runs.event_log import EventLog
from lyra.errors import LlmInterruptedError
from lyra.redis.run_store import Chunk, SharedRuns
from lyra.redis.sealing import open_sealed, seal

log = logging.getLogger(__name__)

_LOOK_S = 0.1
_MAX_PAUSE_S = 1.0  # between two reads while nothing comes; a sign of life lasts longer
_BEGIN_TIMEOUT_S = 2.0  # longer than a stream may take for its first byte
_MAX_UNANSWERED = 8  # some seconds
_FAILURE_PARTS = 3  # of the ending of an answer that was broken off


class ChunkContent(NamedTuple):
    """What a chunk holds: the moment of its run, by Redis' clock, and some lines."""

    moment: int
    lines: list[bytes]


def seal_chunk(
    secret: str, identity: str, name: str, position: int, content: ChunkContent, *, last: bool
) -> bytes:
    """Seal these lines for exactly this position of this run."""
    plain = b"\n".join([b"%d" % content.moment, *content.lines])
    return seal(secret, identity, _seal_context(name, position, last=last), plain)


def open_chunk(secret: str, identity: str, name: str, chunk: Chunk) -> ChunkContent | None:
    """Return what a chunk holds, or None if it was not sealed for exactly its position."""
    context = _seal_context(name, chunk.position, last=chunk.last)
    plain = open_sealed(secret, identity, context, chunk.sealed)
    if plain is None:
        return None
    moment, *lines = plain.split(b"\n")
    return ChunkContent(int(moment), lines) if moment.isdigit() else None


def _seal_context(name: str, position: int, *, last: bool) -> str:
    return f"{name} {position} {'last' if last else 'more'}"


class RemoteRun(EventLog):
    """One run of another process, polled while somebody reads it: see RunReplicator.read.

    `pace_s` returns the shortest time between two reads at present. An answer that does not grow
    for `longest_s`, which is longer than any answer takes, is broken off.
    """

    def __init__(
        self,
        shared: SharedRuns,
        owner: Key,
        name: str,
        opener: Callable[[Chunk], ChunkContent | None],
        *,
        grace_s: float,
        longest_s: float,
        pace_s: Callable[[], float],
    ) -> None:
        super().__init__("")
        self.owner = owner
        self.name = name
        self._poller: asyncio.Task[None] | None = None
        self._shared = shared
        self._open_chunk = opener
        self._grace_s = grace_s
        self._longest_s = longest_s
        self._pace_s = pace_s
        self._lines: list[bytes] = []
        self._cut_ending: list[bytes] = []  # the parts that end an answer that was broken off
        self._after = "-"
        self._moment: int | None = None  # of the run, known from its first chunk on
        self._grown_at = self._reported_at = 0.0  # by the event loop's clock
        self._unanswered = 0  # reads in a row to which Redis gave no reply
        self._warned = False

    def lines(self, position: int) -> list[bytes]:
        """See EventLog.lines.

        A reader may have had more lines from the process that makes the answer than have come
        here. If the answer is broken off, that reader gets the failure all the same.
        """
        if position > len(self._lines):
            # Whether that reader has an open text is unknown here, so none is closed.
            return self._cut_ending[-_FAILURE_PARTS:]
        return self._lines[position:] + self._cut_ending

    @property
    def forgotten(self) -> bool:
        """Whether the answer was forgotten, as far as this process knows."""
        moment = self._moment
        return moment is not None and self._shared.was_forgotten(self.owner, moment)

    async def wait_begun(self) -> bool:
        """Wait a short time for the first lines. Return whether there are any."""
        with self.change_event() as change:
            try:
                async with asyncio.timeout(_BEGIN_TIMEOUT_S):
                    while not (self._lines or self.ended or self._unanswered):
                        await change.wait()
            except TimeoutError:
                return False
        return bool(self._lines) and not self.forgotten

    def start_polling(self) -> "asyncio.Task[None] | None":
        """Start a task that polls, and return it; None if there is one or the run has ended."""
        if self._poller is not None or self.ended:
            return None
        self._poller = asyncio.get_running_loop().create_task(self.poll())
        self._poller.add_done_callback(self._on_poller_done)
        return self._poller

    def stop_polling(self) -> None:
        """Cancel the poller, as nobody reads any more."""
        if self._poller is not None:
            self._poller.cancel()
            self._poller = None

    def _on_poller_done(self, poller: "asyncio.Task[None]") -> None:
        if self._poller is poller:
            self._poller = None
            self.break_off()  # without a poller a reader would wait for ever
        if not poller.cancelled() and poller.exception() is not None:
            log.error("reading an answer of another process broke: this is a fault in Lyra")

    async def poll(self) -> None:
        """Poll up to the ending, less often while nothing comes, and report that somebody reads."""
        self._grown_at = asyncio.get_running_loop().time()
        self._reported_at = self._grown_at - self._grace_s
        pause_s = _LOOK_S
        while not self.ended:
            grew = await self._poll_once()
            pause_s = _LOOK_S if grew else min(1.5 * pause_s, self._longest_pause_s)
            await self._report_reader()
            await asyncio.sleep(max(pause_s, self._pace_s()))

    async def _poll_once(self) -> bool:
        """Read once and notify the subscribers. Return whether the run has grown."""
        before = len(self._lines)
        self._unanswered = 0 if await self.look() else self._unanswered + 1
        now, grew = asyncio.get_running_loop().time(), len(self._lines) > before
        self._grown_at = now if grew else self._grown_at
        if self._unanswered > _MAX_UNANSWERED or now - self._grown_at > self._longest_s:
            self.break_off()
        if grew or self.ended or self._unanswered:
            self._notify()
        return grew

    async def _report_reader(self) -> None:
        """Tell the process that has the run that somebody reads, once for all readers."""
        now = asyncio.get_running_loop().time()
        if self._lines and not self.ended and now - self._reported_at >= self._grace_s / 3:
            self._reported_at = now
            await self._shared.tell("read", [self.name])

    @property
    def _longest_pause_s(self) -> float:
        """The longest pause that still reports a reader within the grace period."""
        return max(_LOOK_S, min(_MAX_PAUSE_S, self._grace_s / 3))

    async def look(self) -> bool:
        """Take over the new chunks. Return whether Redis answered."""
        if self.forgotten:
            self.break_off()
            return True
        snapshot = await self._shared.read(self.name, self._after)
        if snapshot is None:
            return False
        for chunk in snapshot.pieces:
            self._take_chunk(chunk)
        if not (snapshot.alive or snapshot.pieces):
            self.break_off()  # its process is gone, or the run is: forgotten, or evicted
        return True

    def _take_chunk(self, chunk: Chunk) -> None:
        if self.ended:
            return
        content = self._open_chunk(chunk)
        self._after = chunk.at
        if content is None:
            self._warn()
            return
        self._moment, fresh = content
        if self.forgotten:
            self.break_off()
        elif chunk.position > len(self._lines):
            self.break_off()  # there is a gap, and what is missing will not come any more
        else:
            self._lines += fresh[len(self._lines) - chunk.position :]
            self.ended = chunk.last
            if self._lines and not self.id:
                self.id = str(orjson.loads(self._lines[0]).get("messageId", ""))

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            log.warning("a piece of an answer in Redis was not sealed by this service")

    def break_off(self) -> None:
        """End an answer that nothing continues, with an error: it must not look complete."""
        if self.ended:
            return
        if self._lines:
            shown = b"".join(self._lines)
            text_open = b'"type":"text-start"' in shown and b'"type":"text-end"' not in shown
            ending: list[Part] = [TextEnd("t1")] if text_open else []
            ending += [*failure_parts(LlmInterruptedError(), "-"), Finish("error", {})]
            self._cut_ending = [part.encode() for part in ending]
        self.ended = True
        self._notify()
