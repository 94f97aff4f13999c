"""Answers that other processes make: shown to them as they grow, and read from them.

A resumable run is copied to Redis behind its own reader, a few times a second, sealed under its
owner's token. Any process then reads on from there, stops it, or sees that its maker has died.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from functools import partial
from weakref import WeakValueDictionary

from lyra.cache.keys import Key
from lyra.chat.runs.remote_run import Opened, RemoteRun, opened_piece, sealed_piece
from lyra.chat.runs.run import Run
from lyra.redis.invalidation import RunVerb
from lyra.redis.run_store import Kept, SharedRuns
from lyra.spotify.token import Token

log = logging.getLogger(__name__)

_COPY_S = 0.2  # words that are this old can be read elsewhere
_SIGN_S = 1.0
_TRIES_OF_THE_LAST = 5
_LOOKS_A_SECOND = 500  # of this process, at all runs together

Sealed = Callable[[int, Opened, bool], bytes]


class RunReplicator:
    """The answers that all processes of one service share. Never raises for want of Redis.

    `longest_s` is longer than any answer takes.
    """

    def __init__(
        self, shared: SharedRuns, secret: str, *, keep_s: float, grace_s: float, longest_s: float
    ) -> None:
        self._shared = shared
        self._secret = secret
        self._ttl_s = keep_s + grace_s
        self._grace_s = grace_s
        self._longest_s = longest_s
        # Kept by those who read, or are about to: so all of them share the copy and its poller.
        self._runs: WeakValueDictionary[str, RemoteRun] = WeakValueDictionary()
        self._pollers: set[asyncio.Task[None]] = set()  # one for each run that is read

    def on_notice(self, act: Callable[[RunVerb, str], None]) -> None:
        """See SharedRuns.on_message."""
        self._shared.on_message(act)

    async def replicate(self, run: Run, owner: Key, token: Token, names: tuple[str, ...]) -> None:
        """Copy this run as it grows, up to its ending; `names` are its own and its chat's."""

        def sealed(position: int, opened: Opened, last: bool) -> bytes:
            return sealed_piece(self._secret, token.identity, names[0], position, opened, last=last)

        await _Copying(self._shared, run, owner, names, self._ttl_s).go_on(sealed)

    async def stop(self, name: str) -> None:
        """Have this run, or the newest of this chat, stopped by whichever process makes it."""
        await self._shared.tell("stop", [name])

    async def forget(self, owner: Key, *, held: bool) -> bool:
        """Forget this listener's answers in every process; see SharedRuns.forget."""
        return await self._shared.forget(owner, held=held)

    async def end(self, owner: Key) -> None:
        """Have this listener's running answers ended by whichever processes make them."""
        await self._shared.tell("end", [owner])

    async def find(self, owner: Key, token: Token, name: str, *, is_chat: bool) -> RemoteRun | None:
        """The run that another process makes or has made, if it is there.

        None too while Redis has not forgotten yet what this listener had forgotten.

        Raises:
            TooManyRequestsError: it has as many readers here as one run may.
        """
        if not await self._shared.settle(owner):
            return None
        found = await self._shared.name_of(name) if is_chat else name
        if found is None:
            return None
        run = self._runs.get(found)
        if run is None:
            run = self._runs[found] = RemoteRun(
                self._shared,
                owner,
                found,
                # No partial: whoever prints one prints what it holds.
                lambda piece: opened_piece(self._secret, token.identity, found, piece),
                grace_s=self._grace_s,
                longest_s=self._longest_s,
                pace_s=lambda: len(self._pollers) / _LOOKS_A_SECOND,
            )
        with self.reading(run):
            return run if await run.begun() else None

    @contextmanager
    def reading(self, run: RemoteRun) -> Iterator[None]:
        """Read this run for the length of the block: the first begins to poll, the last ends it.

        Raises:
            TooManyRequestsError: it has as many readers here as one run may.
        """
        with run.read():
            if run.poller is None and not run.ended:
                self._poll(run)
            try:
                yield
            finally:
                if run.readers == 1 and run.poller is not None:
                    run.poller.cancel()
                    run.poller = None

    def _poll(self, run: RemoteRun) -> None:
        poller = run.poller = asyncio.get_running_loop().create_task(run.poll())
        self._pollers.add(poller)
        poller.add_done_callback(self._pollers.discard)
        poller.add_done_callback(partial(_polled, run))

    async def close(self) -> None:
        """End all polling; who still reads is told that the answer breaks off."""
        pollers = list(self._pollers)
        for poller in pollers:
            poller.cancel()
        await asyncio.gather(*pollers, return_exceptions=True)


def _polled(run: RemoteRun, poller: asyncio.Task[None]) -> None:
    if run.poller is poller:
        run.poller = None
        run.break_off()  # nobody looks any more: whoever still reads must not wait for ever
    if not poller.cancelled() and poller.exception() is not None:
        log.error("reading an answer of another process broke: this is a fault in Lyra")


class _Copying:
    """Shows one run to the other processes, up to its ending or until it is lost."""

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
        self._moment: int | None = None  # by Redis' clock, from before anything of it was there

    async def go_on(self, sealed: Sealed) -> None:
        """Tell what is new until there is nothing more to tell."""
        tries = _TRIES_OF_THE_LAST
        while tries and not self._run.discarded:
            ended = self._run.ended
            fate: Kept = "unknown"
            if (moment := await self._announced()) is not None:
                fate = await self._step(sealed, moment, ended=ended)
            if fate == "gone" or (fate == "kept" and ended):
                break
            tries -= ended
            # A Redis that takes nothing is not asked oftener than for a sign of life.
            await _wait_for_growth(
                self._run, self._position, _COPY_S if fate == "kept" else _SIGN_S
            )
        if self._run.discarded:
            await self._shared.withdraw(self._owner, self._name)

    async def _announced(self) -> int | None:
        """The run's moment once the others, and a forget, find it; made sure of while it lives."""
        now, at = asyncio.get_running_loop().time(), self._announced_at
        if at is None or now - at > self._ttl_s / 2:
            announced = await self._shared.announce(
                self._owner, self._name, self._chat, ttl_s=self._ttl_s, again=at is not None
            )
            if announced is not None:
                self._announced_at = now
                self._moment = announced if self._moment is None else self._moment
        return self._moment

    async def _step(self, sealed: Sealed, moment: int, *, ended: bool) -> Kept:
        lines = self._run.lines(self._position)
        if not (lines or ended):
            return await self._shared.keep_alive(self._name, ttl_s=self._ttl_s)
        piece = sealed(self._position, Opened(moment, lines), ended)
        fate = await self._shared.append(
            self._name, self._position, piece, last=ended, ttl_s=self._ttl_s
        )
        # What Redis did not surely take goes along with what comes next.
        self._position += len(lines) if fate == "kept" else 0
        return fate


async def _wait_for_growth(run: Run, position: int, pause_s: float) -> None:
    """Wait until the run has grown and a little longer, or until a sign of life is due."""
    try:
        async with asyncio.timeout(_SIGN_S), aclosing(run.changes()) as changes:
            async for _ in changes:
                if run.ended or run.discarded or run.lines(position):
                    break
        if not run.discarded and not (run.ended and pause_s == _COPY_S):
            await asyncio.sleep(pause_s)
    except TimeoutError:
        return
