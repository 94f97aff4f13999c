"""Whether a chunked body is HTTP (RFC 9112, section 7.1), judged byte by byte. Does no I/O.

When aiohttp's parser meets a fault in a body, whatever waits for that body is not told, and would
wait until its deadline. So nothing that is refused here is given to the parser. Of what has come
only the unfinished element of a line is kept, which is bounded and soon judged again.
"""

import re
from enum import Enum

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*'  # up to its second quote
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?=[;\r])")
_SIZE_BEGUN = re.compile(rb"[0-9A-Fa-f]{0,15}")
_EXTENSION = re.compile(rb';%b(?:=(?:%b|%b"))?(?=[;\r])' % (_TOKEN, _TOKEN, _QUOTED))
_EXTENSION_BEGUN = re.compile(rb'\r?|;(?:%b(?:=(?:%b|%b(?:\\|")?)?)?)?' % (_TOKEN, _TOKEN, _QUOTED))
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

    __slots__ = ("_left", "_length", "_line", "_max_line", "_part", "_sized", "_trailers_left")

    def __init__(self, *, max_line: int, max_trailers: int) -> None:
        self._part = _Part.SIZE
        self._line = b""  # what of the current line is not judged for good
        self._length = 0  # bytes of the current line
        self._max_line = max_line
        self._sized = False  # whether the current line's size is known
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
        self._length += end - at
        if self._length > self._max_line:
            self._part = _Part.BROKEN
            return end
        self._line += piece[at:end]
        if self._part is _Part.SIZE:
            self._judge_elements()
        if not (self._may_begin(self._line) if newline < 0 else self._end_line(self._line)):
            self._part = _Part.BROKEN
        if newline >= 0:
            self._line, self._length, self._sized = b"", 0, False
        return end

    def _judge_elements(self) -> None:
        """Drop the size and the extensions that are whole, so that each is looked at once."""
        at = 0
        if not self._sized and (match := _SIZE.match(self._line)):
            self._left, self._sized, at = int(match[1], 16), True, match.end()
        while self._sized and (match := _EXTENSION.match(self._line, at)):
            at = match.end()
        self._line = self._line[at:]

    def _may_begin(self, line: bytes) -> bool:
        """Return whether this may go on as a line of the current kind."""
        if self._part is _Part.BREAK:
            return _BREAK.startswith(line)
        if self._part is _Part.TRAILERS:
            return _FIELD_BEGUN.fullmatch(line) is not None
        begun = _EXTENSION_BEGUN if self._sized else _SIZE_BEGUN
        return begun.fullmatch(line) is not None

    def _end_line(self, line: bytes) -> bool:
        """Return whether a line of the current kind ends so; go on to the kind that follows."""
        if self._part is _Part.TRAILERS:
            return self._end_trailer(line)
        if self._part is _Part.BREAK:
            self._part = _Part.SIZE
            return line == _BREAK
        self._part = _Part.DATA if self._left else _Part.TRAILERS
        return self._sized and line == _BREAK

    def _end_trailer(self, line: bytes) -> bool:
        if line == _BREAK:
            self._part = _Part.OVER
            return True
        self._trailers_left -= 1
        return self._trailers_left >= 0 and _FIELD.fullmatch(line) is not None
