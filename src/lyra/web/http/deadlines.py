"""Which deadline applies to a connection now. Knows neither sockets nor aiohttp.

    state           begins with                                        deadline
    AWAITING_HEAD   the connection; the first byte of a head at rest;  head_s from then
                    an answer with part of the next head behind it
    BEGINNING       the last byte of a head                            head_s from then
    UNDER_WAY       the server taking the request up                   none
    ANSWERING       the answer being ready to be sent                  write_s from then, and
                                                                       from each progress
    IDLE            an answer that has left, with nothing behind it    idle_s from then
    LINGERING       an answer that has left before its request's       linger_s from then
                    body, or a refusal of the head

Invariants, whatever the order in which bytes and answers come:

- While a request is under way the connection has no deadline. Its body's is the handler's, who
  answers 408; a stream's are its model's, and its reader's (`sse.Ticker`).
- No byte moves a deadline: who drips gets no more time than who is silent.
- A head that comes while another request is under way has its time from that one's answer on.
- `BEGINNING` lasts for a turn of the event loop. That it has a deadline ends a connection whose
  head is whole here and not for the server, which nothing else would end.
"""

from enum import Enum
from typing import NamedTuple


class Phase(Enum):
    """See the table above."""

    AWAITING_HEAD = "awaiting_head"
    BEGINNING = "beginning"
    UNDER_WAY = "under_way"
    ANSWERING = "answering"
    IDLE = "idle"
    LINGERING = "lingering"


class Limits(NamedTuple):
    """How long each state may last, in seconds."""

    head_s: float
    idle_s: float
    write_s: float
    linger_s: float


class Deadlines:
    """One connection's state; `at` is when it has to end, by the clock of `now`, None: not yet."""

    __slots__ = ("_limits", "at", "phase")

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self.phase = Phase.AWAITING_HEAD
        self.at: float | None = now + limits.head_s

    def begin_head(self, now: float) -> None:
        """Some of a head is here, and not all."""
        if self.phase is Phase.IDLE:
            self._enter(Phase.AWAITING_HEAD, now + self._limits.head_s)

    def end_head(self, now: float) -> None:
        """A head is whole; the server will take the request up."""
        if self.phase in (Phase.AWAITING_HEAD, Phase.IDLE):
            self._enter(Phase.BEGINNING, now + self._limits.head_s)

    def begin_request(self) -> None:
        """The server works on the request."""
        self._enter(Phase.UNDER_WAY, None)

    def begin_response(self, now: float) -> None:
        """The answer is ready; what of it has not left yet is being sent."""
        self._enter(Phase.ANSWERING, now + self._limits.write_s)

    def end_response(self, now: float, *, body_due: bool, part_of_head: bool) -> None:
        """The answer has left; the body that nobody has read may still be on its way."""
        if body_due:
            self._enter(Phase.LINGERING, now + self._limits.linger_s)
        else:
            self._begin_idle(now, part_of_head=part_of_head)

    def end_body(self, now: float, *, part_of_head: bool) -> None:
        """The body's last byte is here."""
        if self.phase is Phase.LINGERING:
            self._begin_idle(now, part_of_head=part_of_head)

    def refuse(self, now: float) -> None:
        """The connection has had its last words, and hears no more."""
        self._enter(Phase.LINGERING, now + self._limits.linger_s)

    def has_passed(self, now: float, *, progress: bool) -> bool:
        """Whether it has to end now. `progress`: its reader has taken something since last asked."""
        if self.phase is Phase.ANSWERING and progress:
            self.at = max(self.at or now, now + self._limits.write_s)
        return self.at is not None and now >= self.at

    def _begin_idle(self, now: float, *, part_of_head: bool) -> None:
        if part_of_head:
            self._enter(Phase.AWAITING_HEAD, now + self._limits.head_s)
        else:
            self._enter(Phase.IDLE, now + self._limits.idle_s)

    def _enter(self, phase: Phase, at: float | None) -> None:
        self.phase, self.at = phase, at
