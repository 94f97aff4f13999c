"""A model on a script. Run as a process; prints its address.

`#<number>/<script>#` in a question chooses the pace of its answer. GET /calls tells when each call
began, when its first word left, and when it was over, in seconds of the machine's monotonic clock,
which all processes share; GET /open how many are open. A call of number 0 is not remembered.
"""

import asyncio
import itertools
import json  # noqa: TID251 - orjson refuses what is to be sent here
import re
import sys
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple, cast

import orjson
import uvloop

from lyra.sandbox import model_wire as wire

_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)
_CHOICE = re.compile(rb"#(\d+)/(\w+)#")
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"request-id: req_scripted\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_USAGE = {"input_tokens": 900, "output_tokens": 1}


class Pace(NamedTuple):
    """Seconds before the head, from it to the first word, and between words; how many words."""

    head_s: float = 0.0
    first_s: float = 0.0
    gap_s: float = 0.0
    words: int = 5
    echoes: bool = False  # every word is 1 KiB of a name from the prompt
    broken: bool = False  # every word is an event that no vendor would send


PACES = {
    "quick": Pace(),
    "busy": Pace(head_s=0.2),
    "slow": Pace(head_s=0.06, first_s=0.06, gap_s=0.02, words=1000),
    "hold": Pace(gap_s=4.0, words=900),
    "brief": Pace(gap_s=0.25),
    "echo": Pace(words=60, echoes=True),
    "broken": Pace(words=12, broken=True),
    "lasting": Pace(gap_s=0.25, words=60),
}
_NAME = re.compile(rb'name\\\\":\\\\"(\w{2,12})\\\\"')  # of one word, in JSON within JSON
_KIB = 1024


def _chunk(*events: bytes) -> bytes:
    body = b"".join(events)
    return b"%x\r\n%b\r\n" % (len(body), body)


_BEGIN = _HEAD + _chunk(
    wire.event("message_start", message=wire.message("msg_scripted", "scripted", _USAGE)),
    wire.BLOCK_START,
    wire.PING,
)
_WORD = _chunk(wire.delta(" word"))
_END = _chunk(wire.BLOCK_STOP, wire.ending("end_turn", _USAGE), wire.MESSAGE_STOP) + b"0\r\n\r\n"


_ODD: tuple[Any, ...] = (None, True, -25_197, 2**70, 1.5, "9", [1], {"a": {}}, "\ud83c", "x" * 3000)
_EVENTS = ("message_start", "content_block_start", "content_block_delta", "message_delta", "error")
_FIELDS = ("message", "usage", "delta", "content_block", "error", "index")
_INNER = ("usage", "stop_reason", "type", "text", "input_tokens", "output_tokens", "content")


def _oddities(rng: Random) -> Iterator[bytes]:
    """Events with any value in any field, some of them cut."""
    while True:
        inner = {rng.choice(_INNER): rng.choice(_ODD) for _ in range(3)}
        fields = {rng.choice(_FIELDS): rng.choice((inner, rng.choice(_ODD))) for _ in range(2)}
        data = json.dumps({"type": rng.choice(_EVENTS), **fields}).encode()
        yield b"data: " + data[: rng.choice((len(data), len(data), len(data) // 2))] + b"\n\n"


def _echo(request: bytes) -> bytes:
    names = _NAME.findall(request) or [b"word"]
    name = names[len(request) % len(names)].decode() + " "
    return _chunk(wire.delta(name * (_KIB // len(name))))


class House:
    """What all connections share."""

    def __init__(self) -> None:
        self.open = 0
        self.oddities = _oddities(Random(4))  # noqa: S311 - no secret
        self.calls: dict[int, dict[str, float]] = {}

    def answer(self, path: bytes) -> bytes:
        """What a benchmark asks: /calls, which are then forgotten, or /open."""
        told: Any = {"open": self.open}
        if path == b"/calls":
            told, self.calls = {str(key): call for key, call in self.calls.items()}, {}
        body = orjson.dumps(told)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        return head % len(body) + body


class Connection(asyncio.Protocol):
    """One request at a time; every wait is a timer, so that thousands cost little."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._received = b""
        self._busy = False
        self._call: dict[str, float] | None = None
        self._pace = Pace()
        self._left = 0
        self._words: Iterator[bytes] = itertools.repeat(_WORD)
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, but not asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0:
            return
        found = _LENGTH.search(self._received, 0, head + 2)
        length = int(found[1]) if found else 0
        if len(self._received) < head + 4 + length:
            return
        request, self._received = self._received, b""
        if request.startswith(b"GET "):
            self._transport.write(self._house.answer(request.split(b" ", 2)[1]))
        else:
            self._begin(request)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._timer is not None:
            self._timer.cancel()
        self._over()

    def _begin(self, request: bytes) -> None:
        choice = _CHOICE.search(request)
        number, pace = (int(choice[1]), choice[2].decode()) if choice else (0, "quick")
        self._pace, self._busy = PACES[pace], True
        self._left = self._pace.words
        self._words = itertools.repeat(_echo(request) if self._pace.echoes else _WORD)
        if self._pace.broken:
            self._words = map(_chunk, self._house.oddities)
        self._house.open += 1
        if number:
            self._call = self._house.calls[number] = {"began": time.monotonic()}
        self._after(self._pace.head_s, self._open)

    def _after(self, seconds: float, step: Callable[[], None]) -> None:
        if seconds:
            self._timer = asyncio.get_running_loop().call_later(seconds, step)
        else:
            step()

    def _open(self) -> None:
        self._transport.write(_BEGIN)
        self._after(self._pace.first_s, self._speak)

    def _speak(self) -> None:
        if self._call is not None and "spoke" not in self._call:
            self._call["spoke"] = time.monotonic()
        self._transport.write(next(self._words))
        self._left -= 1
        self._after(self._pace.gap_s, self._speak if self._left else self._end)

    def _end(self) -> None:
        self._transport.write(_END)
        self._over()

    def _over(self) -> None:
        if self._busy:
            self._busy = False
            self._house.open -= 1
        if self._call is not None:
            self._call["over"] = time.monotonic()
            self._call = None


async def _serve() -> None:
    house, loop = House(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(house), "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as running:
            running.run(_serve())
    except KeyboardInterrupt:
        sys.exit(0)
