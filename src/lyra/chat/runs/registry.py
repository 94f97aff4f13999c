"""The registry of runs: admit, start, find, stop, drain and forget the answers of this process.

A run and the task that fills it belong to the registry, not to the request that began it. The run
is live while it is being filled or read; then `RunRetention` keeps it for a while.
"""

import asyncio
import hashlib
import logging
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from functools import partial
from typing import NamedTuple

from lyra.cache.keys import Key
from lyra.chat.request_schema import ChatInput
from lyra.chat.runs.event_log import EventLog
from lyra.chat.runs.remote_run import RemoteRun
from lyra.chat.runs.replication import RunReplicator
from lyra.chat.runs.retention import RunRetention
from lyra.chat.runs.run import Producer, Run
from lyra.chat.runs.run_table import RunTable
from lyra.chat.runs.supervisor import RunSupervisor
from lyra.errors import DrainingError, OverloadedError, TooManyRequestsError
from lyra.redis.invalidation import RunVerb
from lyra.settings import Settings
from lyra.spotify.token import Token

log = logging.getLogger(__name__)

_PREFIX = "run_"
_STOP_S = 1.0


def make_run_key(owner: Key, name: str) -> str:
    """Return a run's or chat's key in tables, which only the owner's token lets one guess."""
    return hashlib.blake2b(f"{owner}\0{name}".encode(), digest_size=20).hexdigest()


class FoundRun(NamedTuple):
    """An answer that may be read: its log, and the context manager to read it under.

    `read` raises TooManyRequestsError for one reader or one stream of this listener too many, and
    for a run of another process also DrainingError and OverloadedError.
    """

    log: EventLog
    read: Callable[[], AbstractContextManager[None]]


