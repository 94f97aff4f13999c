"""The deadline that applies to a connection now. Knows neither sockets nor aiohttp.

    state           begins with                                        deadline
    AWAITING_HEAD   the connection; the first byte of a head at rest;  head_s from then
                    an answer with part of the next head behind it
    BEGINNING       the last byte of a head                            head_s from then
    UNDER_WAY       the application beginning to handle the request    none
    ANSWERING       the answer being ready to be sent                  write_s from then, and
                                                                       from each progress
    IDLE            an answer that has left, with nothing behind it    idle_s from then
    LINGERING       an answer that has left before its request's       linger_s from then
                    body, or a refusal of the head

Invariants, whatever the order in which bytes and answers come:

- While a request is under way the connection has no deadline. The handler has one for the body, and
  answers 408; a stream has those of the model and of its reader (`StreamMonitor`).
- No byte moves a deadline: a peer that drips gets no more time than one that is silent.
- A head that comes while another request is under way has its time from that one's answer on.
- `BEGINNING` lasts for one iteration of the event loop. Its deadline ends a connection whose head is
  whole here but not for the server; nothing else would.
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
    """One connection's state. `at` is when it has to end, by the clock of `now`; None: no deadline."""

    __slots__ = ("_limits", "at", "phase")

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self.phase = Phase.AWAITING_HEAD
        self.at: float | None = now + limits.head_s

    def begin_head(self, now: float) -> None:
        """Note that a part of a head is here."""
        if self.phase is Phase.IDLE:
            self._enter(Phase.AWAITING_HEAD, now + self._limits.head_s)

    def end_head(self, now: float) -> None:
        """Note that a head is whole: the application will begin to handle the request."""
        if self.phase in (Phase.AWAITING_HEAD, Phase.IDLE):
            self._enter(Phase.BEGINNING, now + self._limits.head_s)

    def begin_request(self) -> None:
        """Note that the application handles the request."""
        self._enter(Phase.UNDER_WAY, None)

    def begin_response(self, now: float) -> None:
        """Note that the response is ready, and that the rest of it is being sent."""
        self._enter(Phase.ANSWERING, now + self._limits.write_s)

    def end_response(self, now: float, *, body_due: bool, part_of_head: bool) -> None:
        """Note that the response has left; a body that nothing has read may still be on its way."""
        if body_due:
            self._enter(Phase.LINGERING, now + self._limits.linger_s)
        else:
            self._begin_idle(now, part_of_head=part_of_head)

    def end_body(self, now: float, *, part_of_head: bool) -> None:
        """Note that the body's last byte is here."""
        if self.phase is Phase.LINGERING:
            self._begin_idle(now, part_of_head=part_of_head)

    def refuse(self, now: float) -> None:
        """Note that the connection was refused, and reads no more."""
        self._enter(Phase.LINGERING, now + self._limits.linger_s)

    def has_passed(self, now: float, *, progress: bool) -> bool:
        """Return whether it has to end now. `progress`: its peer has read something since the last call."""
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
