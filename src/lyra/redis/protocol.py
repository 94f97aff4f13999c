"""What is said to Redis and what comes back, without the client library's names."""

from dataclasses import dataclass
from typing import Any

Command = tuple[str | bytes | int, ...]
Reply = Any  # bytes, int, None, or a Refusal; the room checks before it believes


@dataclass(frozen=True, slots=True)
class Refusal:
    """Redis answered one command with an error; `code` is its first word, such as NOPERM."""

    code: str


class UnansweredError(Exception):
    """Redis did not answer a call; the message is the reason in one word.

    `refused` is Redis' own word, if it was one that the connection was lost with.
    """

    def __init__(self, reason: str, *, timed_out: bool, refused: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.timed_out = timed_out
        self.refused = refused


class RefusedError(Exception):
    """Redis will not let this user subscribe; the message is its reason in one word."""