class RunRegistry:
    """All runs of this process, bounded for the process and for every listener."""

    def __init__(
        self,
        settings: Settings,
        replicator: RunReplicator | None = None,
        supervisor: RunSupervisor | None = None,
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._replicator = replicator
        if replicator is not None:
            replicator.on_notice(self._on_notice)
        self._live: dict[Run, Key] = {}
        # Streams of each listener: its live runs, and its readers of runs of other processes.
        self._by_owner: Counter[Key] = Counter()
        self._remote_readers = 0  # of runs of other processes
        self._local_readers = 0  # of runs of this process
        self._table = RunTable()  # by run id and by the client's own chat id
        self._retention = RunRetention(
            self._table, keep_s=settings.run_keep_s, max_bytes=settings.runs_max_bytes
        )
        self._graces: dict[Run, asyncio.TimerHandle] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self.draining = False

    def __len__(self) -> int:
        return len(self._live)

    def stats(self) -> dict[str, int]:
        """Return the sizes at this moment."""
        return {
            "live": len(self._live),
            "unread": len(self._graces),
            "readers": self._local_readers + self._remote_readers,
            **self._retention.stats(),
        }

    @asynccontextmanager
    async def open_run(self, owner: Key, token: Token, question: ChatInput) -> AsyncIterator[Run]:
        """Provide a new run of this listener, which the block reads.

        When its last reader leaves, the run and its producer are cancelled: at once, or after
        `resume_grace_s` if the run is resumable.

        Raises:
            DrainingError: the process is going down.
            TooManyRequestsError: this listener has as many streams as one may have.
            OverloadedError: this process has as many streams as it may have.
        """
        run = self._admit(owner, question)
        if self._replicator is not None and run.resumable:
            self._replicator.start_replication(run, owner, token, self._table.names(run))
        with self._read(run):
            yield run

    def _admit(self, owner: Key, question: ChatInput) -> Run:
        if self.draining:
            raise DrainingError(retry_after_s=1)
        self._count(owner)
        run = Run(f"{_PREFIX}{secrets.token_hex(8)}", resumable=question.resumable)
        self._live[run] = owner
        self._idle.clear()
        names = (run.id,) if question.chat_id is None else (run.id, question.chat_id)
        self._table.add(run, owner, [make_run_key(owner, name) for name in names])
        return run

    def _count(self, owner: Key) -> None:
        """Count one more stream of this listener, until `_uncount`, or raise."""
        if self._by_owner[owner] >= self._settings.streams_per_token:
            raise TooManyRequestsError(retry_after_s=1, reason="streams")
        if len(self._live) + self._remote_readers >= self._settings.max_streams:
            raise OverloadedError(retry_after_s=1)
        self._by_owner[owner] += 1

    def _uncount(self, owner: Key) -> None:
        self._by_owner[owner] -= 1
        if not self._by_owner[owner]:
            del self._by_owner[owner]

    @contextmanager
    def _read_remote(self, replicator: RunReplicator, run: RemoteRun) -> Iterator[None]:
        if self.draining:
            raise DrainingError(retry_after_s=1)
        self._count(run.owner)
        self._remote_readers += 1
        self._idle.clear()
        try:
            with replicator.read(run):
                yield
        finally:
            self._remote_readers -= 1
            self._uncount(run.owner)
            self._update_idle()

    def _update_idle(self) -> None:
        if not (self._live or self._remote_readers):
            self._idle.set()

    def start(self, run: Run, producer: Producer) -> None:
        """Start the task in which this producer fills the run. The registry owns the task.

        It is cancelled when nobody wants the run any more. If the run was stopped before, there is
        no task: its producer never starts.
        """
        if run.ended:
            return
        if self._supervisor is not None:
            self._supervisor.watch(run)
        run.start(producer, lambda: self._on_done(run))

    def _on_done(self, run: Run) -> None:
        if self._supervisor is not None:
            self._supervisor.unwatch(run)
        self._retire(run)

    @contextmanager
    def _read(self, run: Run) -> Iterator[None]:
        try:
            with run.read():
                self._local_readers += 1
                if grace := self._graces.pop(run, None):
                    grace.cancel()
                try:
                    yield
                finally:
                    self._local_readers -= 1
        finally:
            if not run.readers:
                self._on_unread(run)

    def _on_unread(self, run: Run) -> None:
        if run.ended or not run.started:
            self._retire(run)
        elif not run.resumable or self.draining:
            run.cancel()
        else:
            self.start_grace(run)

    def start_grace(self, run: Run) -> None:
        """Cancel a run without a reader in `resume_grace_s`, counted from now."""
        if previous := self._graces.pop(run, None):
            previous.cancel()
        if not run.readers and run in self._live:
            loop = asyncio.get_running_loop()
            grace = loop.call_later(self._settings.resume_grace_s, self._abandon, run)
            self._graces[run] = grace

    def _abandon(self, run: Run) -> None:
        self._graces.pop(run, None)
        run.cancel()

    def _retire(self, run: Run) -> None:
        """Move a run that is neither filled nor read any more from the live to the kept ones."""
        if run.busy or run not in self._live:
            return
        self._uncount(self._live.pop(run))
        if grace := self._graces.pop(run, None):
            grace.cancel()
        if run.ended:
            self._retention.keep(run)
        else:
            self._forget(run)  # it was never started
        self._update_idle()

    def _forget(self, run: Run) -> None:
        run.discard()
        self._retention.remove(run)

    async def find(self, owner: Key, token: Token, name: str) -> FoundRun | None:
        """Return the answer with this run id, or the newest of this chat, if this listener owns it.

        Raises:
            TooManyRequestsError: the run is another process's, and has too many readers here.
        """
        key = make_run_key(owner, name)
        run = self._table.find(key)
        if run is not None and (run.started or run.ended):
            return FoundRun(run, partial(self._read, run))
        if self._replicator is None:
            return None
        is_chat = not name.startswith(_PREFIX)
        remote = await self._replicator.find(owner, token, key, is_chat=is_chat)
        if remote is None:
            return None
        return FoundRun(remote, partial(self._read_remote, self._replicator, remote))

    async def stop(self, owner: Key, name: str) -> bool:
        """End this listener's running answer. Return whether there is one, as far as is known."""
        key = make_run_key(owner, name)
        run = self._table.find(key)
        if run is not None and (run.started or run.ended):
            run.stop("stopped")
            return True
        if self._replicator is not None:
            # The process that has it is notified; only its owner can know the key.
            await self._replicator.stop(key)
        return self._replicator is not None

    def stop_all(self, owner: Key) -> None:
        """End this listener's running answers in this process, at once and for good."""
        for run in self._table.owned_by(owner):
            run.stop("stopped")
            self._discard(run)

    async def end(self, owner: Key) -> bool:
        """End this listener's running answers in every process, and forget the others.

        Return False as `forget` does.
        """
        self.stop_all(owner)
        forgotten = await self.forget(owner)
        if self._replicator is not None:
            await self._replicator.end(owner)
        return forgotten

    def _on_notice(self, verb: RunVerb, name: str) -> None:
        if verb == "end":
            self.stop_all(Key(name))
            return
        run = self._table.find(name)
        if run is None:
            if verb == "lose":
                self._discard_all(Key(name))
        elif verb == "stop":
            run.stop("stopped")
        elif verb == "lose":
            self._discard(run)
        elif run.resumable:
            self.start_grace(run)

    def _discard_all(self, owner: Key) -> bool:
        """Discard this listener's runs. Return whether there are any."""
        owned = self._table.owned_by(owner)
        for run in owned:
            self._discard(run)
        return bool(owned)

    def _discard(self, run: Run) -> None:
        run.discard()
        if run in self._retention:
            self._forget(run)
        elif not run.readers:
            run.cancel()

    async def forget(self, owner: Key) -> bool:
        """Forget this listener's ended answers now, and the running ones at their end.

        Return False if other processes may still have some: they forget them as soon as they can.
        """
        had_any = self._discard_all(owner)
        return self._replicator is None or await self._replicator.forget(owner, held=had_any)

    async def drain(self) -> None:
        """Admit no more runs, let the live ones finish within `drain_s`, then stop them."""
        self.draining = True
        try:
            async with asyncio.timeout(self._settings.drain_s):
                await self._idle.wait()
        except TimeoutError:
            await self._stop_all()

    async def _stop_all(self) -> None:
        for run in list(self._live):
            run.stop("draining")
        if self._replicator is not None:
            await self._replicator.stop_polling()
        try:
            async with asyncio.timeout(_STOP_S):
                await self._idle.wait()
        except TimeoutError:
            return  # readers that do not read; their connections are cut with the server

    async def close(self) -> None:
        """Stop all producers and all replication, and forget every run."""
        for run in list(self._live):
            run.stop("draining")
        for run in list(self._live):
            await run.wait_closed()
        if self._replicator is not None:
            await self._replicator.close()
        self._retention.close()
        self._table.clear()
