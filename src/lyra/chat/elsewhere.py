"""Answers that other processes make: shown to them as they grow, and read from them.

A resumable run is copied to Redis behind its own reader, a few times a second, sealed under its
owner's token. Any process then reads on from there, stops it, or sees that its maker has died.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import orjson

from lyra.cache.keys import Key
from lyra.chat.parts import Finish, Part, TextEnd, failure_parts
from lyra.chat.run import Run
from lyra.errors import LlmInterruptedError
from lyra.redis.notices import RunVerb
from lyra.redis.runs import Glimpse, SharedRuns
from lyra.redis.sealing import open_sealed, seal
from lyra.spotify.token import Token

log = logging.getLogger(__name__)

_COPY_S = 0.2  # words that are this old can be read elsewhere
_SIGN_S = 1.0
_LOOK_S = 0.1
_LOOKS_FOR_THE_FIRST = 20  # longer than a stream may take for its first byte
_LOOKS_WITHOUT_REDIS = 50


class Elsewhere:
    """The answers that all processes of one service share. Never raises for want of Redis."""

    def __init__(self, shared: SharedRuns, secret: str, *, keep_s: float, grace_s: float) -> None:
        self._shared = shared
        self._secret = secret
        self._keep_s = keep_s
        self._grace_s = grace_s

    def on_notice(self, act: Callable[[RunVerb, str], None]) -> None:
        """See SharedRuns.on_notice."""
        self._shared.on_notice(act)

    async def copy(self, run: Run, owner: Key, token: Token, names: tuple[str, ...]) -> None:
        """Copy this run as it grows, up to its ending; `names` are its own and its chat's."""
        name, chat = names[0], names[1] if len(names) > 1 else None
        ttl_s = self._keep_s + self._grace_s
        await self._shared.announce(owner, name, chat, ttl_s=ttl_s + self._keep_s)
        position = 0
        while not run.lost:
            ended = run.ended
            lines = run.lines(position)
            if lines or ended:
                sealed = seal(self._secret, token.identity, name, b"\n".join(lines))
                # What Redis did not surely take goes along with what comes next.
                kept = await self._shared.append(name, position, sealed, last=ended, ttl_s=ttl_s)
                position += len(lines) if kept else 0
            else:
                await self._shared.live(name)
            if ended:
                return
            await _grown(run, position)

    async def stop(self, name: str) -> None:
        """Have this run, or the newest of this chat, stopped by whichever process makes it."""
        await self._shared.tell("stop", [name])

    async def forget(self, owner: Key) -> None:
        """Forget this listener's answers in every process."""
        await self._shared.forget(owner)

    async def end(self, owner: Key) -> None:
        """Have this listener's running answers ended by whichever processes make them."""
        await self._shared.tell("end", [owner])

    async def find(self, token: Token, name: str, *, is_chat: bool) -> "RemoteRun | None":
        """The run that another process makes or has made, if it is there."""
        found = await self._shared.name_of(name) if is_chat else name
        if found is None:
            return None
        remote = RemoteRun(self._shared, self._secret, token, found, grace_s=self._grace_s)
        return remote if await remote.begun() else None


async def _grown(run: Run, position: int) -> None:
    """Wait until the run has grown and a little longer, or until a sign of life is due."""
    try:
        async with asyncio.timeout(_SIGN_S), aclosing(run.changes()) as changes:
            async for _ in changes:
                if run.ended or run.lines(position):
                    break
        if not run.ended:
            await asyncio.sleep(_COPY_S)
    except TimeoutError:
        return


class RemoteRun:
    """A run of another process, as far as Redis tells of it."""

    delivered = False

    def __init__(
        self, shared: SharedRuns, secret: str, token: Token, name: str, *, grace_s: float
    ) -> None:
        self.id = ""
        self.ended = False
        self._shared = shared
        self._secret = secret
        self._token = token
        self._name = name
        self._grace_s = grace_s
        self._lines: list[bytes] = []
        self._after = "-"

    def lines(self, position: int) -> list[bytes]:
        """See Log.lines."""
        return self._lines[position:]

    async def changes(self) -> AsyncGenerator[None, None]:
        """See Log.changes. Without Redis for a few seconds, the answer ends as interrupted."""
        blind = 0
        while not self.ended:
            yield
            await asyncio.sleep(_LOOK_S)
            blind = 0 if await self.look() else blind + 1
            if blind > _LOOKS_WITHOUT_REDIS:
                self._break_off()
        yield

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """Tell the process that makes this run that somebody reads, for the length of the block."""
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(self._tell())
            try:
                yield
            finally:
                telling.cancel()

    async def _tell(self) -> None:
        while True:
            await self._shared.tell("read", [self._name])
            await asyncio.sleep(self._grace_s / 3)

    async def begun(self) -> bool:
        """Whether there is anything to read, waited for while somebody makes it."""
        for _ in range(_LOOKS_FOR_THE_FIRST):
            if not await self.look() or self.ended:
                break
            if self._lines:
                return True
            await asyncio.sleep(_LOOK_S)
        return bool(self._lines)

    async def look(self) -> bool:
        """Take over what has come; whether Redis answered."""
        glimpse = await self._shared.look(self._name, self._after)
        if glimpse is None:
            return False
        self._take(glimpse)
        if not (self.ended or glimpse.alive or glimpse.pieces):
            self._break_off()
        return True

    def _take(self, glimpse: Glimpse) -> None:
        for piece in glimpse.pieces:
            plain = open_sealed(self._secret, self._token.identity, self._name, piece.sealed)
            if plain is None:
                log.warning("a piece of an answer in Redis was not sealed by this service")
                continue
            fresh = plain.split(b"\n") if plain else []
            self._lines += fresh[max(0, len(self._lines) - piece.position) :]
            self._after = piece.at
            self.ended = self.ended or piece.last
        if self._lines and not self.id:
            self.id = _message_id(self._lines[0])

    def _break_off(self) -> None:
        """End what nobody makes any more: it must not look complete."""
        if self._lines:
            told = b"".join(self._lines)
            open_text = b'"type":"text-start"' in told and b'"type":"text-end"' not in told
            ending: list[Part] = [TextEnd("t1")] if open_text else []
            ending += [*failure_parts(LlmInterruptedError(), "-"), Finish("error", {})]
            self._lines += [part.encode() for part in ending]
        self.ended = True


def _message_id(start: bytes) -> str:
    return str(orjson.loads(start).get("messageId", ""))
