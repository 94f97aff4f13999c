"""Replication of runs between the processes of one service, over Redis.

A resumable run is copied to Redis a few times a second while it grows, sealed under its owner's
token. Any other process can then read on from there, have the run stopped, and see when the process
that makes it has died.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from weakref import WeakValueDictionary

from lyra.cache.keys import Key
from lyra.chat.runs.remote_run import ChunkContent, RemoteRun, open_chunk, seal_chunk
from lyra.chat.runs.run import Run
from lyra.redis.invalidation import RunVerb
from lyra.redis.run_store import Kept, SharedRuns
from lyra.spotify.token import Token

log = logging.getLogger(__name__)

_COPY_INTERVAL_S = 0.2  # text that is this old can be read by other processes
_LIFE_SIGN_S = 1.0
_LAST_CHUNK_TRIES = 5
_MAX_LOOKS_PER_S = 500  # of this process, over all runs

SealLines = Callable[[int, ChunkContent, bool], bytes]


class RunReplicator:
    """Copies the runs of this process to Redis and finds those of others there.

    It never raises because Redis is away. `longest_s` is longer than any answer takes.
    """

    def __init__(
        self, shared: SharedRuns, secret: str, *, keep_s: float, grace_s: float, longest_s: float
    ) -> None:
        self._shared = shared
        self._secret = secret
        self._ttl_s = keep_s + grace_s
        self._grace_s = grace_s
        self._longest_s = longest_s
        # Kept alive by their readers, so that all readers of one run share its copy and its poller.
        self._runs: WeakValueDictionary[str, RemoteRun] = WeakValueDictionary()
        self._pollers: set[asyncio.Task[None]] = set()  # one for each run that is read
        self._copies: set[asyncio.Task[None]] = set()  # one for each run of this process

    def on_notice(self, act: Callable[[RunVerb, str], None]) -> None:
        """Call `act` for every notice of another process; see SharedRuns.on_message."""
        self._shared.on_message(act)

    def start_replication(self, run: Run, owner: Key, token: Token, names: tuple[str, ...]) -> None:
        """Start the task that copies this run to Redis up to its ending. The replicator owns it.

        `names` are the keys of the run and of its chat.
        """

        def seal_lines(position: int, content: ChunkContent, last: bool) -> bytes:
            return seal_chunk(self._secret, token.identity, names[0], position, content, last=last)

        copying = _Copier(self._shared, run, owner, names, self._ttl_s).copy(seal_lines)
        task = asyncio.get_running_loop().create_task(copying)
        self._copies.add(task)
        task.add_done_callback(self._on_copy_done)

    def _on_copy_done(self, task: asyncio.Task[None]) -> None:
        self._copies.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("the copy of an answer broke: this is a fault in Lyra")

    async def stop(self, name: str) -> None:
        """Tell the process that has this run, or the newest of this chat, to stop it."""
        await self._shared.tell("stop", [name])

    async def forget(self, owner: Key, *, held: bool) -> bool:
        """Forget this listener's answers in every process; see SharedRuns.forget."""
        return await self._shared.forget(owner, held=held)

    async def end(self, owner: Key) -> None:
        """Tell all processes to end this listener's running answers."""
        await self._shared.tell("end", [owner])

    async def find(self, owner: Key, token: Token, name: str, *, is_chat: bool) -> RemoteRun | None:
        """Return the run that another process makes or has made, if it can be read.

        Return None too while Redis still has runs that this listener had forgotten.

        Raises:
            TooManyRequestsError: it has as many readers here as one run may have.
        """
        if not await self._shared.settle(owner):
            return None
        run_key = await self._shared.name_of(name) if is_chat else name
        if run_key is None:
            return None
        run = self._runs.get(run_key)
        if run is None:
            run = self._runs[run_key] = RemoteRun(
                self._shared,
                owner,
                run_key,
                # No partial: its repr would show the token.
                lambda piece: open_chunk(self._secret, token.identity, run_key, piece),
                grace_s=self._grace_s,
                longest_s=self._longest_s,
                pace_s=lambda: len(self._pollers) / _MAX_LOOKS_PER_S,
            )
        with self.read(run):
            return run if await run.wait_begun() else None

    @contextmanager
    def read(self, run: RemoteRun) -> Iterator[None]:
        """Read this run for the length of the block; it is polled as long as it has a reader.

        Raises:
            TooManyRequestsError: it has as many readers here as one run may have.
        """
        with run.read():
            if (poller := run.start_polling()) is not None:
                self._pollers.add(poller)
                poller.add_done_callback(self._pollers.discard)
            try:
                yield
            finally:
                if run.readers == 1:
                    run.stop_polling()

    async def stop_polling(self) -> None:
        """Cancel all pollers; for their readers the answers break off."""
        await _cancel(self._pollers)

    async def close(self) -> None:
        """Cancel all copying and all polling."""
        await _cancel(self._copies)
        await _cancel(self._pollers)


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)


