"""What the processes tell each other about running answers: a stream of sealed pieces for each.

Nothing here raises for want of Redis: a look is then None, and everything else does nothing.
All of it expires by itself; names are keyed hashes, so that a dump tells nothing.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from lyra.redis.door import RedisDoor
from lyra.redis.names import checked
from lyra.redis.notices import RunVerb
from lyra.redis.replies import Command, Reply

ALIVE_S = 5.0  # without a sign of life for so long, the process that fills a run is gone
_SIGN_MS = round(ALIVE_S * 1000)


class Piece(msgspec.Struct, frozen=True):
    """Some parts of an answer: where they are in Redis' stream and in the answer, and sealed."""

    at: str
    position: int
    sealed: bytes
    last: bool


class Glimpse(msgspec.Struct, frozen=True):
    """The pieces after some place, and whether the process that makes them gives signs of life."""

    pieces: tuple[Piece, ...]
    alive: bool


class SharedRuns:
    """The runs of all processes that can be resumed and stopped through any of them."""

    def __init__(self, door: RedisDoor) -> None:
        self._door = door

    def on_notice(self, act: Callable[[RunVerb, str], None]) -> None:
        """Call `act` when another process says what is to be done with a run, or is being read."""
        self._door.notices.tell_of_runs(act)

    async def announce(self, owner: str, name: str, chat: str | None, *, ttl_s: float) -> None:
        """Let the other processes find this run by its name, and by its chat's."""
        ttl_ms = _ms(ttl_s)
        commands: list[Command] = [
            ("SADD", _owned(owner), name),
            ("PEXPIRE", _owned(owner), ttl_ms),
            ("SET", _alive(name), "1", "PX", _SIGN_MS),
        ]
        if chat is not None:
            commands.append(("SET", _chat(chat), name, "PX", ttl_ms))
        await self._door.ask(*commands)

    async def append(
        self, name: str, position: int, sealed: bytes, *, last: bool, ttl_s: float
    ) -> bool:
        """Add a piece of the answer, from its part `position` on; whether Redis surely has it."""
        replies = await self._door.ask(
            ("XADD", _stream(name), "*", "n", position, "d", sealed, "e", int(last)),
            ("PEXPIRE", _stream(name), _ms(ttl_s)),
            ("SET", _alive(name), "1", "PX", _SIGN_MS),
        )
        return replies is not None and isinstance(replies[0], bytes)

    async def live(self, name: str) -> None:
        """Give a sign of life for a run that has nothing new to tell."""
        await self._door.ask(("SET", _alive(name), "1", "PX", _SIGN_MS))

    async def look(self, name: str, after: str = "-") -> Glimpse | None:
        """What there is of a run after the piece at `after`; None without Redis."""
        start = after if after == "-" else f"({after}"
        replies = await self._door.ask(
            ("XRANGE", _stream(name), start, "+"), ("EXISTS", _alive(name))
        )
        match replies:
            case [list(found), int(alive)]:
                return Glimpse(tuple(_pieces(found)), bool(alive))
            case _:
                return None

    async def name_of(self, chat: str) -> str | None:
        """The name of the newest run of this chat."""
        replies = await self._door.ask(("GET", _chat(chat)))
        match replies:
            case [bytes(found)]:
                return found.decode("ascii", "replace")
            case _:
                return None

    async def tell(self, verb: RunVerb, names: Iterable[str]) -> None:
        """Say to all processes that these runs are to be stopped or lost, or are being read.

        With `end` the names are owners', all of whose running answers are to be stopped.
        """
        notices = self._door.notices
        sent = [("PUBLISH", self._door.channel, notices.compose(verb, name)) for name in names]
        if sent:
            await self._door.ask(*sent)

    async def forget(self, owner: str) -> None:
        """Forget all runs of this owner, and have those lost that are still being made."""
        replies = await self._door.ask(("SMEMBERS", _owned(owner)))
        found = replies[0] if replies else None
        if isinstance(found, list | set) and found:
            names = [name.decode("ascii", "replace") for name in found]
            await self.tell("lose", names)
            await self._door.ask(("UNLINK", _owned(owner), *map(_stream, names)))


def _pieces(found: Sequence[Reply]) -> Iterable[Piece]:
    for each in found:
        match each:
            case [bytes(at), {b"n": bytes(n), b"d": bytes(sealed), b"e": bytes(e)}] if n.isdigit():
                yield Piece(at.decode("ascii", "replace"), int(n), sealed, last=e == b"1")


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _stream(name: str) -> str:
    return f"lyra:v2:run:{{{checked(name)}}}"


def _alive(name: str) -> str:
    return f"lyra:v2:run-alive:{{{checked(name)}}}"


def _chat(chat: str) -> str:
    return f"lyra:v2:chat:{{{checked(chat)}}}"


def _owned(owner: str) -> str:
    return f"lyra:v2:runs:{{{checked(owner)}}}"
