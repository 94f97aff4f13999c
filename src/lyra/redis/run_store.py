"""What the processes tell each other about running answers: a stream of sealed pieces for each.

Nothing here raises for want of Redis: a look is then None, and everything else says no. All of it
expires by itself; names are keyed hashes, so that a dump tells nothing.

A run that has pieces is in its owner's index, so that a forget finds it. The index is trimmed at
each new name, and a run that falls out of it is deleted. What was deleted never comes back in
part: a piece is added only to a run that is there. What was forgotten does not come back at all: a
run has a moment, by Redis' clock, from before it was there, which belongs into what is sealed, to
be shown to `was_forgotten` by who reads that.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Literal

import msgspec

from lyra.redis import scripts
from lyra.redis.gateway import RedisGateway
from lyra.redis.invalidation import RunVerb
from lyra.redis.keyspace import check_key
from lyra.redis.pending_deletes import PendingDeletes
from lyra.redis.protocol import WRONG_TYPE, Command, Refusal, Reply, as_ms
from lyra.redis.shared_tombstones import SharedTombstones

ALIVE_S = 5.0  # without a sign of life for so long, the process that fills a run is gone
MAX_PER_OWNER = 512  # runs of one listener; minutes at the rate that one token may have
_SIGN_MS = round(ALIVE_S * 1000)
_SLICE = 500  # names in one step: a millisecond or two of Redis
_DROPPED = 50  # that are too many, at each new name
_RUN, _ALIVE = "lyra:v2:run:{", "lyra:v2:run-alive:{"
_PIECES = 256  # of one look
_LONGEST_POSITION = 9  # digits

Kept = Literal["kept", "gone", "unknown"]


class Chunk(msgspec.Struct, frozen=True):
    """Some parts of an answer: where they are in Redis' stream and in the answer, and sealed."""

    at: str
    position: int
    sealed: bytes
    last: bool


class RunSnapshot(msgspec.Struct, frozen=True):
    """The pieces after some place, and whether the process that makes them gives signs of life."""

    pieces: tuple[Chunk, ...]
    alive: bool


