"""A client that costs little: requests as bytes over a bare connection, answers seen as they come.

An HTTP library in the load would be the bottleneck, and its time would count as the server's. Words
of a stream are counted where they arrive; nothing is decoded.
"""

import asyncio
import re
import socket
import struct
import time
from collections.abc import Coroutine, Iterator, Sequence
from typing import NamedTuple, Self, cast

import orjson

WORD = b'"text-delta"'  # in every frame with words of Lyra's, the peer's and the lean pipeline's
MODEL_WORD = b'"text_delta"'  # in the model's own
OK = 200
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
_TAIL_BYTES = 1024  # holds an answer's ending
_EMPTY = (204, 304)


class Reply(NamedTuple):
    """One whole answer, or what of it had come when the connection ended (`ending` is "cut").

    A stream's ending is `finish`, `error`, `abort` or `none`; that of all else is "". `first_s` counts
    from the question to the first word.
    """

    status: int
    ending: str
    seconds: float
    at: float
    head: bytes
    first_s: float

    @property
    def served(self) -> bool:
        """Whether it is a good answer that has come to its end."""
        return self.status == OK and self.ending not in ("cut", "error", "abort")


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
    """A chat of which the scripted model knows the number and the pace (`servers/upstream.py`)."""
    return request("POST", "/lyra/chat", token, {"message": f"What now? #{number}/{pace}#", **more})


def model_call(number: int, pace: str) -> bytes:
    """The same, asked of the model itself."""
    turn = {"role": "user", "content": f"What now? #{number}/{pace}#"}
    body = {"model": "scripted", "max_tokens": 1024, "stream": True, "messages": [turn]}
    return request("POST", "/v1/messages", "benchmark", body)


class Client(asyncio.Protocol):
    """One connection with at most one request under way.

    `words` of its answers were counted so far; `times` are when they came, if it is set to a list.
    """

    def __init__(self, word: bytes = WORD) -> None:
        self.spoke = asyncio.Event()  # at the first word of an answer
        self.lost = False
        self.closing = False  # the server has said that this answer was the last
        self.words = 0
        self.times: list[float] | None = None
        self._word = word
        self._transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[Reply] | None = None
        self._asked_at = self._first_at = 0.0
        self._head = self._tail = b""
        self._missing: int | None = None  # bytes of the body; None where it comes in chunks

    @classmethod
    async def connect(cls, port: int, source: str = "127.0.0.1", word: bytes = WORD) -> Self:
        """A new connection, from this address of the loopback network."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(
            lambda: cls(word), "127.0.0.1", port, local_addr=(source, 0)
        )
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, but not asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, sent: bytes) -> asyncio.Future[Reply]:
        """Send this, and get the answer once it is whole or the connection has ended."""
        self._head = self._tail = b""
        self._missing, self._first_at = None, 0.0
        self.spoke.clear()
        self._reply = asyncio.get_running_loop().create_future()
        self._asked_at = time.monotonic()
        if self._transport is None or self.lost:
            self._answered("cut")
        else:
            self._transport.write(sent)
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
        overlap = max(0, len(self._tail) - len(self._word) + 1)
        self._tail += data
        if not self._head:
            end, overlap = self._tail.find(_HEAD_END), 0
            if end < 0:
                return
            self._open(self._tail[: end + 2], self._tail[end + 4 :])
        elif self._missing is not None:
            self._missing -= len(data)
        # A word that is cut in two is counted with its second half.
        if words := self._tail.count(self._word, overlap):
            self._count(words)
        if self._complete():
            self._answered(self._ending())
        elif len(self._tail) > _TAIL_BYTES:
            self._tail = self._tail[-_TAIL_BYTES:]

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.lost = True
        self._answered("cut")

    def _open(self, head: bytes, rest: bytes) -> None:
        self._head, self._tail = head, rest
        self.closing = b"\r\nconnection: close" in head.lower()
        if match := _LENGTH.search(head):
            self._missing = int(match[1]) - len(rest)
        elif int(head[9:12]) in _EMPTY:
            self._missing = 0

    def _count(self, words: int) -> None:
        now = time.monotonic()
        self.words += words
        if not self._first_at:
            self._first_at = now
            self.spoke.set()
        if self.times is not None:
            self.times.append(now)

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
            first_s = self._first_at - self._asked_at if self._first_at else 0.0
            self._reply.set_result(
                Reply(status, ending, now - self._asked_at, now, self._head, first_s)
            )


async def connect_all(port: int, count: int, word: bytes = WORD) -> list[Client]:
    """So many connections; nothing is asked yet."""
    return [await Client.connect(port, word=word) for _ in range(count)]


def close_all(clients: Sequence[Client]) -> None:
    """Close every connection."""
    for client in clients:
        client.close()


def words_of(clients: Sequence[Client]) -> int:
    """The words that have come over these connections."""
    return sum(client.words for client in clients)


async def ask_evenly(
    clients: Sequence[Client], sent: bytes, spread_s: float
) -> list[asyncio.Future[Reply]]:
    """Ask on every connection, evenly spread over this time; the answers to come."""
    loop = asyncio.get_running_loop()
    began, step = loop.time(), spread_s / len(clients)
    replies = []
    for number, client in enumerate(clients):
        await asyncio.sleep(began + number * step - loop.time())
        replies.append(client.ask(sent))
    return replies


async def all_served(replies: Sequence[asyncio.Future[Reply]], limit_s: float) -> list[Reply]:
    """Wait for the end of every answer.

    Raises:
        RuntimeError: one was refused or broke off.
    """
    async with asyncio.timeout(limit_s):
        found = await asyncio.gather(*replies)
    if bad := sum(not reply.served for reply in found):
        raise RuntimeError(f"{bad} of {len(found)} answers were refused or broke off")
    return found


async def until_spoken(client: Client, reply: asyncio.Future[Reply]) -> None:
    """Wait for the first word, or for the end of an answer that has none."""
    spoke = asyncio.get_running_loop().create_task(client.spoke.wait())
    await asyncio.wait((spoke, reply), return_when=asyncio.FIRST_COMPLETED)
    spoke.cancel()


async def at_once(limit: int, works: Iterator[Coroutine[None, None, None]]) -> None:
    """Do all of these, so many at the same time."""
    turn = asyncio.Semaphore(limit)

    async def one(work: Coroutine[None, None, None]) -> None:
        try:
            await work
        finally:
            turn.release()

    async with asyncio.TaskGroup() as group:
        while True:
            await turn.acquire()
            if (work := next(works, None)) is None:
                break
            group.create_task(one(work))
