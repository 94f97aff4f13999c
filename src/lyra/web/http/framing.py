"""Decide which of a connection's bytes the parser may have now: one request at a time.

The parser is the authority on HTTP. `Framing` only tells apart the bytes of a head, those of a body
and those that wait behind a request that is not answered yet, so that each has its own bound and
its own deadline. It knows neither sockets nor aiohttp.

    HEAD       bytes go to the parser as they come, up to and with the empty line
    BODY       as many bytes as Content-Length says
    CHUNKS     pieces that end with an empty line, one of which is the body's end
    BEGINNING  none: what follows is known once the application begins the request
    WAIT       none: a request is being handled, and what comes belongs to those behind it

Invariant: the bytes given to the parser and the bytes held are, in order, the bytes that came, but
for line breaks before a head, which mean nothing.
"""

from enum import Enum

_END = b"\r\n\r\n"
_OVERLAP = len(_END) - 1
_BREAKS = b"\r\n"


class _Part(Enum):
    HEAD = "head"
    BODY = "body"
    CHUNKS = "chunks"
    BEGINNING = "given"
    WAIT = "wait"


class Framing:
    """Cut the bytes of one connection into pieces for the parser."""

    __slots__ = (
        "_answered",
        "_body_left",
        "_held",
        "_max_head_bytes",
        "_parsed_bytes",
        "_part",
        "_tail",
    )

    def __init__(self, max_head_bytes: int) -> None:
        self._max_head_bytes = max_head_bytes  # bytes of one head, line breaks included
        self._held = bytearray()
        self._part = _Part.HEAD
        self._parsed_bytes = (
            0  # given to the parser of this head, or since the last bytes of this chunked body
        )
        self._tail = b""  # the last of them
        self._body_left = 0
        self._answered = False

    @property
    def held(self) -> int:
        """The number of bytes that the parser does not have yet."""
        return len(self._held)

    @property
    def head_bytes(self) -> int:
        """The number of bytes here that belong to no body: of an unfinished head, or held for later."""
        return 0 if self._part is _Part.BEGINNING else self._parsed_bytes + len(self._held)

    @property
    def too_long(self) -> bool:
        """Whether this head, or what stands between pieces of this body, exceeds its bound."""
        return self._parsed_bytes > self._max_head_bytes

    @property
    def head_due(self) -> bool:
        """Whether the next byte belongs to a head that may be given."""
        return self._part is _Part.HEAD

    @property
    def waits(self) -> bool:
        """Whether the parser gets nothing until a request is begun or answered."""
        return self._part in (_Part.BEGINNING, _Part.WAIT)

    @property
    def body_due(self) -> bool:
        """Whether more of a body has to come."""
        return self._part in (_Part.BODY, _Part.CHUNKS)

    @property
    def end_unknown(self) -> bool:
        """Whether only the parser knows where the body ends; call `end_body` when it has."""
        return self._part is _Part.CHUNKS

    def take_single_head(self, data: bytes) -> bool:
        """Take bytes that are one whole head and nothing else, which may go to the parser as they are.

        False: they are not; nothing was taken.
        """
        if (
            self._part is not _Part.HEAD
            or self._held
            or self._parsed_bytes
            or not (len(_END) < len(data) <= self._max_head_bytes)
            or data[0] in _BREAKS
            or data.find(_END) != len(data) - len(_END)
        ):
            return False
        self._part = _Part.BEGINNING
        return True

    def feed(self, data: bytes) -> None:
        """Hold these bytes, which have come."""
        self._held += data
        if not self._parsed_bytes and self._part in (_Part.HEAD, _Part.WAIT):
            self._skip_breaks()

    def next_piece(self) -> bytes:
        """Return what the parser may have next; nothing if it has to wait, or is `too_long`."""
        if not self._held or self.waits:
            return b""
        if self._part is _Part.BODY:
            return self._next_of_body()
        piece = self._cut(self._length_to_empty_line())
        self._parsed_bytes += len(piece)
        if self._part is _Part.CHUNKS:
            self._ends_with_empty_line(piece)
        elif self.too_long:
            return b""
        elif self._ends_with_empty_line(piece):
            self._enter(_Part.BEGINNING)
        return piece

    def begin_request(self, length: int | None) -> None:
        """Begin the request: `length` bytes of body follow; None: only the parser will know."""
        self._answered = False
        self._body_left = length or 0
        self._enter(_Part.CHUNKS if length is None else _Part.BODY if length else _Part.WAIT)

    def note_body_progress(self) -> None:
        """Note that the last piece held some of the body."""
        self._parsed_bytes = 0

    def end_body(self) -> None:
        """End the body: its last byte is with the parser."""
        self._enter(_Part.HEAD if self._answered else _Part.WAIT)

    def end_response(self) -> None:
        """End the response: the parser may have the next head, once the body is over."""
        self._answered = True
        if not self.body_due:
            self._enter(_Part.HEAD)

    def clear(self) -> None:
        """Drop all bytes that are held."""
        self._held.clear()
        self._parsed_bytes = 0

    def _next_of_body(self) -> bytes:
        piece = self._cut(self._body_left)
        self._body_left -= len(piece)
        if not self._body_left:
            self.end_body()
        return piece

    def _length_to_empty_line(self) -> int:
        """Return the length up to and with the next empty line, else of all that is held."""
        seam = self._tail + bytes(self._held[:_OVERLAP])
        across = seam.find(_END)
        if across >= 0:
            return across + len(_END) - len(self._tail)
        index = self._held.find(_END)
        return len(self._held) if index < 0 else index + len(_END)

    def _ends_with_empty_line(self, piece: bytes) -> bool:
        ended = (self._tail + piece[-len(_END) :]).endswith(_END)
        self._tail = (self._tail + piece[-_OVERLAP:])[-_OVERLAP:]
        return ended

    def _cut(self, length: int) -> bytes:
        piece = bytes(self._held[:length])
        del self._held[:length]
        return piece

    def _enter(self, part: _Part) -> None:
        self._part, self._parsed_bytes, self._tail = part, 0, b""
        if self._held and part in (_Part.HEAD, _Part.WAIT):
            self._skip_breaks()

    def _skip_breaks(self) -> None:
        if self._held and self._held[0] in _BREAKS:
            self._held[:] = self._held.lstrip(_BREAKS)
