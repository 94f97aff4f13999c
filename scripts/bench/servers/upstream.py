"""What stands behind every subject: a Spotify and a model that cost as little as Python can.

Run as a process; prints its address. `--samples DIR` gives recorded answers of Spotify, else an
invented listener's are served. Every listener has the same answers; what differs is in the request:

    Bearer bench.LOW.HIGH.n     the five answers take LOW (`me`) to HIGH ms (`recently-played`)
    #NUMBER/PACE#               in a question: a pace by name, or WORDSxMS for a word every so often

GET /spotify tells how many calls Spotify has had and when its last answer left; GET /calls when each
of the model's calls began, when its first word left and when it was over, in seconds of the machine's
monotonic clock, which all processes share; GET /open how many are open. A call of number 0 is not
remembered.
"""

import argparse
import asyncio
import gzip
import json  # noqa: TID251 - orjson refuses what is to be sent here
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice, repeat
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, cast

import aiohttp
import orjson

from bench.event_loop import run_server, serve_protocol
from lyra.sandbox import Sandbox, model_wire as wire, sandbox_token

# In the order in which they answer; the file names are those of docs/SANDBOX.md.
PATHS = {
    b"/v1/me": "me.json",
    b"/v1/me/top/artists": "me_top_artists.json",
    b"/v1/me/top/tracks": "me_top_tracks.json",
    b"/v1/me/playlists": "me_playlists.json",
    b"/v1/me/player/recently-played": "me_player_recently-played.json",
}
_WORDS = (" the", " evening", " list", " holds", " mostly", " quiet", " songs", " of", " one", ".")
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)
_LATENCY = re.compile(rb"Bearer bench\.(\d+)\.(\d+)\.", re.IGNORECASE)
_CHOICE = re.compile(rb"#(\d+)/(\w+)#")
_GZIP = re.compile(rb"\r\naccept-encoding:[^\r]*gzip", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
_NAME = re.compile(rb'name\\\\":\\\\"(\w{2,12})\\\\"')  # of one word, in JSON within JSON
_KIB = 1024


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


def _pace(name: str) -> Pace:
    if (pace := PACES.get(name)) is not None:
        return pace
    words, _, gap_ms = name.partition("x")
    return Pace(words=int(words), gap_s=int(gap_ms) / 1000)


def _chunk(*events: bytes) -> bytes:
    body = b"".join(events)
    return b"%x\r\n%b\r\n" % (len(body), body)


_USAGE = {"input_tokens": 900, "output_tokens": 1}
_BEGIN = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-cache\r\nrequest-id: req_scripted\r\nTransfer-Encoding: chunked\r\n\r\n"
) + _chunk(
    wire.event("message_start", message=wire.message("msg_scripted", "scripted", _USAGE)),
    wire.BLOCK_START,
    wire.PING,
)
_DELTAS = tuple(_chunk(wire.delta(word)) for word in _WORDS)
_END = _chunk(wire.BLOCK_STOP, wire.ending("end_turn", _USAGE), wire.MESSAGE_STOP) + b"0\r\n\r\n"

_ODD: tuple[Any, ...] = (None, True, -25_197, 2**70, 1.5, "9", [1], {"a": {}}, "\ud83c", "x" * 3000)
_EVENTS = ("message_start", "content_block_start", "content_block_delta", "message_delta", "error")
_FIELDS = ("message", "usage", "delta", "content_block", "error", "index")
_INNER = ("usage", "stop_reason", "type", "text", "input_tokens", "output_tokens", "content")


