"""Readers of streams that cost little: words are counted where they arrive, nothing is decoded."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import cast

import orjson

from bench.closed_loop import post
from bench.processes import Server

WORD = b'"text-delta"'  # in every frame with words of Lyra's, the peer's and the lean pipeline's
MODEL_WORD = b'"text_delta"'  # in the model's own
_OK = b"HTTP/1.1 200 "
_LAST = b"0\r\n\r\n"
_LIMIT_S = 120


def question(tokens: int, gap_ms: int, token: str) -> bytes:
    """A chat whose answer is of so many words, one every `gap_ms`."""
    body = orjson.dumps({"message": f"bench:{tokens}:{gap_ms} What do I play most?"})
    return post("/lyra/chat", token, body)


def model_call(tokens: int, gap_ms: int) -> bytes:
    """The same, asked of the model itself."""
    turn = {"role": "user", "content": f"bench:{tokens}:{gap_ms} What do I play most?"}
    body = {"model": "bench", "max_tokens": 1024, "stream": True, "messages": [turn]}
    return post("/v1/messages", "benchmark", orjson.dumps(body))


class Stream(asyncio.Protocol):
    """One question and its answer; `times` are when words came, if they are kept.

    `began` and `ended` are done with the first word and the last one, or when the stream is lost.
    """

    def __init__(self, request: bytes, word: bytes, *, timed: bool) -> None:
        self.asked_at = 0.0
        self.first_at = 0.0
        self.words = 0
        self.served = False
        self.began = asyncio.get_running_loop().create_future()
        self.ended = asyncio.get_running_loop().create_future()
        self.times: list[float] = []
        self._request = request
        self._word = word
        self._timed = timed
        self._tail = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def ask(self) -> None:
        """Send the question; another one once the answer has ended."""
        self.first_at, self.served, self.words = 0.0, False, 0
        if self.ended.done():
            self.began = asyncio.get_running_loop().create_future()
            self.ended = asyncio.get_running_loop().create_future()
        self.asked_at = perf_counter()
        if self._transport is None:
            raise ConnectionResetError("the server has closed a connection at rest")
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.served = self.served or data.startswith(_OK)
        received = self._tail + data
        if found := received.count(self._word):
            self._note(found)
        if received.endswith(_LAST) or not self.served:
            self._tail = b""
            self._end()
        else:
            # Shorter than a word: what is cut in two is counted once.
            self._tail = received[1 - len(self._word) :]

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        self.served = self.served and self.ended.done()
        self._end()

    def _note(self, found: int) -> None:
        now = perf_counter()
        self.words += found
        if not self.first_at:
            self.first_at = now
            _tell(self.began)
        if self._timed:
            self.times.append(now)

    def _end(self) -> None:
        _tell(self.began)
        _tell(self.ended)

    def leave(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()


def _tell(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


@dataclass(frozen=True)
class Load:
    """What streams to open: of which server, with which question, and how to tell words."""

    server: Server
    request: bytes
    word: bytes = WORD
    timed: bool = False

    async def open(self, count: int) -> list[Stream]:
        """So many connections; nothing is asked yet."""
        return [await self.one() for _ in range(count)]

    async def one(self, opened: list[Stream] | None = None) -> Stream:
        """One connection, listed among the `opened` from the start."""
        stream = Stream(self.request, self.word, timed=self.timed)
        if opened is not None:
            opened.append(stream)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: stream, "127.0.0.1", self.server.port)
        return stream


async def ask_all(streams: Sequence[Stream], spread_s: float) -> None:
    """Ask on every stream, evenly spread over this time."""
    loop = asyncio.get_running_loop()
    began, step = loop.time(), spread_s / len(streams)
    for number, stream in enumerate(streams):
        await asyncio.sleep(began + number * step - loop.time())
        stream.ask()


async def begin_many(load: Load, count: int, at_once: int, opened: list[Stream]) -> None:
    """Open and ask, so many at a time: the next when another has its first word, or is lost.

    Connections are not opened before: servers close those on which nothing is asked for long.
    """

    async def begin_some() -> None:
        while len(opened) < count:
            stream = await load.one(opened)
            stream.ask()
            await stream.began

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(begin_some())


async def all_ended(streams: Sequence[Stream]) -> None:
    """Wait for the end of every answer.

    Raises:
        RuntimeError: one was refused or broke off.
    """
    async with asyncio.timeout(_LIMIT_S):
        for stream in streams:
            await stream.ended
    if bad := sum(not stream.served for stream in streams):
        raise RuntimeError(f"{bad} of {len(streams)} streams were refused or broke off")


def leave_all(streams: Sequence[Stream]) -> None:
    """Close every connection."""
    for stream in streams:
        stream.leave()
