"""Whether a chunked body is HTTP (RFC 9112, section 7.1), judged byte by byte. Does no I/O.

When aiohttp's parser meets a fault in a body, whatever waits for that body is not told, and would
wait until its deadline. So nothing that is refused here is given to the parser. Of what has come
only the unfinished line is kept, which is bounded.
"""

import re
from enum import Enum

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*'  # up to its second quote
_EXTENSIONS = rb'(?:;%b(?:=(?:%b|%b"))?)*' % (_TOKEN, _TOKEN, _QUOTED)
_EXTENSION_BEGUN = rb"(?:;(?:%b(?:=(?:%b\\?)?)?)?)?" % (_TOKEN, _QUOTED)
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})%b\r\n" % _EXTENSIONS)
_SIZE_BEGUN = re.compile(rb"(?:[0-9A-Fa-f]{1,15}%b(?:\r|%b))?" % (_EXTENSIONS, _EXTENSION_BEGUN))
# A length among the trailers would change where the body ends.
_NAME = rb"(?!(?i:content-length|transfer-encoding):)%b" % _TOKEN
_FIELD = re.compile(rb"%b:[\t -~\x80-\xff]*\r\n" % _NAME)
_FIELD_BEGUN = re.compile(rb"\r|%b(?::[\t -~\x80-\xff]*\r?)?" % _NAME)
_BREAK = b"\r\n"


class _Part(Enum):
    SIZE = "size"
    DATA = "data"
    BREAK = "break"
    TRAILERS = "trailers"
    OVER = "over"
    BROKEN = "broken"


class Chunks:
    """One chunked body: lines of `max_line` bytes and `max_trailers` trailer fields at most."""

    __slots__ = ("_left", "_line", "_max_line", "_part", "_trailers_left")

    def __init__(self, *, max_line: int, max_trailers: int) -> None:
        self._part = _Part.SIZE
        self._line = b""
        self._max_line = max_line
        self._left = 0  # bytes of the chunk that has begun
        self._trailers_left = max_trailers

    @property
    def over(self) -> bool:
        """Whether the body's end has come."""
        return self._part is _Part.OVER

    def take(self, piece: bytes) -> bool:
        """Judge the next piece. Return whether all so far may belong to a chunked body."""
        at = 0
        while at < len(piece) and self._part not in (_Part.OVER, _Part.BROKEN):
            if self._part is _Part.DATA:
                at += self._take_data(len(piece) - at)
            else:
                at = self._take_line(piece, at)
        return self._part is not _Part.BROKEN

    def _take_data(self, available: int) -> int:
        taken = min(self._left, available)
        self._left -= taken
        if not self._left:
            self._part = _Part.BREAK
        return taken

    def _take_line(self, piece: bytes, at: int) -> int:
        """Judge what belongs to the current line. Return where it ends in the piece."""
        newline = piece.find(b"\n", at)
        end = len(piece) if newline < 0 else newline + 1
        # One byte more than fits shows that the line is too long.
        line = self._line = self._line + piece[at : min(end, at + self._max_line + 1)]
        fits = len(line) <= self._max_line
        if not (fits and (self._may_begin(line) if newline < 0 else self._end_line(line))):
            self._part = _Part.BROKEN
        if newline >= 0:
            self._line = b""
        return end

    def _may_begin(self, line: bytes) -> bool:
        """Return whether this may become a line of the current kind."""
        if self._part is _Part.BREAK:
            return _BREAK.startswith(line)
        begun = _SIZE_BEGUN if self._part is _Part.SIZE else _FIELD_BEGUN
        return begun.fullmatch(line) is not None

    def _end_line(self, line: bytes) -> bool:
        """Return whether this is a line of the current kind; go on to the kind that follows."""
        if self._part is _Part.BREAK:
            self._part = _Part.SIZE
            return line == _BREAK
        return self._end_size(line) if self._part is _Part.SIZE else self._end_trailer(line)

    def _end_size(self, line: bytes) -> bool:
        match = _SIZE.fullmatch(line)
        if match is None:
            return False
        self._left = int(match[1], 16)
        self._part = _Part.DATA if self._left else _Part.TRAILERS
        return True

    def _end_trailer(self, line: bytes) -> bool:
        if line == _BREAK:
            self._part = _Part.OVER
            return True
        self._trailers_left -= 1
        return self._trailers_left >= 0 and _FIELD.fullmatch(line) is not None
