"""Whether a chunked body is HTTP, by the word of the parser that reads it.

When its parser meets a chunk that is none, aiohttp tells the requests behind, and not the one that
waits for the body. So the same parser, one of its own for each such body, looks at each piece first.
"""

import asyncio

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser
from aiohttp.http_exceptions import HttpProcessingError

_HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
_LIMIT = 1 << 30  # never reached: what is read is dropped at once


class Chunks:
    """One chunked body. `max_field_size`, `max_headers`: of its trailers."""

    __slots__ = ("_body", "_parser")

    def __init__(self, *, max_field_size: int, max_headers: int) -> None:
        loop = asyncio.get_running_loop()
        self._parser = HttpRequestParser(
            BaseProtocol(loop),
            loop,
            _LIMIT,
            max_field_size=max_field_size,
            max_headers=max_headers,
            auto_decompress=False,
        )
        messages, _, _ = self._parser.feed_data(_HEAD)
        self._body = messages[0][1]

    def take(self, piece: bytes) -> bool:
        """Look at the next piece; whether it may be given to who reads the body."""
        try:
            self._parser.feed_data(piece)
        except HttpProcessingError:
            return False
        if not self._body.is_eof():
            self._body.read_nowait()
        return True
