"""A client that costs little: prebuilt requests over bare connections, answers counted by length.

An HTTP library in the load would be the bottleneck, and its time would count as the server's.
"""

import asyncio
import re
from collections.abc import Callable
from time import perf_counter
from typing import cast

from benching.server import Server

_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)
_OK = b"HTTP/1.1 200 "
_HEAD_END = b"\r\n\r\n"


def post(path: str, token: str = "") -> bytes:
    """A POST without a body, as bytes."""
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{bearer}Content-Length: 0\r\n\r\n".encode()


class Wire(asyncio.Protocol):
    """One connection; `answered(wire)` is called at each complete answer.

    `served` counts the answers with status 200, `refused` all others; the last one came `last_at`.
    """

    def __init__(self, request: bytes, answered: Callable[["Wire"], None]) -> None:
        self.served = 0
        self.refused = 0
        self.last_at = 0.0
        self._request = request
        self._answered = answered
        self._received = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, but not asyncio's classes.
        self._transport = cast("asyncio.WriteTransport", transport)

    def send(self) -> None:
        """Ask; at most one request is under way."""
        if self._transport is not None:
            self._transport.write(self._request)

    def leave(self) -> None:
        """Close the connection at once, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(_HEAD_END)
        length = _LENGTH.search(self._received) if head > 0 else None
        if length is None or len(self._received) < head + len(_HEAD_END) + int(length[1]):
            return
        self.last_at = perf_counter()
        if self._received.startswith(_OK):
            self.served += 1
        else:
            self.refused += 1
        self._received.clear()
        self._answered(self)


async def connect(
    server: Server, count: int, request: bytes, answered: Callable[[Wire], None]
) -> list[Wire]:
    """Open this many connections; nothing is asked yet."""
    loop = asyncio.get_running_loop()
    wires = []
    for _ in range(count):
        _, wire = await loop.create_connection(
            lambda: Wire(request, answered), "127.0.0.1", server.port
        )
        wires.append(wire)
    return wires
