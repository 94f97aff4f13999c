"""The running answers that all processes share: a Redis stream of sealed chunks for each.

Nothing here raises for want of Redis: a read is then None, and everything else fails softly. All of
it expires by itself; names are keyed hashes, so that a dump reveals nothing.

A run that has chunks is in its owner's index, so that a forget finds it. The index is trimmed at
each new name, and a run that falls out of it is deleted. A deleted run never comes back in part: a
chunk is added only to a run that exists. A forgotten run does not come back at all: a run has a
moment, by Redis' clock, from before it existed, which belongs into what is sealed; a reader passes
it to `was_forgotten`.
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

ALIVE_S = 5.0  # without a keep-alive for so long, the process that fills a run is gone
MAX_PER_OWNER = 512  # runs of one listener; minutes at the rate that one token may have
_SIGN_MS = round(ALIVE_S * 1000)
_SLICE = 500  # names in one step: a millisecond or two of Redis
_DROPPED = 50  # that are too many, at each new name
_RUN, _ALIVE = "lyra:v2:run:{", "lyra:v2:run-alive:{"
_CHUNKS = 256  # of one read
_LONGEST_POSITION = 9  # digits

Kept = Literal["kept", "gone", "unknown"]


class Chunk(msgspec.Struct, frozen=True):
    """Some parts of an answer: where they are in Redis' stream and in the answer, and sealed."""

    at: str
    position: int
    sealed: bytes
    last: bool


class RunSnapshot(msgspec.Struct, frozen=True):
    """The chunks after a position, and whether the process that writes them is alive."""

    pieces: tuple[Chunk, ...]
    alive: bool


class SharedRuns:
    """The runs of all processes that can be resumed and stopped through any of them."""

    def __init__(self, gateway: RedisGateway) -> None:
        self._gateway = gateway
        self._pending = PendingDeletes(gateway, self._forget)
        self._tombstones = SharedTombstones(gateway, "past_runs")
        gateway.bus.on_joined(self._retry_now)

    def on_message(self, act: Callable[[RunVerb, str], None]) -> None:
        """Call `act` when another process wants a run stopped or lost, or is reading one.

        With `lose` the name may be an owner's too: then all runs of that owner are meant.
        """
        self._gateway.bus.on_run(act)

    async def announce(
        self, owner: str, name: str, chat: str | None, *, ttl_s: float, again: bool = False
    ) -> int | None:
        """Let the other processes find this run by its name and its chat's; None if that failed.

        Return a moment, a microsecond of Redis' clock, at which nothing of the run existed yet.
        Call it with `again`, before `ttl_s` is over, for a run that is still being written.
        """
        ttl_ms = as_ms(ttl_s)
        commands: list[Command] = [("TIME",)]  # first: a forget in between is later than this
        if not again:
            commands += [
                ("XADD", _stream(name), "*", "v", "2"),
                ("PEXPIRE", _stream(name), ttl_ms),
                ("SET", _alive(name), "1", "PX", _SIGN_MS),
            ]
        if chat is not None:
            commands.append(("SET", _chat(chat), name, "PX", 2 * ttl_ms))
        # Last: a forget in between leaves a run that the next forget finds.
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
        """Append a chunk of the answer, which begins with the part at `position`.

        `gone`: the run was forgotten or evicted, and nothing can be added to it any more.
        """
        return await self._append(name, ttl_s, position, sealed, int(last))

    async def keep_alive(self, name: str, *, ttl_s: float) -> Kept:
        """Keep a run alive that has nothing new."""
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
        """Return the chunks of a run after the one at `after`; None without Redis."""
        start = after if after == "-" else f"({after}"
        replies = await self._gateway.execute(
            ("XRANGE", _stream(name), start, "+", "COUNT", _CHUNKS), ("EXISTS", _alive(name))
        )
        match replies:
            case [list(entries), int(alive)]:
                return RunSnapshot(tuple(_parse_chunks(entries)), bool(alive))
            case _:
                return None

    async def name_of(self, chat: str) -> str | None:
        """Return the name of the newest run of this chat."""
        replies = await self._gateway.execute(("GET", _chat(chat)))
        match replies:
            case [bytes(member)]:
                return next(iter(_parse_names([member])), None)
            case _:
                return None

    async def tell(self, verb: RunVerb, names: Iterable[str]) -> None:
        """Tell all processes that these runs are to be stopped or lost, or are being read.

        With `end` the names are owners', all of whose runs are to be stopped.
        """
        if sent := [self._message(verb, name) for name in names]:
            await self._gateway.execute(*sent)

    def _message(self, verb: RunVerb, name: str) -> Command:
        return (
            "PUBLISH",
            self._gateway.channel,
            self._gateway.bus.compose(verb, check_key(name)),
        )

    def was_forgotten(self, owner: str, moment: int) -> bool:
        """Return whether this process knows that a run of this moment has been forgotten since."""
        return owner in self._pending or self._tombstones.cover(owner, moment)

    async def settle(self, owner: str) -> bool:
        """Carry out what is pending for this owner; return whether nothing is pending any more."""
        return await self._pending.settle(owner)

    async def forget(self, owner: str, *, held: bool = False) -> bool:
        """Forget all runs of this owner, and have those lost that are still being written.

        Return False when Redis has not taken all of it: it is told the rest as soon as possible,
        and until then no process that gets the message shows any of it. `held`: this process has
        runs of this owner.
        """
        done = await self._forget(owner, held=held)
        if not done:
            self._pending.add(owner, held=held)
            if self._gateway.reachable:
                await self._tombstones.announce(owner, held=held)
        return done

    async def _forget(self, owner: str, *, held: bool = False) -> bool:
        """Delete slice by slice within `forget_s`, so that no other call to Redis waits long."""
        past = self._gateway.bus.compose("past_runs", owner)
        a_slice = (
            *("EVAL", scripts.FORGET_RUNS, 1, _index_of(owner), _SLICE, _RUN, _ALIVE, "}"),
            *(self._gateway.channel, past, int(held)),
        )
        replies = await self._gateway.execute(self._message("lose", owner), a_slice)
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
        """Delete a run that was lost while it was being copied."""
        await self._gateway.execute(_deletion(_index_of(owner), [name.encode()]))

    async def _drop(self, owner: str, members: Sequence[Reply]) -> None:
        """Delete the runs over an owner's bound, and have the processes that write them lose them."""
        if members:
            lose = [self._message("lose", name) for name in _parse_names(members)]
            await self._gateway.execute(_deletion(_index_of(owner), members), *lose)

    async def _all_accepted(self, owner: str, replies: Sequence[Reply]) -> bool:
        """Return whether Redis took all of it; delete and count an index of a wrong type."""
        if WRONG_TYPE in replies:
            self._gateway.discarded.count("poisoned")
            await self._gateway.execute(("UNLINK", _index_of(owner)))
        return not any(isinstance(reply, Refusal) for reply in replies)

    async def _retry_now(self) -> None:
        self._pending.retry_now()


def _deletion(index: str, members: Sequence[Reply]) -> Command:
    """Return the command that deletes these runs and removes their names from the index."""
    names = _parse_names(members)
    keys = [index, *map(_stream, names), *map(_alive, names)]
    return ("EVAL", scripts.DELETE_RUNS, len(keys), *keys, *members)


def _parse_names(members: Sequence[Reply]) -> list[str]:
    """Return the members that are names: other writers to Redis may have added others."""
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
