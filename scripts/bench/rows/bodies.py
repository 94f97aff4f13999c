"""Bodies made to hurt: how long does the event loop stand still while each kind is read?

Many kinds, each close to the 1 MiB that a body may have. They are read in this process by the very
functions that the routes call, which do all of it in one step of the loop.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from bench.harness import Harness
from bench.report import Figure, Finding
from bench.yardsticks import decode_s, lowest_s
from lyra.chat.request_schema import parse_messages, parse_question
from lyra.errors import RequestError
from lyra.web.api.agui import RunAgentInput
from lyra.web.api.openai_compat import CompletionRequest

MIB = 2**20
OF_DECODING = 0.65
TIMES = 3, 9, 25
SHOWN = 24


class Kind(NamedTuple):
    """A way to fill a megabyte."""

    what: str
    body: bytes


def kinds() -> Iterator[Kind]:
    """What is known to be hard on a decoder, in every place of a request."""
    for what, element in ELEMENTS.items():
        for where, (begin, end) in PLACES.items():
            yield Kind(f"{what} in {where}", filled(begin, element, end))
    yield Kind("a deep list", b'{"message":"x","junk":' + b"[" * 500_000 + b"]" * 500_000 + b"}")
    yield Kind("900 levels, then wide", b'{"message":"x","a":' + b"[" * 900 + b"1," * 520_000)
    yield Kind("objects of many levels", b'{"a":' * 200_000)
    for what, letters in LETTERS.items():
        yield Kind(f"a message of {what}", filled(b'{"message":"', letters, b'"}', comma=b""))
        yield Kind(f"50 messages of {what}", talk(50, letters))
        yield Kind(f"5,000 messages of {what}", talk(5000, letters))
    yield Kind("5,000 messages of 200 parts", _parted(5000, b"{}"))
    yield Kind("700 messages of 501 braces", _braces(501))
    yield Kind("a key of 1 MiB", b'{"message":"x","' + b"k" * (MIB - 30) + b'":1}')
    yield Kind("a number of 1 MiB", filled(b'{"message":"x","n":', b"9", b"}", comma=b""))
    yield Kind("a fraction of 1 MiB", filled(b'{"message":"x","n":0.', b"9", b"}", comma=b""))
    yield Kind(
        "bytes that are no text at the end", filled(b'{"message":"', b"a", b'\xff"}', comma=b"")
    )
    yield Kind("spaces", filled(b'{"message":"x"', b" ", b"}", comma=b""))
    yield Kind("`messages` again and again", filled(b"{", b'"messages":[{"role":"user"}]', b"}"))


ELEMENTS = {
    "{}": b"{}",
    "[]": b"[]",
    "null": b"null",
    "1": b"1",
    '""': b'""',
    "[{}]": b"[{}]",
    '{"text":"a"}': b'{"text":"a"}',
    '{"type":"text"}': b'{"type":"text"}',
    '{"role":"user"}': b'{"role":"user"}',
    '{"role":"user","parts":[]}': b'{"role":"user","parts":[]}',
    '{"role":"user","content":"a"}': b'{"role":"user","content":"a"}',
    '{"a":{"b":[1]}}': b'{"a":{"b":[1]}}',
    "a long fraction": b"0." + b"3" * 3000,
    "1e308": b"1e308",
    "an escape": b'"\\u00e9"',
}
PLACES = {
    "junk": (b'{"message":"x","junk":[', b"]}"),
    "history": (b'{"message":"x","history":[', b"]}"),
    "messages": (b'{"threadId":"t","runId":"r","messages":[', b"]}"),
    "parts": (b'{"messages":[{"role":"user","parts":[', b"]}]}"),
    "content": (b'{"messages":[{"role":"user","content":[', b"]}]}"),
    "content of an object": (b'{"messages":[{"role":"user","content":{"a":[', b"]}}]}"),
    "a part's member": (b'{"messages":[{"role":"user","parts":[{"text":"a","x":[', b"]}]}]}"),
    "the document": (b"[", b"]"),
}
LETTERS = {
    "letters": b"a",
    "two-byte letters": "\u00e9".encode(),
    "four-byte letters": "\U0001f3b5".encode(),
    "escapes": b"\\u0041",
    "line breaks": b"\\n",
    "pairs of escapes": b"\\ud83c\\udfb5",
    "what nobody sees": b"\x7f",
    "what nobody sees, every other": b"a\x7f",
    "directions": "\u202e".encode(),
    "directions, every other": "a\u202e".encode(),
    "tags, every other": "a\U000e0041".encode(),
    "escaped NULs": b"\\u0000",
    "spaces": b" ",
}


def filled(begin: bytes, element: bytes, end: bytes, comma: bytes = b",") -> bytes:
    """As many of this element as there is room for in 1 MiB."""
    each = element + comma
    count = (MIB - len(begin) - len(end)) // len(each)
    inside = each * count
    return begin + (inside[:-1] if comma else inside) + end


def talk(count: int, letters: bytes) -> bytes:
    """A megabyte of `count` messages of these letters, by turns."""
    roles = (b"user", b"assistant")
    words = letters * max(1, (MIB // count - 40) // len(letters))
    said = [
        b'{"role":"%b","content":"%b"}' % (roles[n % 2], words) for n in range(count - 1, -1, -1)
    ]
    return b'{"messages":[%b]}' % b",".join(said)


def _parted(count: int, part: bytes) -> bytes:
    room = MIB // count - 32
    parts = b",".join([part] * (room // (len(part) + 1)))
    return b'{"messages":[%b]}' % b",".join([b'{"role":"user","parts":[%b]}' % parts] * count)


def _braces(count: int) -> bytes:
    one = b'{"role":"user","parts":[{"x":[%b]}]}' % b",".join([b"{}"] * count)
    return b'{"messages":[%b]}' % b",".join([one] * (MIB // (len(one) + 1)))


READERS: dict[str, Callable[[bytes], object]] = {
    "/lyra/chat": parse_question,
    "/v1/chat/completions": lambda body: parse_messages(body, CompletionRequest),
    "/lyra/agui": lambda body: parse_messages(body, RunAgentInput),
}


def worst_s(body: bytes, times: int) -> float:
    """How long the slowest of the routes needs for this body; of several times the lowest."""

    def read(parse: Callable[[bytes], object]) -> Callable[[], None]:
        def once() -> None:
            with suppress(RequestError):
                parse(body)

        return once

    return max(lowest_s(read(parse), times) for parse in READERS.values())


async def bodies(harness: Harness) -> Finding:
    """The worst stall by each kind of body."""
    times, decoding_s = harness.count(*TIMES), decode_s()
    known = [(worst_s(kind.body, times), kind.what) for kind in kinds()]
    shown = sorted(known, reverse=True)[:SHOWN]
    aim, limit_s = f"<= {OF_DECODING:g} x", OF_DECODING * decoding_s
    return Finding(
        "The worst stall per kind of body",
        [
            Figure("yardstick: orjson decodes 1 MiB of messages", f"{decoding_s * 1000:.1f} ms"),
            *(Figure(what, f"{took * 1000:.1f} ms", aim, took <= limit_s) for took, what in shown),
        ],
        [
            f"Bodies of just under 1 MiB, read by the functions of the three routes, in processor time; the slowest route counts, of {times} times the lowest, since what other processes add is not the body's. Shown are the worst of {len(known)} kinds."
        ],
    )
