"""What stands behind every subject: a Spotify and a model that cost as little as Python can.

Run as a process; prints its address. `--samples DIR` gives recorded answers of Spotify, else an
invented listener's are served. Every listener has the same answers; what differs is in the request:

    Bearer bench.LOW.HIGH.n     the five answers take LOW (`me`) to HIGH ms (`recently-played`)
    bench:TOKENS:GAP_MS         in the last message: so many words, one every GAP_MS

GET /bench tells how many calls Spotify has had, and when the last answer left (CLOCK_MONOTONIC).
"""

import argparse
import asyncio
import gzip
import re
import sys
from collections import deque
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import aiohttp
import orjson
import uvloop

from lyra.sandbox import Sandbox, sandbox_token

# In the order in which they answer; the file names are those of docs/SANDBOX.md.
PATHS = {
    b"/v1/me": "me.json",
    b"/v1/me/top/artists": "me_top_artists.json",
    b"/v1/me/top/tracks": "me_top_tracks.json",
    b"/v1/me/playlists": "me_playlists.json",
    b"/v1/me/player/recently-played": "me_player_recently-played.json",
}
WORDS = (" the", " evening", " list", " holds", " mostly", " quiet", " songs", " of", " one", ".")
TOKENS, GAP_MS = 20, 0
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)
_LATENCY = re.compile(rb"Bearer bench\.(\d+)\.(\d+)\.", re.IGNORECASE)
_WISH = re.compile(rb"bench:(\d+):(\d+)")
_GZIP = re.compile(rb"\r\naccept-encoding:[^\r]*gzip", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
_TRACK: dict[str, object] = {"external_ids": {}, "preview_url": None}


def _event(name: str, **fields: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps({"type": name, **fields}))


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_USAGE = {"input_tokens": 900, "output_tokens": 1}
_MESSAGE: dict[str, object] = {
    "id": "msg_bench",
    "type": "message",
    "role": "assistant",
    "model": "bench",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": _USAGE,
}
BEGIN = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-cache\r\nrequest-id: req_bench\r\nTransfer-Encoding: chunked\r\n\r\n"
) + _chunk(
    _event("message_start", message=_MESSAGE)
    + _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    + _event("ping")
)
DELTAS = tuple(
    _chunk(_event("content_block_delta", index=0, delta={"type": "text_delta", "text": word}))
    for word in WORDS
)
END = (
    _chunk(
        _event("content_block_stop", index=0)
        + _event("message_delta", delta={"stop_reason": "end_turn"}, usage=_USAGE)
        + _event("message_stop")
    )
    + b"0\r\n\r\n"
)


def _answer(body: bytes, encoding: bytes = b"") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (head, encoding, len(body), body)


@dataclass
class Spotify:
    """The five answers, ready with their heads: plain, and as Spotify compresses them."""

    plain: dict[bytes, bytes]
    packed: dict[bytes, bytes]
    order: list[bytes] = field(default_factory=lambda: list(PATHS))
    calls: int = 0
    last_at: float = 0.0

    @classmethod
    def of(cls, bodies: dict[bytes, bytes]) -> "Spotify":
        encoded = b"Content-Encoding: gzip\r\n"
        return cls(
            {path: _answer(body) for path, body in bodies.items()},
            {path: _answer(gzip.compress(body, 6), encoded) for path, body in bodies.items()},
        )

    def wait_s(self, path: bytes, head: bytes) -> float:
        """How long this answer takes."""
        found = _LATENCY.search(head)
        if found is None:
            return 0
        low, high = int(found[1]), int(found[2])
        place = self.order.index(path) / (len(self.order) - 1)
        return (low + (high - low) * place) / 1000


class Connection(asyncio.Protocol):
    """One connection, kept open; a request at a time."""

    def __init__(self, spotify: Spotify) -> None:
        self._spotify = spotify
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._left: deque[bytes] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()

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
        self._serve(request[:end], request[end:])

    def _serve(self, head: bytes, body: bytes) -> None:
        path = head.split(b" ", 2)[1].partition(b"?")[0].rstrip(b"/")  # spotipy asks for /v1/me/
        if path in PATHS:
            self._spotify.calls += 1
            answers = self._spotify.packed if _GZIP.search(head) else self._spotify.plain
            wait_s = self._spotify.wait_s(path, head)
            if wait_s:
                self._timer = self._loop.call_later(wait_s, self._spotify_says, answers[path])
            else:
                self._spotify_says(answers[path])
        elif path == b"/v1/messages":
            self._speak(body)
        else:
            told = {"calls": self._spotify.calls, "last_at": self._spotify.last_at}
            self._write(_answer(orjson.dumps(told)))

    def _spotify_says(self, answer: bytes) -> None:
        self._write(answer)
        self._spotify.last_at = perf_counter()

    def _speak(self, body: bytes) -> None:
        wish = _WISH.findall(body)
        tokens, gap_ms = map(int, wish[-1]) if wish else (TOKENS, GAP_MS)
        deltas = cycle(DELTAS)
        self._left = deque(next(deltas) for _ in range(tokens))
        if gap_ms == 0:
            self._write(BEGIN + b"".join(self._left) + END)
            return
        self._write(BEGIN + self._left.popleft())
        self._due = self._loop.time()
        self._next(gap_ms / 1000)

    def _next(self, gap_s: float) -> None:
        self._due += gap_s  # from when it was due, not from when it was done: no drift
        self._timer = self._loop.call_at(self._due, self._say, gap_s)

    def _say(self, gap_s: float) -> None:
        if not self._left:
            self._write(END)
            return
        self._write(self._left.popleft())
        self._next(gap_s)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


async def _bodies(samples: Path | None) -> dict[bytes, bytes]:
    if samples is not None:
        return {path: _whole((samples / name).read_bytes()) for path, name in PATHS.items()}
    headers = {"Authorization": f"Bearer {sandbox_token(1, 'typical', 'legacy')}"}
    bodies = {}
    async with Sandbox() as sandbox, aiohttp.ClientSession(headers=headers) as http:
        for path in PATHS:
            query = {} if path == b"/v1/me" else {"limit": "50"}
            async with http.get(f"{sandbox.url}{path.decode()}", params=query) as answer:
                answer.raise_for_status()
                bodies[path] = _whole(await answer.read())
    return bodies


def _whole(body: bytes) -> bytes:
    """The answer without the gaps that Spotify has at times, over which tekore would stumble."""
    answer = orjson.loads(body)
    if "items" not in answer:
        return orjson.dumps({"account_id": "0bench0bench", **answer})
    answer["items"] = [each for each in map(_filled, answer["items"]) if each]
    return orjson.dumps(answer)


def _filled(item: dict[str, Any] | None) -> dict[str, Any] | None:
    if item is None:
        return None
    track = item.get("track", item)
    if track.get("type") == "track":
        track |= {name: track.get(name, default) for name, default in _TRACK.items()}
    elif item.get("type") == "playlist":
        if None in (item["owner"].get("id"), item.get("tracks", {}).get("total", 0)):
            return None
        item.setdefault("items", item.get("tracks"))
    return item


async def _serve(samples: Path | None) -> None:
    spotify = Spotify.of(await _bodies(samples))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(spotify), "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=Path)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as running:
            running.run(_serve(parser.parse_args().samples))
    except KeyboardInterrupt:
        sys.exit(0)
