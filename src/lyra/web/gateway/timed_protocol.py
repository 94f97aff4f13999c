"""The protocol with deadlines: a slow or silent peer cannot hold a connection, nor its memory.

What `TimedProtocol` does relies on aiohttp calling the public methods of its protocol (`_USED`):
that holds for the versions `TRIED`. With another version, or where a name is missing, connections
have aiohttp's own deadlines alone; see `choose_protocol`.
"""

import asyncio
import logging

import aiohttp
from aiohttp import StreamReader, web

from lyra.errors import HeadTooLargeError, RequestError
from lyra.web.gateway.protocol import MAX_FIELD_BYTES, MAX_FIELDS, Gate, PlainProtocol
from lyra.web.http.chunks import Chunks
from lyra.web.http.deadlines import Deadlines, Phase
from lyra.web.http.framing import Framing
from lyra.web.http.responses import raw_error_response

log = logging.getLogger(__name__)

TRIED = ("3.14",)
_USED = frozenset(
    {"connection_lost", "connection_made", "data_received", "finish_response", "force_close"}
    | {"handle_error", "transport"}
)
MAX_HEAD_BYTES = 16_384  # of one request: its first line and all its fields
_FINAL_CHECK_S = 0.01  # after a stall the loop runs timers before it reads what has come in time
_PIECES = 64  # given to the parser in one iteration of the loop
_MAX_HELD = 16_384  # bytes behind a request, from which on no more are read
_WAITING = (Phase.AWAITING_HEAD, Phase.LINGERING)


