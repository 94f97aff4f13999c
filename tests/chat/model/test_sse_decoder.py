"""A model's stream is read in steps and bytes that grow with its length, and never faster."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

import aiohttp
import pytest

from lyra.chat.model.body_reader import push_body
from lyra.chat.model.sse_decoder import MAX_EVENT_BYTES, SSEDecoder
from lyra.chat.model.stream_accumulator import StreamAccumulator
from tests.support.fault_kit import Step, scripted
from tests.support.scripted_model import event, stopped, words

WHERE = "/lyra/chat/"


class Counted(bytes):
    """Bytes that count how many of them, and of what they are joined to, are looked at."""

    looked_at = 0

    def __radd__(self, before: bytes) -> Self:
        Counted.looked_at += len(before) + len(self)
        return type(self)(bytes(before) + bytes(self))

    def split(self, *given: Any) -> list[bytes]:
        Counted.looked_at += len(self)
        return super().split(*given)


@contextmanager
def counting_steps() -> Iterator[Callable[[], int]]:
    """How many lines of Lyra's chat have been run within the block."""
    count = 0

    def trace(frame: FrameType, kind: str, _: object) -> Any:
        nonlocal count
        if WHERE not in frame.f_code.co_filename:
            return None
        count += kind == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield lambda: count
    finally:
        sys.settrace(before)


def read(body: bytes, size: int) -> tuple[str, int, int]:
    """What is said by this body in pieces of this size; steps, and bytes looked at again."""
    events, accumulator = SSEDecoder(), StreamAccumulator()
    Counted.looked_at, text = 0, ""
    with counting_steps() as steps:
        for at in range(0, len(body), size):
            for data in events.feed(Counted(body[at : at + size])):
                accumulator.feed(data)
            text += "".join(each for each in accumulator.take_pieces() if isinstance(each, str))
    return text, steps(), Counted.looked_at


TINY = words("w")
LONG = 65_536
BODIES: dict[str, tuple[Callable[[int], bytes], int]] = {
    "a line without an end": (lambda n: b"data: " + b"x" * (64 * n), 64),
    "a comment without an end": (lambda n: b": " + b"x" * (64 * n), 64),
    "tiny events in one reading": (lambda n: TINY * n, 10**9),
    "tiny events byte by byte": (lambda n: TINY * (n // 16), 1),
    "empty lines": (lambda n: b"\n" * n, 10**9),
    "lines of one event": (lambda n: b"data: 1\n" * n, 97),
    "one long delta": (lambda n: words("é" * (16 * n)), 1_000),
    "halves": (lambda n: words("P").replace(b"P", rb"\ud83c" * n) + words("x"), 500),
}


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_twice_the_stream_takes_twice_the_steps(kind: str) -> None:
    make, size = BODIES[kind]
    (_, steps, bytes_), (_, more_steps, more_bytes) = (read(make(n), size) for n in (1_000, 2_000))

    assert more_steps <= 2.2 * steps + 100
    assert more_bytes <= 2.2 * bytes_ + 100


@pytest.mark.parametrize("size", [7, 100, 1_000, 10**9])
def test_a_delta_of_64_kib_is_said_whole_however_it_is_cut(size: int) -> None:
    text, _, _ = read(words("w" * LONG), size)

    assert text == "w" * LONG


@pytest.mark.parametrize("begin", [b"data: ", b": ", b"", b"data:\ndata: "])
def test_a_line_that_never_ends_is_read_no_further_than_the_bound(begin: bytes) -> None:
    events, fed = SSEDecoder(), len(begin)
    events.feed(begin)
    while fed <= MAX_EVENT_BYTES:
        events.feed(b"x" * 65_536)
        fed += 65_536

    with pytest.raises(ValueError, match="without an end"):
        events.feed(b"x")


def test_what_came_before_a_line_without_an_end_is_heard() -> None:
    heard = SSEDecoder().feed(event("ping") + b"data: " + b"x" * MAX_EVENT_BYTES)

    assert len(heard) == 1


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.parametrize("end", ["close", "hang"])
async def test_one_turn_of_the_loop_hears_little_and_all_of_it_is_heard(end: Step) -> None:
    body = TINY * 5_000 + stopped()
    heard: list[int] = []

    def hear(piece: bytes) -> bool:
        heard.append(len(piece))
        return False

    script: tuple[Step, ...] = (HEAD % len(body) + body, end)
    async with (
        scripted(script) as upstream,
        aiohttp.ClientSession() as http,
        http.get(upstream.url) as response,
    ):
        await push_body(response, hear)

    assert sum(heard) == len(body)
    assert max(heard) <= 8_192


async def test_words_that_wait_to_be_heard_are_heard_before_the_connection_is_lost() -> None:
    body = TINY * 20_000
    heard = 0

    def hear(piece: bytes) -> bool:
        nonlocal heard
        heard += len(piece)
        return False

    script: tuple[Step, ...] = (HEAD % (len(body) + 1) + body, "close")
    async with (
        scripted(script) as upstream,
        aiohttp.ClientSession() as http,
        http.get(upstream.url) as response,
    ):
        with pytest.raises(aiohttp.ClientError):
            await push_body(response, hear)

    assert heard == len(body)