class _Copier:
    """Copies one run to Redis, up to its ending or until it is discarded."""

    def __init__(
        self, shared: SharedRuns, run: Run, owner: Key, names: Sequence[str], ttl_s: float
    ) -> None:
        self._shared = shared
        self._run = run
        self._owner = owner
        self._name = names[0]
        self._chat = names[1] if len(names) > 1 else None
        self._ttl_s = ttl_s
        self._position = 0
        self._announced_at: float | None = None
        self._moment: int | None = None  # of the run, by Redis' clock

    async def copy(self, seal_lines: SealLines) -> None:
        """Copy new lines until the ending has been copied, or has been tried often enough."""
        tries_left = _LAST_CHUNK_TRIES
        while tries_left and not self._run.discarded:
            ended = self._run.ended
            outcome: Kept = "unknown"
            if (moment := await self._announce()) is not None:
                outcome = await self._copy_new(seal_lines, moment, ended=ended)
            if outcome == "gone" or (outcome == "kept" and ended):
                break
            tries_left -= ended
            # A Redis that takes nothing is tried no more often than a sign of life is due.
            await _wait_for_growth(
                self._run, self._position, _COPY_INTERVAL_S if outcome == "kept" else _LIFE_SIGN_S
            )
        if self._run.discarded:
            await self._shared.withdraw(self._owner, self._name)

    async def _announce(self) -> int | None:
        """Announce the run to other processes, again while it lives; return its moment."""
        now, at = asyncio.get_running_loop().time(), self._announced_at
        if at is None or now - at > self._ttl_s / 2:
            announced = await self._shared.announce(
                self._owner, self._name, self._chat, ttl_s=self._ttl_s, again=at is not None
            )
            if announced is not None:
                self._announced_at = now
                self._moment = announced if self._moment is None else self._moment
        return self._moment

    async def _copy_new(self, seal_lines: SealLines, moment: int, *, ended: bool) -> Kept:
        lines = self._run.lines(self._position)
        if not (lines or ended):
            return await self._shared.keep_alive(self._name, ttl_s=self._ttl_s)
        chunk = seal_lines(self._position, ChunkContent(moment, lines), ended)
        outcome = await self._shared.append(
            self._name, self._position, chunk, last=ended, ttl_s=self._ttl_s
        )
        # Lines that Redis may not have taken are sent again with the next ones.
        self._position += len(lines) if outcome == "kept" else 0
        return outcome


async def _wait_for_growth(run: Run, position: int, pause_s: float) -> None:
    """Wait until the run has grown, plus the pause, or until a sign of life is due."""
    try:
        async with asyncio.timeout(_LIFE_SIGN_S), aclosing(run.changes()) as changes:
            async for _ in changes:
                if run.ended or run.discarded or run.lines(position):
                    break
        if not run.discarded and not (run.ended and pause_s == _COPY_INTERVAL_S):
            await asyncio.sleep(pause_s)
    except TimeoutError:
        return