class TimedProtocol(PlainProtocol):
    """Feed `Framing`, `Deadlines` and `ConnectionTable` with what happens, and do what they say."""

    __slots__ = (
        "_body",
        "_chunks",
        "_deadlines",
        "_discarding",
        "_event_loop",
        "_final_check",
        "_framing",
        "_reading_stopped",
        "_timer",
        "_timer_at",
        "_unsent",
    )

    def __init__(self, gate: Gate) -> None:
        super().__init__(gate)
        self._event_loop = asyncio.get_running_loop()
        self._framing = Framing(MAX_HEAD_BYTES)
        self._deadlines = Deadlines(gate.limits, self._event_loop.time())
        self._body: StreamReader | None = None  # while only the parser knows where it ends
        self._chunks: Chunks | None = None  # of that body
        self._discarding = False  # what comes is dropped
        self._reading_stopped = False  # nothing is read
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._final_check = False
        self._unsent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._update()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._discarding, self._body, self._chunks = (
            True,
            None,
            None,
        )  # the body knows this: a cycle
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; aiohttp calls it with no bytes to have the parser go on."""
        if self._discarding:
            return
        if self._framing.take_single_head(data):  # as nearly every request comes
            self._deadlines.end_head(self._event_loop.time())
            self._gate.connections.mark_working(self)
            self._arm_timer()
            super().data_received(data)
            return
        if data:
            self._framing.feed(data)
        else:
            self._feed_piece(data)
        self._feed_parser()

    def begin_request(self, request: web.Request) -> None:
        """Pass the body on to the request as it comes."""
        content = request.content
        length = 0 if content.is_eof() else request.content_length
        if length is None:
            spare = MAX_FIELDS - len(request.raw_headers)
            self._body = content
            self._chunks = Chunks(max_line=MAX_FIELD_BYTES, max_trailers=spare)
        else:
            self._body = self._chunks = None
        self._framing.begin_request(length)
        self._deadlines.begin_request()
        if length != 0 or self._framing.held:
            self._feed_parser()

    @property
    def nothing_queued(self) -> bool:
        """Whether no bytes wait for this request's answer."""
        return self._framing.waits and not self._framing.held

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the rest of the answer within its time; then the next request may be parsed."""
        self._deadlines.begin_response(self._event_loop.time())
        self._arm_timer()
        if self._discarding:
            resp.force_close()
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._end_response()

    def _end_response(self) -> None:
        framing = self._framing
        framing.end_response()
        self._deadlines.end_response(
            self._event_loop.time(),
            body_due=framing.body_due,
            part_of_head=framing.head_bytes > 0,
        )
        if self._deadlines.phase is not Phase.IDLE or self._reading_stopped:
            self._feed_parser()
        elif not self._discarding:
            self._gate.connections.mark_idle(self)
            self._arm_timer()

    def _feed_parser(self) -> None:
        """Feed the parser what it may have now, and act on what it makes of it."""
        for _ in range(_PIECES):
            if self._discarding or not (piece := self._framing.next_piece()):
                break
            self._feed_piece(piece)
        else:
            self._event_loop.call_soon(self._feed_parser)  # tiny pieces, sent to keep the loop busy
        self._update()

    def _feed_piece(self, piece: bytes) -> None:
        body = self._body if self._framing.end_unknown else None
        if body is not None and self._chunks is not None and not self._chunks.take(piece):
            self._reject_body(body)
            return
        before = 0 if body is None else body.total_bytes
        super().data_received(piece)
        if body is None:
            return
        if body.is_eof():
            self._body = self._chunks = None
            self._framing.end_body()
        elif body.total_bytes > before:
            self._framing.note_body_progress()

    def _reject_body(self, body: StreamReader) -> None:
        """Fail the request whose body is not HTTP, and read no more: its end cannot be known."""
        log.info("malformed request: a body's chunks")
        self._discarding, self._body, self._chunks = True, None, None
        self._framing.clear()
        self._gate.connections.set_head_bytes(self, 0)
        self._throttle_reading()
        if self._deadlines.phase is Phase.LINGERING:  # it has been answered
            self.disconnect()
            return
        body.set_exception(RequestError("The request's body is not valid HTTP."))
        body.feed_eof()  # else aiohttp would wait for the rest after the answer

    def _update(self) -> None:
        """Bring deadlines, table and reading up to date with what has just happened."""
        if self._discarding or self.transport is None or self.transport.is_closing():
            return
        if self._framing.too_long:
            self._reject_excess()
        else:
            self._update_deadlines()
            self._gate.connections.set_head_bytes(self, self._framing.head_bytes)
        self._update_table()
        self._throttle_reading()
        self._arm_timer()

    def _update_deadlines(self) -> None:
        """Report to the deadlines how far the head and the body are."""
        framing, now = self._framing, self._event_loop.time()
        if self._deadlines.phase is Phase.LINGERING and not framing.body_due:
            self._deadlines.end_body(now, part_of_head=framing.head_bytes > 0)
        if framing.waits:
            self._deadlines.end_head(now)
        elif framing.head_due and framing.head_bytes:
            self._deadlines.begin_head(now)

    def _update_table(self) -> None:
        """Report to the table whether a request is under way."""
        phase, connections = self._deadlines.phase, self._gate.connections
        if phase is Phase.IDLE:
            connections.mark_idle(self)
        elif phase in _WAITING:
            connections.mark_waiting(self)
        else:
            connections.mark_working(self)

    def _throttle_reading(self) -> None:
        """Stop reading while much waits behind a request; while little does, a FIN is still seen."""
        if self.transport is None or self.transport.is_closing():
            return
        if self._framing.held >= _MAX_HELD:
            self._reading_stopped = True
            if self.transport.is_reading():
                self.transport.pause_reading()
        elif self._reading_stopped:
            self._reading_stopped = False
            if not self.transport.is_reading():
                self.transport.resume_reading()

    def _reject_excess(self) -> None:
        """Refuse what is too long, in words if no answer is under way, and read no more."""
        if self._body is not None:
            self._reject_body(self._body)
            return
        polite = self._framing.head_due
        self._discarding = True
        self._framing.clear()
        self._gate.connections.set_head_bytes(self, 0)
        if not polite or self.transport is None:
            self.disconnect()
            return
        self.transport.write(raw_error_response(HeadTooLargeError()))
        self.transport.write_eof()
        self._deadlines.refuse(self._event_loop.time())

    def _arm_timer(self) -> None:
        at = self._deadlines.at
        if at is None or self.transport is None or (self._timer and self._timer_at <= at):
            return  # a timer that is too early arms itself again
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = self._event_loop.call_at(at, self._on_timer), at

    def _on_timer(self) -> None:
        self._timer = None
        if self.transport is None:
            return
        now, unsent = self._event_loop.time(), self.transport.get_write_buffer_size()
        passed = self._deadlines.has_passed(now, progress=unsent < self._unsent)
        self._unsent = unsent
        if not passed:
            self._final_check = False
            self._arm_timer()
        elif self._final_check:
            self.disconnect()
        else:
            self._final_check = True
            self._timer_at = now + _FINAL_CHECK_S
            self._timer = self._event_loop.call_at(self._timer_at, self._on_timer)


def choose_protocol() -> type[PlainProtocol]:
    """Return the protocol for the installed aiohttp."""
    minor = ".".join(aiohttp.__version__.split(".")[:2])
    missing = {name for name in _USED if not hasattr(web.RequestHandler, name)}
    clashing = {name for name in vars(TimedProtocol) if hasattr(web.RequestHandler, name)} - _USED
    clashing = {name for name in clashing if not name.startswith("__")}
    if minor in TRIED and not missing and not clashing:
        return TimedProtocol
    log.warning(
        "aiohttp %s is not one that was tried (%s): its own deadlines apply",
        aiohttp.__version__,
        ", ".join(TRIED),
    )
    return PlainProtocol
