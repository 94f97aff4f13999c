"""A circuit breaker for each command that Redis refuses.

A Redis that is full, a replica, or a node of a cluster answers, but refuses some commands. A
refused command is held back for a rest: the caller gets the same refusal, without a call. Then one
is sent as a probe. No command is held back for another's sake, and deletes are always sent: a
listener has asked for them.

The state that is reported is the set of Redis' error words that stand, and each change of it is one
line in the log. A word stands until one of the commands that it answered is accepted, or, where
it is about Redis as a whole, until the check for that is accepted.
"""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from lyra.redis import scripts
from lyra.redis.protocol import Command, Refusal, Reply

log = logging.getLogger(__name__)

CLUSTER = "CLUSTER"
_OF_DATA = "WRONGTYPE"  # about a value of a wrong type, not about Redis
_OF_ONE_COMMAND = frozenset({"NOPERM", "ERR", "RUBBISH"})  # which must be taken itself
_GREETING = "HELLO"  # not every server knows it, and nothing depends on it
_NEVER_HELD_BACK = frozenset(
    {"UNLINK", scripts.FORGET, scripts.FORGET_ALL, scripts.FORGET_RUNS, scripts.TAKE}
)
_MAX_COMMANDS = 64  # commands; Lyra has half as many
_MAX_WORDS = 8  # words that stand; a strange server may invent any number
_OTHER = "OTHER"


class _Held(NamedTuple):
    code: str
    until: float


class Refusals:
    """The refused commands; a script is known by its text, any other by its first word."""

    def __init__(self, clock: Callable[[], float], *, rest_s: float) -> None:
        self._clock = clock
        self._rest_s = rest_s
        self._held: dict[str, _Held] = {}
        self._cluster = False

    @property
    def reason(self) -> str | None:
        """The word that has stood longest; None when all commands are accepted."""
        if self._cluster:
            return CLUSTER
        return next((held.code for held in self._held.values()), None)

    def cover(self, *commands: Command) -> bool:
        """Return whether one of these was refused when it was last sent."""
        return any(_kind(command) in self._held for command in commands)

    def hold_back(self, command: Command) -> Refusal | None:
        """Return the answer in Redis' place; None to send the command, which one may after a rest."""
        kind = _kind(command)
        held = self._held.get(kind)
        if held is None or kind in _NEVER_HELD_BACK:
            return None
        if self._clock() < held.until:
            return Refusal(held.code)
        self._held[kind] = held._replace(until=self._clock() + self._rest_s)
        return None

    def note(self, commands: Sequence[Command], replies: Sequence[Reply]) -> None:
        """Learn from the replies to these commands."""
        before = self._words()
        for command, reply in zip(commands, replies, strict=False):
            if not isinstance(reply, Refusal):
                self._note_accepted(command)
            elif reply.code != _OF_DATA and _kind(command) != _GREETING:
                self._note_refused(command, reply.code)
        self._log_changes(before)

    def note_cluster(self, *, cluster: bool) -> None:
        """Learn whether this Redis is a node of a cluster, all of whose keys are not its own."""
        before = self._words()
        self._cluster = cluster
        self._log_changes(before)

    def _note_accepted(self, command: Command) -> None:
        held = self._held.get(_kind(command))
        ended = {held.code} if held else set()
        if _kind(command) == scripts.LOOK:
            ended |= {each.code for each in self._held.values()} - _OF_ONE_COMMAND
        if ended:
            self._held = {kind: each for kind, each in self._held.items() if each.code not in ended}

    def _note_refused(self, command: Command, code: str) -> None:
        words = self._words()
        code = code if code in words or len(words) < _MAX_WORDS else _OTHER
        if _kind(command) in self._held or len(self._held) < _MAX_COMMANDS:
            self._held[_kind(command)] = _Held(code, self._clock() + self._rest_s)

    def _words(self) -> set[str]:
        if self._cluster:
            return {CLUSTER}  # the reason for all other words
        return {held.code for held in self._held.values()}

    def _log_changes(self, before: set[str]) -> None:
        now = self._words()
        if now - before:
            words = ", ".join(sorted(now - before))
            log.warning("Redis refuses what it is told (%s); going on without that for now", words)
        elif before and not now:
            log.info("Redis takes what it is told again")


def _kind(command: Command) -> str:
    return str(command[1] if command[0] == "EVAL" else command[0])