def _oddities(rng: Random) -> Iterator[bytes]:
    """Chunks of events with any value in any field, some of them cut."""
    while True:
        inner = {rng.choice(_INNER): rng.choice(_ODD) for _ in range(3)}
        fields = {rng.choice(_FIELDS): rng.choice((inner, rng.choice(_ODD))) for _ in range(2)}
        data = json.dumps({"type": rng.choice(_EVENTS), **fields}).encode()
        yield _chunk(
            b"data: " + data[: rng.choice((len(data), len(data), len(data) // 2))], b"\n\n"
        )


def _echo(request: bytes) -> bytes:
    names = _NAME.findall(request) or [b"word"]
    name = names[len(request) % len(names)].decode() + " "
    return _chunk(wire.delta(name * (_KIB // len(name))))


def _answer(body: bytes, encoding: bytes = b"") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (head, encoding, len(body), body)


@dataclass
class Upstream:
    """What all connections share: Spotify's answers, ready with their heads, and what was counted."""

    plain: dict[bytes, bytes]
    packed: dict[bytes, bytes]
    spotify: dict[str, float] = field(default_factory=lambda: {"calls": 0, "last_at": 0.0})
    open: int = 0
    calls: dict[int, dict[str, float]] = field(default_factory=dict)
    oddities: Iterator[bytes] = field(default_factory=lambda: _oddities(Random(4)))  # noqa: S311

    @classmethod
    def of(cls, bodies: dict[bytes, bytes]) -> "Upstream":
        """Plain answers, and as Spotify compresses them."""
        encoded = b"Content-Encoding: gzip\r\n"
        return cls(
            {path: _answer(body) for path, body in bodies.items()},
            {path: _answer(gzip.compress(body, 6), encoded) for path, body in bodies.items()},
        )

    def counted(self, path: bytes) -> bytes:
        """What a benchmark asks; calls are forgotten when they have been told."""
        payload: Any = {"open": self.open}
        if path == b"/spotify":
            payload = self.spotify
        if path == b"/calls":
            payload, self.calls = {str(key): call for key, call in self.calls.items()}, {}
        return _answer(orjson.dumps(payload))


class Connection(asyncio.Protocol):
    """One request at a time; every wait is a timer, so that thousands cost little."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._received = b""
        self._busy = False
        self._call: dict[str, float] | None = None
        self._pace = Pace()
        self._words: Iterator[bytes] = iter(())
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, but not asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._timer is not None:
            self._timer.cancel()
        self._over()

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(_HEAD_END)
        if end < 0:
            return
        length = _LENGTH.search(self._received, 0, end + 2)
        needed = end + len(_HEAD_END) + (int(length[1]) if length else 0)
        if len(self._received) < needed:
            return
        request, self._received = self._received[:needed], self._received[needed:]
        self._serve(request, request[:end])

    def _serve(self, request: bytes, head: bytes) -> None:
        path = head.split(b" ", 2)[1].partition(b"?")[0].rstrip(b"/")  # spotipy asks for /v1/me/
        if path in PATHS:
            self._upstream.spotify["calls"] += 1
            packed = _GZIP.search(head)
            answer = (self._upstream.packed if packed else self._upstream.plain)[path]
            self._after(_latency_s(path, head), lambda: self._answer_spotify(answer))
        elif path == b"/v1/messages":
            self._begin(request)
        else:
            self._transport.write(self._upstream.counted(path))

    def _answer_spotify(self, answer: bytes) -> None:
        self._transport.write(answer)
        self._upstream.spotify["last_at"] = time.monotonic()

    def _begin(self, request: bytes) -> None:
        choice = _CHOICE.search(request)
        number, pace = (int(choice[1]), choice[2].decode()) if choice else (0, "quick")
        self._pace, self._busy = _pace(pace), True
        words: Iterator[bytes] = repeat(_echo(request)) if self._pace.echoes else cycle(_DELTAS)
        if self._pace.broken:
            words = self._upstream.oddities
        self._words = islice(words, self._pace.words)
        self._upstream.open += 1
        if number:
            self._call = self._upstream.calls[number] = {"began": time.monotonic()}
        self._after(self._pace.head_s, self._open)

    def _after(self, seconds: float, step: Callable[[], None]) -> None:
        if seconds:
            self._timer = self._loop.call_later(seconds, step)
        else:
            step()

    def _open(self) -> None:
        if self._pace.first_s:
            self._transport.write(_BEGIN)
            self._after(self._pace.first_s, self._speak)
        else:
            self._speak(_BEGIN)

    def _speak(self, head: bytes = b"") -> None:
        """Say the first word, and the others in its wake; all in one write where there is no gap."""
        if self._call is not None:
            self._call["spoke"] = time.monotonic()
        if self._pace.gap_s:
            self._transport.write(head + next(self._words))
            self._due = self._loop.time()
            self._wait()
        else:
            self._transport.write(head + b"".join(self._words) + _END)
            self._over()

    def _wait(self) -> None:
        self._due += self._pace.gap_s  # from when it was due, not from when it was done: no drift
        self._timer = self._loop.call_at(self._due, self._go_on)

    def _go_on(self) -> None:
        if (word := next(self._words, None)) is None:
            self._transport.write(_END)
            self._over()
        else:
            self._transport.write(word)
            self._wait()

    def _over(self) -> None:
        if self._busy:
            self._busy = False
            self._upstream.open -= 1
        if self._call is not None:
            self._call["over"] = time.monotonic()
            self._call = None


def _latency_s(path: bytes, head: bytes) -> float:
    match = _LATENCY.search(head)
    if match is None:
        return 0
    low, high = int(match[1]), int(match[2])
    return (low + (high - low) * list(PATHS).index(path) / (len(PATHS) - 1)) / 1000


async def _bodies(samples: Path | None) -> dict[bytes, bytes]:
    if samples is not None:
        return {path: (samples / name).read_bytes() for path, name in PATHS.items()}
    headers = {"Authorization": f"Bearer {sandbox_token(1, 'typical', 'legacy')}"}
    bodies = {}
    async with Sandbox() as sandbox, aiohttp.ClientSession(headers=headers) as http:
        for path in PATHS:
            query = {} if path == b"/v1/me" else {"limit": "50"}
            async with http.get(f"{sandbox.url}{path.decode()}", params=query) as answer:
                answer.raise_for_status()
                bodies[path] = await answer.read()
    return bodies


async def _serve(samples: Path | None) -> None:
    upstream = Upstream.of(await _bodies(samples))
    await serve_protocol(lambda: Connection(upstream))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=Path)
    run_server(_serve(parser.parse_args().samples))
