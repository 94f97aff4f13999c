"""Commands, replies and timeouts of Redis, without the client library's names."""

from dataclasses import dataclass
from typing import Any

Command = tuple[str | bytes | int, ...]
Reply = Any  # bytes, int, None, list or a Refusal; every reader checks the shape


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations in seconds; the defaults were measured on loopback."""

    timeout_s: float = 0.25  # a connection, a free place in the pool, one reply
    deadline_s: float = 0.5  # a whole call, its one retry included
    rest_s: float = 5.0  # no calls after three failures in a row
    lease_s: float = 3.0  # how long a leader that died blocks the others
    beat_s: float = 1.0  # a lease is prolonged this often
    recheck_s: float = 1.0  # a waiter looks again even if no notice came
    silence_s: float = 10.0  # then the subscriber asks whether Redis is still there
    rejoin_first_s: float = 0.05  # the subscriber's back-off between attempts, doubling
    rejoin_most_s: float = 2.0
    forget_s: float = 2.0  # forgetting all answers of one listener, in slices


@dataclass(frozen=True, slots=True)
class Refusal:
    """Redis answered one command with an error; `code` is its first word, such as NOPERM."""

    code: str


WRONG_TYPE = Refusal("WRONGTYPE")  # of a value that something else than Lyra has put there


class UnansweredError(Exception):
    """Redis did not answer a call; the message is the reason in one word.

    `refused` is Redis' own word, if it closed the connection with one.
    """

    def __init__(self, reason: str, *, timed_out: bool, refused: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.timed_out = timed_out
        self.refused = refused


class RefusedError(Exception):
    """Redis will not let this user subscribe; the message is its reason in one word."""


def as_ms(seconds: float) -> int:
    """Return whole milliseconds, at least one: Redis takes no life of none."""
    return max(1, round(seconds * 1000))
