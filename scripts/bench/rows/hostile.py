"""Requests made to hurt, one at a time: how long does the event loop stand still for everybody else?"""

import asyncio
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from statistics import median
from typing import NamedTuple, Self

import orjson

from bench.client import request
from bench.harness import Harness
from bench.report import Figure, Finding
from bench.service import Service
from bench.yardsticks import decode_s

OF_DECODING = 1.25
TIMES = 3, 7, 25
MIB = 2**20
PATIENCE_S = 5.0
LONG_S = 0.05  # a watchdog's beat that was later than this saw a stall
PROBE = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LAG = 'lyra_loop_lag_seconds_bucket{le="0.05"}'
LAGS = 'lyra_loop_lag_seconds_bucket{le="+Inf"}'


class Hostile(NamedTuple):
    """One hostile request as bytes, and how many answers it asks for."""

    what: str
    sent: bytes
    answers: int = 1


async def hostile(harness: Harness) -> Finding:
    """The longest wait of a bystander while each of these is worked on, and its processor time."""
    decoding_s = decode_s()
    async with harness.service("hostile") as service:
        token = harness.token()
        await service.warm([token])
        before = await service.metrics()
        figures = [await _measured(harness, service, each, decoding_s) for each in _requests(token)]
        after = await service.metrics()
    beats, on_time = (after[name] - before[name] for name in (LAGS, LAG))
    late = f"{beats - on_time:.0f} of {beats:.0f}"
    return Finding(
        "The worst stall of the event loop by one hostile request",
        [
            Figure("yardstick: orjson decodes 1 MiB of messages", f"{decoding_s * 1000:.1f} ms"),
            *figures,
            Figure(f"the service's own beats later than {LONG_S * 1000:g} ms", late),
        ],
        [
            f"A bystander asks /healthz over and over, in a thread; its longest wait while the request is worked on, median and worst of {harness.count(*TIMES)} times. The median is judged: what a busy machine adds comes by chance, what a request costs comes each time.",
            "In brackets the processor time of the event loop's thread, the bystander's requests included.",
        ],
    )


async def _measured(harness: Harness, service: Service, each: Hostile, decoding_s: float) -> Figure:
    waits, cpu_s, status = [], [], ""
    for _ in range(harness.count(*TIMES)):
        with _Bystander(service.port) as bystander:
            began = service.loop_cpu_s()
            status = await asyncio.to_thread(_attack, service.port, each)
            cpu_s.append(service.loop_cpu_s() - began)
        waits.append(bystander.longest_s)
    middle = median(waits)
    found = f"{middle * 1000:.1f} / {max(waits) * 1000:.1f} ms ({median(cpu_s) * 1000:.1f})"
    kept = middle <= OF_DECODING * decoding_s
    return Figure(f"{each.what}: {status}", found, f"<= {OF_DECODING:g} x", kept)


class _Bystander:
    """A thread that asks over and over, so that neither side of it waits for the benchmark."""

    def __init__(self, port: int) -> None:
        self.longest_s = 0.0
        self._done = threading.Event()
        self._asked = threading.Event()
        self._thread = threading.Thread(target=self._keep_asking, args=(port,), daemon=True)

    def _keep_asking(self, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as sock:
            while not self._done.is_set():
                began = time.perf_counter()
                sock.sendall(PROBE)
                sock.recv(65_536)
                took = time.perf_counter() - began
                if self._asked.is_set():
                    self.longest_s = max(self.longest_s, took)
                self._asked.set()  # the first one has met a new connection
                self._done.wait(0.0005)

    def __enter__(self) -> Self:
        self._thread.start()
        self._asked.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(PATIENCE_S)


def _attack(port: int, each: Hostile) -> str:
    """Send it as fast as it goes; the status of the answer, or how the connection ended."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as sock:
        try:
            sock.sendall(each.sent)
        except ConnectionError:
            received += b""  # refused before all of it was read; an answer may be there
        try:
            while received.count(b"HTTP/1.1 ") < each.answers or b"\r\n\r\n" not in received:
                if not (data := sock.recv(65_536)):
                    break
                received += data
        except (ConnectionError, TimeoutError):
            return "cut"
    return received[9:12].decode() or "closed"


def _requests(token: str) -> Iterator[Hostile]:
    def chat(what: str, body: bytes, *headers: bytes) -> Hostile:
        head = request("POST", "/lyra/chat", token).partition(b"Content-Length")[0]
        lines = [b"Content-Type: application/json", b"Content-Length: %d" % len(body), *headers]
        return Hostile(what, head + b"\r\n".join(lines) + b"\r\n\r\n" + body)

    def say(what: str, words: str) -> Hostile:
        return chat(what, orjson.dumps({"message": words}))

    def get(what: str, *headers: bytes) -> Hostile:
        lines = (b"GET /healthz HTTP/1.1", b"Host: 127.0.0.1", *headers)
        return Hostile(what, b"\r\n".join(lines) + b"\r\n\r\n")

    yield get("nothing hostile, for comparison")
    yield chat("a gzip bomb, 1 MiB for 1 GiB", _bomb(), b"Content-Encoding: gzip")
    yield chat("JSON of half a million levels", b"[" * (MIB - 1))
    yield chat("JSON of 512 levels, 1 MiB", _filled(b'{"message":' + b"[" * 512))
    yield chat("5,000 messages in 1 MiB", _messages(5_000))
    yield chat("100,000 empty messages", orjson.dumps({"messages": [{}] * 100_000}))
    yield chat("a million numbers", _filled(b'{"message":"x","history":[', b"1,", b"1]}"))
    yield chat("a message of 1 MiB", _filled(b'{"message":"', b"a", b'"}'))
    yield say("64 KiB of marks on one letter", "e" + "\u0301" * 32_700)
    yield say("64 KiB of ligatures that normalise to many letters", "\ufdfa" * 21_800)
    yield chat("1 MiB of escapes", _filled(b'{"message":"', b"\\u0041", b'"}'))
    yield get("60 headers of 4 KB", *(b"X-%d: %b" % (n, b"a" * 4_000) for n in range(60)))
    yield get("128 headers", *(b"X-%d: a" % number for number in range(128)))
    yield get("a header of 256 KiB", b"X-Long: " + b"a" * 2**18)
    yield get("Authorization of 64 KiB", b"Authorization: Bearer " + b"a" * 2**16)
    yield Hostile("32 requests in one write", PROBE * 32, 32)
    yield Hostile("2,000 requests in one write", PROBE * 2_000, 2_000)
    yield Hostile("a path of 8 KB", request("GET", "/" + "%2e" * 2_600))
    yield get("a cookie of 4 KB", b"Cookie: " + b"; ".join(b"c%d=1" % n for n in range(500)))
    yield Hostile("1 MiB that is no HTTP", bytes(MIB))


def _bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    zeros = bytes(MIB)
    return b"".join([*(packer.compress(zeros) for _ in range(1_000)), packer.flush()])


def _filled(begin: bytes, fill: bytes = b" ", end: bytes = b"") -> bytes:
    """A body of just under 1 MiB."""
    return begin + fill * ((MIB - len(begin) - len(end)) // len(fill)) + end


def _messages(count: int) -> bytes:
    words = "a" * (MIB // count - 60)
    return orjson.dumps({"messages": [{"role": "user", "content": words}] * count})
