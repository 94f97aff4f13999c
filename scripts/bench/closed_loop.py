"""A closed loop: prebuilt requests over bare connections, each asked again as it is answered.

Cheaper than `client.py`, for answers of known length: nothing of them is looked at but the status.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import cast

from bench.processes import Server
from bench.slices import Slice, Take

CONNECTIONS = 64
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)
_OK = b"HTTP/1.1 200 "
_HEAD_END = b"\r\n\r\n"


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

    def close(self) -> None:
        """Close the connection at once, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        # Most answers are as long as the last one: no need to look at their heads again.
        if len(received) != len(self.answer) and not _whole(received):
            self._received = received
            return
        self.last_at = monotonic()
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


@dataclass(frozen=True)
class ClosedLoop:
    """Requests to one server over many connections; `again` may choose another request for each."""

    server: Server
    requests: Sequence[bytes]
    again: Callable[[Wire], None] = Wire.send

    @classmethod
    def of(cls, server: Server, request: bytes) -> "ClosedLoop":
        """The same request over all connections."""
        return cls(server, [request] * CONNECTIONS)

    async def one(self) -> Wire:
        """A connection that has one whole answer, as `answer`."""
        answered = asyncio.Event()
        (wire,) = await connect(self.server, self.requests[:1], lambda _: answered.set())
        wire.send()
        async with asyncio.timeout(10):
            await answered.wait()
        wire.close()
        if not wire.served:
            raise RuntimeError(f"{self.server.url} refused: {wire.answer[:300]!r}")
        return wire

    async def slice(self, seconds: float) -> Slice:
        """As many as it answers in this time."""
        wires = await connect(self.server, self.requests, self.again)
        cpu_s, began = self.server.cpu_s(), monotonic()
        for wire in wires:
            wire.send()
        await asyncio.sleep(seconds)
        served = sum(wire.served for wire in wires)
        took, used_s = monotonic() - began, self.server.cpu_s() - cpu_s
        for wire in wires:
            wire.close()
        if not served or any(wire.refused for wire in wires):
            raise RuntimeError(f"{self.server.url} refused a warm request")
        return Slice(served, took, used_s)

    def take(self, seconds: float) -> Take:
        """A slice of this length, to be taken in turns."""
        return lambda: self.slice(seconds)


class Countdown:
    """Counts answers down, and tells when everybody has one."""

    def __init__(self, size: int) -> None:
        self._missing = size
        self._complete = asyncio.Event()
        if not size:
            self._complete.set()

    def note(self, _: Wire) -> None:
        """Count one."""
        self._missing -= 1
        if not self._missing:
            self._complete.set()

    async def wait(self, limit_s: float) -> None:
        """Wait for the last answer; not for ever, since a missing one is a result."""
        try:
            async with asyncio.timeout(limit_s):
                await self._complete.wait()
        except TimeoutError:
            return