class SharedRuns:
    """The runs of all processes that can be resumed and stopped through any of them."""

    def __init__(self, gateway: RedisGateway) -> None:
        self._gateway = gateway
        self._pending = PendingDeletes(gateway, self._forget)
        self._tombstones = SharedTombstones(gateway, "past_runs")
        gateway.notices.on_joined(self._retry_now)

    def on_notice(self, act: Callable[[RunVerb, str], None]) -> None:
        """Call `act` when another process says what is to be done with a run, or is being read.

        The name with `lose` may be an owner's too: then all runs of that owner are meant.
        """
        self._gateway.notices.on_run(act)

    async def announce(
        self, owner: str, name: str, chat: str | None, *, ttl_s: float, again: bool = False
    ) -> int | None:
        """Let the other processes find this run by its name, and by its chat's; None: they do not.

        Answers the moment, a microsecond of Redis' clock, at which nothing of it was there yet.
        `again`, before `ttl_s` is over, for a run that is still being made.
        """
        ttl_ms = as_ms(ttl_s)
        commands: list[Command] = [("TIME",)]  # first: a forget that comes in between is later
        if not again:
            commands += [
                ("XADD", _stream(name), "*", "v", "2"),
                ("PEXPIRE", _stream(name), ttl_ms),
                ("SET", _alive(name), "1", "PX", _SIGN_MS),
            ]
        if chat is not None:
            commands.append(("SET", _chat(chat), name, "PX", 2 * ttl_ms))
        # Last: a forget that comes in between leaves a run that the next one finds.
        index = (
            "EVAL",
            scripts.ANNOUNCE,
            1,
            _index_of(owner),
            name,
            2 * ttl_ms,
            MAX_PER_OWNER,
            _DROPPED,
        )
        replies = await self._gateway.execute(*commands, index)
        if replies is None:
            return None
        if isinstance(replies[-1], list):
            await self._drop(owner, replies[-1])
        return (
            self._tombstones.parse_time(replies[0])
            if await self._all_accepted(owner, replies)
            else None
        )

    async def append(
        self, name: str, position: int, sealed: bytes, *, last: bool, ttl_s: float
    ) -> Kept:
        """Add a piece of the answer, from its part `position` on.

        `gone`: the run was forgotten or evicted, and nothing can be added to it any more.
        """
        return await self._append(name, ttl_s, position, sealed, int(last))

    async def keep_alive(self, name: str, *, ttl_s: float) -> Kept:
        """Give a sign of life for a run that has nothing new to tell."""
        return await self._append(name, ttl_s)

    async def _append(self, name: str, ttl_s: float, *piece: int | bytes) -> Kept:
        keys = (_stream(name), _alive(name))
        replies = await self._gateway.execute(
            ("EVAL", scripts.APPEND, 2, *keys, as_ms(ttl_s), _SIGN_MS, *piece)
        )
        match replies:
            case [1]:
                return "kept"
            case [0]:
                return "gone"
            case _:
                return "unknown"

    async def read(self, name: str, after: str = "-") -> RunSnapshot | None:
        """What there is of a run after the piece at `after`; None without Redis."""
        start = after if after == "-" else f"({after}"
        replies = await self._gateway.execute(
            ("XRANGE", _stream(name), start, "+", "COUNT", _PIECES), ("EXISTS", _alive(name))
        )
        match replies:
            case [list(entries), int(alive)]:
                return RunSnapshot(tuple(_parse_chunks(entries)), bool(alive))
            case _:
                return None

    async def name_of(self, chat: str) -> str | None:
        """The name of the newest run of this chat."""
        replies = await self._gateway.execute(("GET", _chat(chat)))
        match replies:
            case [bytes(member)]:
                return next(iter(_parse_names([member])), None)
            case _:
                return None

    async def tell(self, verb: RunVerb, names: Iterable[str]) -> None:
        """Say to all processes that these runs are to be stopped or lost, or are being read.

        With `end` the names are owners', all of whose running answers are to be stopped.
        """
        if sent := [self._notice(verb, name) for name in names]:
            await self._gateway.execute(*sent)

    def _notice(self, verb: RunVerb, name: str) -> Command:
        return (
            "PUBLISH",
            self._gateway.channel,
            self._gateway.notices.compose(verb, check_key(name)),
        )

    def was_forgotten(self, owner: str, moment: int) -> bool:
        """Whether a run of this moment has been forgotten since, as far as this process knows."""
        return owner in self._pending or self._tombstones.cover(owner, moment)

    async def settle(self, owner: str) -> bool:
        """Whether nothing of this owner is still to be forgotten in Redis; tries it once if so."""
        return await self._pending.settle(owner)

    async def forget(self, owner: str, *, held: bool = False) -> bool:
        """Forget all runs of this owner, and have those lost that are still being made.

        False when Redis has not taken all of it: it is told the rest as soon as it can be, and
        until then no process that hears this shows any of it. `held`: this process has runs of
        this owner.
        """
        done = await self._forget(owner, held=held)
        if not done:
            self._pending.add(owner, held=held)
            if self._gateway.reachable:
                await self._tombstones.announce(owner, held=held)
        return done

    async def _forget(self, owner: str, *, held: bool = False) -> bool:
        """Forget slice by slice, so that nobody has to wait long, and no longer than it may take."""
        past = self._gateway.notices.compose("past_runs", owner)
        a_slice = (
            *("EVAL", scripts.FORGET_RUNS, 1, _index_of(owner), _SLICE, _RUN, _ALIVE, "}"),
            *(self._gateway.channel, past, int(held)),
        )
        replies = await self._gateway.execute(self._notice("lose", owner), a_slice)
        before = inf
        try:
            async with asyncio.timeout(self._gateway.timing.forget_s):
                while replies is not None and await self._all_accepted(owner, replies):
                    match replies[-1]:
                        case [int(remaining), bytes(moment), int(there)] if moment.isdigit():
                            self._tombstones.add(owner, int(moment), held=bool(there))
                        case _:
                            return False
                    if remaining == 0:
                        return True
                    if remaining >= before:
                        return False  # it does not get less
                    before = remaining
                    replies = await self._gateway.execute(a_slice)
        except TimeoutError:
            return False
        return False

    async def withdraw(self, owner: str, name: str) -> None:
        """Delete a run that was lost while it was being copied, whatever has come of it since."""
        await self._gateway.execute(_deletion(_index_of(owner), [name.encode()]))

    async def _drop(self, owner: str, members: Sequence[Reply]) -> None:
        """Delete the runs that are too many of one owner, and have their makers lose them."""
        if members:
            lose = [self._notice("lose", name) for name in _parse_names(members)]
            await self._gateway.execute(_deletion(_index_of(owner), members), *lose)

    async def _all_accepted(self, owner: str, replies: Sequence[Reply]) -> bool:
        """Whether Redis has taken all of it; an index of another type is deleted and counted."""
        if WRONG_TYPE in replies:
            self._gateway.discarded.count("poisoned")
            await self._gateway.execute(("UNLINK", _index_of(owner)))
        return not any(isinstance(reply, Refusal) for reply in replies)

    async def _retry_now(self) -> None:
        self._pending.retry_now()


def _deletion(index: str, members: Sequence[Reply]) -> Command:
    """The command that deletes the runs of these names, and the names from their index."""
    names = _parse_names(members)
    keys = [index, *map(_stream, names), *map(_alive, names)]
    return ("EVAL", scripts.DELETE_RUNS, len(keys), *keys, *members)


def _parse_names(members: Sequence[Reply]) -> list[str]:
    """Those of the members that are names: anybody who may write to Redis may have put others."""
    names = []
    for member in members:
        try:
            names.append(check_key(member.decode("ascii", "replace")))
        except ValueError:
            continue
    return names


def _parse_chunks(entries: Sequence[Reply]) -> Iterable[Chunk]:
    for each in entries:
        match each:
            case [bytes(at), {b"n": bytes(n), b"d": bytes(sealed), b"e": bytes(e)}] if (
                n.isdigit() and len(n) <= _LONGEST_POSITION
            ):
                yield Chunk(at.decode("ascii", "replace"), int(n), sealed, last=e == b"1")


def _stream(name: str) -> str:
    return f"{_RUN}{check_key(name)}}}"


def _alive(name: str) -> str:
    return f"{_ALIVE}{check_key(name)}}}"


def _chat(chat: str) -> str:
    return f"lyra:v2:chat:{{{check_key(chat)}}}"


def _index_of(owner: str) -> str:
    return f"lyra:v2:owned:{{{check_key(owner)}}}"
