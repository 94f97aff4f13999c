"""A client that costs little: prebuilt requests over bare connections, answers counted by length.

An HTTP library in the load would be the bottleneck, and its time would count as the server's.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import cast

from bench.processes import Server

_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)
_OK = b"HTTP/1.1 200 "
_HEAD_END = b"\r\n\r\n"


def post(path: str, token: str = "", body: bytes = b"") -> bytes:
    """A POST, as bytes."""
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    kind = "Content-Type: application/json\r\n" if body else ""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{bearer}{kind}Content-Length: {len(body)}"
    return head.encode() + _HEAD_END + body


class Wire(asyncio.Protocol):
    """One connection; `answered(wire)` is called at each complete answer.

    `request` is what is asked next. `served` counts the answers with status 200, `refused` all
    others; the last one came `last_at`.
    """

    def __init__(self, request: bytes, answered: Callable[["Wire"], None]) -> None:
        self.served = 0
        self.refused = 0
        self.last_at = 0.0
        self.answer = b""
        self.request = request
        self._answered = answered
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, but not asyncio's classes.
        self._transport = cast("asyncio.WriteTransport", transport)

    def send(self) -> None:
        """Ask; at most one request is under way."""
        if self._transport is not None:
            self._transport.write(self.request)

    def leave(self) -> None:
        """Close the connection at once, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        # Most answers are as long as the last one: no need to look at their heads again.
        if len(received) != len(self.answer) and not _whole(received):
            self._received = received
            return
        self.last_at = perf_counter()
        if received.startswith(_OK):
            self.served += 1
        else:
            self.refused += 1
        self.answer, self._received = received, b""
        self._answered(self)


def _whole(received: bytes) -> bool:
    head = received.find(_HEAD_END)
    length = _LENGTH.search(received, 0, head + 2) if head > 0 else None
    return length is not None and len(received) >= head + len(_HEAD_END) + int(length[1])


async def connect(
    server: Server, count: int, request: bytes, answered: Callable[[Wire], None]
) -> list[Wire]:
    """Open this many connections for one request; nothing is asked yet."""
    return await connect_each(server, [request] * count, answered)


async def connect_each(
    server: Server, requests: Sequence[bytes], answered: Callable[[Wire], None]
) -> list[Wire]:
    """Open a connection for each request; nothing is asked yet."""
    loop = asyncio.get_running_loop()
    wires = []
    for request in requests:
        _, wire = await loop.create_connection(
            partial(Wire, request, answered), "127.0.0.1", server.port
        )
        wires.append(wire)
    return wires
