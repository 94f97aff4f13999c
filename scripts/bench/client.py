"""A client that costs little: requests as bytes over a bare connection, answers seen as they come.

An HTTP library in the load would be the bottleneck, and its time would count as the server's.
"""

import asyncio
import re
import socket
import struct
import time
from typing import NamedTuple, Self, cast

import orjson

_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
_TAIL_BYTES = 1024  # holds an answer's ending
_EMPTY = (204, 304)


class Reply(NamedTuple):
    """One whole answer, or what of it had come when the connection ended (`ending` is "cut").

    A stream's ending is `finish`, `error`, `abort` or `none`; that of all else is "".
    """

    status: int
    ending: str
    seconds: float
    at: float
    head: bytes


def request(method: str, path: str, token: str = "", body: object = None) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    sent = b"" if body is None else orjson.dumps(body)
    if sent:
        lines.append("Content-Type: application/json")
    lines += [f"Content-Length: {len(sent)}", "", ""]
    return "\r\n".join(lines).encode() + sent


def question(token: str, number: int, pace: str, **more: object) -> bytes:
    """A chat of which the scripted model knows the number and the pace."""
    return request("POST", "/lyra/chat", token, {"message": f"What now? #{number}/{pace}#", **more})


class Asker(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self) -> None:
        self.spoke = asyncio.Event()  # at the first word of an answer
        self.lost = False
        self.closing = False  # the server has said that this answer was the last
        self._transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[Reply] | None = None
        self._asked_at = 0.0
        self._head = self._tail = b""
        self._missing: int | None = None  # bytes of the body; None where it comes in chunks

    @classmethod
    async def connect(cls, port: int, source: str = "127.0.0.1") -> Self:
        """A new connection, from this address of the loopback network."""
        loop = asyncio.get_running_loop()
        _, asker = await loop.create_connection(cls, "127.0.0.1", port, local_addr=(source, 0))
        return asker

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, but not asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, sent: bytes) -> asyncio.Future[Reply]:
        """Send this, and get the answer once it is whole or the connection has ended."""
        self._forget()
        self._reply = asyncio.get_running_loop().create_future()
        self._asked_at = time.monotonic()
        if self._transport is None or self.lost:
            self._answered("cut")
        else:
            self._transport.write(sent)
        assert self._reply is not None  # noqa: S101 - made above
        return self._reply

    def send(self, data: bytes) -> None:
        """Send bytes that are no whole request; nothing is awaited."""
        if self._transport is not None and not self.lost:
            self._transport.write(data)

    def leave(self, *, reset: bool = False) -> float:
        """Close the connection, by FIN or by RST; the moment at which that happened."""
        left_at = time.monotonic()
        if self._transport is not None and not self.lost:
            if reset:
                sock: socket.socket = self._transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.close()
        return left_at

    def close(self) -> None:
        """Close the connection without ceremony."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._tail += data
        if not self._head:
            end = self._tail.find(_HEAD_END)
            if end < 0:
                return
            self._open(self._tail[: end + 2], self._tail[end + 4 :])
        elif self._missing is not None:
            self._missing -= len(data)
        if b'"text-delta"' in data:
            self.spoke.set()
        if self._complete():
            self._answered(self._ending())
        elif len(self._tail) > _TAIL_BYTES:
            self._tail = self._tail[-_TAIL_BYTES:]

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.lost = True
        self._answered("cut")

    def _forget(self) -> None:
        self._head = self._tail = b""
        self._missing = None

    def _open(self, head: bytes, rest: bytes) -> None:
        self._head, self._tail = head, rest
        self.closing = b"\r\nconnection: close" in head.lower()
        if found := _LENGTH.search(head):
            self._missing = int(found[1]) - len(rest)
        elif int(head[9:12]) in _EMPTY:
            self._missing = 0

    def _complete(self) -> bool:
        if self._missing is None:
            return self._tail.endswith(b"\r\n0\r\n\r\n")
        return self._missing <= 0

    def _ending(self) -> str:
        if self._missing is not None:
            return ""
        if b"data: [DONE]" not in self._tail:
            return "none"
        for name in ("abort", "finish"):
            if b'"type":"%b"' % name.encode() in self._tail:
                return "error" if b'"finishReason":"error"' in self._tail else name
        return "none"

    def _answered(self, ending: str) -> None:
        if self._reply is not None and not self._reply.done():
            now = time.monotonic()
            status = int(self._head[9:12]) if self._head else 0
            took = now - self._asked_at
            self._reply.set_result(Reply(status, ending, took, now, self._head))
