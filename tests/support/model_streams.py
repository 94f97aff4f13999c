"""Streams of a model's server, valid, mutated, re-ordered and cut anywhere; and what they say.

What is said is told here from what was meant to be sent, by rules of its own: nothing of Lyra's
reading is used.
"""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, NamedTuple

Json = Any

MOST_BYTES = 65_536  # of an answer, by default
MOST_TOKENS = 1_000_000_000
REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content-filter",
}
CODES = {
    "overloaded_error": "llm_unavailable",
    "api_error": "llm_unavailable",
    "rate_limit_error": "llm_rate_limited",
    "timeout_error": "llm_timeout",
    "authentication_error": "llm_misconfigured",
    "permission_error": "llm_misconfigured",
    "billing_error": "llm_misconfigured",
    "not_found_error": "llm_misconfigured",
    "invalid_request_error": "llm_misconfigured",
}
COUNTS = {
    "input_tokens": "inputTokens",
    "output_tokens": "outputTokens",
    "cache_read_input_tokens": "cachedInputTokens",
    "cache_creation_input_tokens": "cacheWriteTokens",
}


class Atom(NamedTuple):
    """A part of a text: a character, half of a pair as an escape, or one byte of a character."""

    kind: str
    value: int


class Text(tuple[Atom, ...]):
    """A string as a server writes it: perhaps no text at all by itself."""

    __slots__ = ()

    @property
    def plain(self) -> str | None:
        """The string, if it is one: halves and bytes in it may belong together."""
        words = said([*self])
        meant = sum(atom == Atom("char", 0xFFFD) for atom in self)
        return words if words.count("\ufffd") == meant else None


class Literal(str):
    """JSON, or what is none, written as it stands here."""

    __slots__ = ()


class Malformed(NamedTuple):
    """The data of an event that is no JSON."""

    data: bytes


def text(words: str) -> Text:
    return Text(Atom("char", ord(char)) for char in words)


def said(atoms: list[Atom], *, whole: bool = True) -> str:
    """What these atoms read as: halves and bytes that belong together are one character."""
    words, kind = "", ""
    run: list[int] = []
    for atom in [*atoms, Atom("end", 0)]:
        if atom.kind != kind and run:
            words += _joined(kind, run)
            run = []
        kind = atom.kind
        if kind == "char":
            words += chr(atom.value)
        else:
            run.append(atom.value)
    return words if whole else words.rstrip("\ufffd")


def _joined(kind: str, run: list[int]) -> str:
    if kind == "byte":
        return bytes(run).decode("utf-8", "replace")
    units = b"".join(unit.to_bytes(2, "little") for unit in run)
    return units.decode("utf-16-le", "replace")


# ---- what may be sent

_CHARS = (
    "a",
    "Z",
    " ",
    "é",
    "ж",
    "音",
    "🎵",
    "💀",
    "🏳️\u200d🌈",
    '"',
    "\\",
    "\n",
    "\x00",
    "\u2028",
    "{",
)
_LENGTHS = (0, 1, 3, 9)


def _words(rng: Random) -> list[Atom]:
    drawn = rng.random()
    if drawn < 0.08:
        return [Atom("half", rng.choice((0xD83C, 0xDFB5, 0xD83D, 0xDC80, 0xD800, 0xDFFF)))]
    if drawn < 0.14:
        return [Atom("byte", rng.choice((0x80, 0xBF, 0xC3, 0xE2, 0xF0, 0x9F, 0xFF, 0xC0)))]
    return list(text(rng.choice(_CHARS) * rng.choice((1, 1, 2))))


def _split(rng: Random) -> tuple[Text, Text]:
    """A character that is cut by its bytes, or by its two halves."""
    char = rng.choice(("é", "音", "🎵", "💀"))
    if len(char.encode()) == 4 and rng.random() < 0.6:
        units = char.encode("utf-16-be")
        halves = [Atom("half", int.from_bytes(units[at : at + 2])) for at in (0, 2)]
        return Text(halves[:1]), Text(halves[1:])
    atoms = [Atom("byte", byte) for byte in char.encode()]
    at = rng.randrange(1, len(atoms))
    return Text(atoms[:at]), Text(atoms[at:])


def _texts(rng: Random) -> list[Text]:
    texts: list[Text] = []
    for _ in range(rng.choice((0, 1, 2, 4, 7))):
        if rng.random() < 0.25:
            before, after = _split(rng)
            texts += [Text([*text("x"), *before]), Text([*after, *text("y")])]
        else:
            texts.append(Text(atom for _ in range(rng.choice(_LENGTHS)) for atom in _words(rng)))
    return texts


_NUMBERS = (
    0, 1, 7, -1, -25_197, MOST_TOKENS, MOST_TOKENS + 1, 2**31, 2**63, 10**30, -(2**63), 1.5, 9.0,
    1e300, Literal("1e400"), Literal("-1E-999"), Literal("1" * 5_000),
)  # fmt: skip
_STRINGS = (
    "", "9", "NaN", "Infinity", "-1", "null", "end_turn", "refusal", "text_delta", "message_stop",
    "content_block_delta", "error", "overloaded_error", "x" * 300,
)  # fmt: skip


def anything(rng: Random, depth: int = 0) -> Json:  # noqa: PLR0911 - one for each kind
    """Any JSON value."""
    drawn = rng.randrange(8 if depth < 3 else 5)
    if drawn == 0:
        return rng.choice((None, True, False))
    if drawn in (1, 2):
        return rng.choice(_NUMBERS)
    if drawn == 3:
        return text(rng.choice(_STRINGS))
    if drawn == 4:
        return Text(atom for _ in range(rng.choice(_LENGTHS)) for atom in _words(rng))
    if drawn == 5:
        return [anything(rng, depth + 1) for _ in range(rng.randrange(4))]
    if drawn == 6:
        nested: Json = 0
        for _ in range(rng.choice((2, 50))):
            nested = [nested] if rng.random() < 0.5 else {"a": nested}
        return nested
    names = ("type", "text", "usage", "stop_reason", "input_tokens", "delta", "é", "")
    return {rng.choice(names): anything(rng, depth + 1) for _ in range(rng.randrange(4))}


def _usage(rng: Random) -> Json:
    return {
        name: rng.randrange(200) if rng.random() < 0.8 else anything(rng)
        for name in COUNTS
        if rng.random() < 0.7
    }


def _answer(rng: Random) -> list[Json]:
    """The events of an answer as documented."""
    texts = _texts(rng)
    early = texts.pop(0) if texts and rng.random() < 0.3 else text("")
    reason = text(rng.choice((*REASONS, "pause_turn")))
    return [
        {
            "type": text("message_start"),
            "message": {"role": text("assistant"), "usage": _usage(rng)},
        },
        {
            "type": text("content_block_start"),
            "index": 0,
            "content_block": {"type": text("text"), "text": early},
        },
        {"type": text("ping")},
        *[
            {
                "type": text("content_block_delta"),
                "index": 0,
                "delta": {"type": text("text_delta"), "text": each},
            }
            for each in texts
        ],
        {"type": text("content_block_stop"), "index": 0},
        {"type": text("message_delta"), "delta": {"stop_reason": reason}, "usage": _usage(rng)},
        {"type": text("message_stop")},
    ]


def _odd(rng: Random) -> Json:  # noqa: PLR0911 - one for each kind
    """An event that may come between the others."""
    kind = rng.randrange(7)
    if kind == 0:
        name = text(rng.choice((*CODES, "brand_new_error")))
        return {"type": text("error"), "error": {"type": name, "message": text("no")}}
    if kind == 1:
        return {"error": {"message": text("no"), "type": text(rng.choice((*CODES, "x")))}}
    if kind == 2:
        return {"type": text("message_delta"), "delta": {}, "usage": _usage(rng)}
    if kind == 3:
        thought = {"type": text("thinking_delta"), "thinking": text("hm"), "text": text("hm")}
        return {"type": text("content_block_delta"), "delta": thought}
    if kind == 4:
        broken = (
            b"{",
            b"[DONE]",
            b"nonsense",
            b'{"type":NaN}',
            b'{"a":"\x01"}',
            b"[" * 90_000,
            b'{"a":"\\x"}',
        )
        return Malformed(rng.choice(broken))
    if kind == 5:
        return anything(rng)
    return {"type": anything(rng), "delta": anything(rng), "error": anything(rng)}


def _mutated(rng: Random, tree: Json) -> Json:
    """The tree with one node in it replaced or taken out."""
    if not isinstance(tree, dict) or not tree or rng.random() < 0.15:
        return anything(rng)
    place = rng.choice(sorted(tree))
    copy = dict(tree)
    if rng.random() < 0.25:
        del copy[place]
    else:
        copy[place] = _mutated(rng, copy[place])
    return copy


def _events(rng: Random) -> list[Json]:  # noqa: C901 - a list of changes
    events = _answer(rng)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
        at = rng.randrange(len(events) + 1)
        change = rng.randrange(6)
        if change == 0:
            events.insert(at, _odd(rng))
        elif not events:
            continue
        elif change == 1:
            del events[min(at, len(events) - 1)]
        elif change == 2:
            events.insert(at, rng.choice(events))
        elif change == 3:
            events[0], events[min(at, len(events) - 1)] = (
                events[min(at, len(events) - 1)],
                events[0],
            )
        elif not isinstance(events[min(at, len(events) - 1)], Malformed):
            chosen = min(at, len(events) - 1)
            events[chosen] = _mutated(rng, events[chosen])
    if rng.random() < 0.003:
        long = text(rng.choice(("w", "é", "🎵")) * rng.choice((MOST_BYTES // 4, MOST_BYTES)))
        delta = {"type": text("text_delta"), "text": long}
        events.insert(
            rng.randrange(len(events) + 1), {"type": text("content_block_delta"), "delta": delta}
        )
    return events


# ---- how it is written


def _string(rng: Random, atoms: Text) -> bytes:
    escaped = rng.random() < 0.2
    return b'"' + b"".join(_atom(atom, escaped=escaped) for atom in atoms) + b'"'


def _atom(atom: Atom, *, escaped: bool) -> bytes:
    if atom.kind == "byte":
        return bytes([atom.value])
    if atom.kind == "half":
        return b"\\u%04x" % atom.value
    char = chr(atom.value)
    if atom.value < 0x20 or char in '"\\' or escaped:
        units = char.encode("utf-16-be")
        short = {"\n": b"\\n", '"': b'\\"', "\\": b"\\\\"}
        if char in short and not escaped:
            return short[char]
        return b"".join(
            b"\\u%b" % units[at : at + 2].hex().encode() for at in range(0, len(units), 2)
        )
    return char.encode()


def written(rng: Random, value: Json) -> bytes:
    """The value as JSON, with white space between its tokens now and then."""
    gap = rng.choice((b"", b"", b" ", b"\n"))
    match value:
        case Literal():
            return value.encode()
        case Text():
            return _string(rng, value)
        case None | bool():
            return {None: b"null", True: b"true", False: b"false"}[value]
        case int() | float():
            return str(value).encode()
        case list():
            return b"[" + gap + (b"," + gap).join(written(rng, each) for each in value) + b"]"
        case dict():
            members = [
                _string(rng, text(name)) + b":" + gap + written(rng, each)
                for name, each in value.items()
            ]
            return b"{" + gap + (b"," + gap).join(members) + gap + b"}"
        case _:
            raise TypeError(type(value))


_JUNK = (b": a comment", b"junk", b"retry: 10", b"id: 3", b"dat", b"datas: {}", b":", b"event")


def _framed(rng: Random, data: bytes, line_break: bytes) -> bytes:
    lines = [rng.choice((b"data: ", b"data: ", b"data:")) + line for line in data.split(b"\n")]
    if rng.random() < 0.8:
        lines.insert(0, b"event: " + rng.choice((b"ping", b"message_stop", b"x\xff")))
    while rng.random() < 0.1:
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(_JUNK))
    return b"".join(line + line_break for line in [*lines, b""])


def _pieces(rng: Random, body: bytes) -> list[bytes]:
    most = rng.choice((1, 5, 30, 30, 200, 200, 5_000, 100_000))
    if most * 500 < len(body):
        most = len(body) // 100
    pieces, at = [], 0
    while at < len(body):
        size = rng.randint(1, most)
        pieces.append(body[at : at + size])
        at += size
    return pieces


@dataclass
class Expected:
    """What a reader has to be told."""

    text: str = ""
    ending: str = "llm_truncated"
    usage: dict[str, int] = field(default_factory=dict)


class Stream(NamedTuple):
    """What is sent, how the connection ends, and what that has to become."""

    pieces: list[bytes]
    breaks: bool
    expected: Expected


def draw_stream(seed: str) -> Stream:
    """The stream of this seed."""
    rng = Random(seed)
    if rng.random() < 0.02:
        return _plain(rng)
    events = _events(rng)
    breaks, unfinished = rng.random() < 0.1, rng.random() < 0.1
    line_break = rng.choice((b"\n", b"\n", b"\n", b"\r\n", b"\r"))
    frames = [
        _framed(
            rng, event.data if isinstance(event, Malformed) else written(rng, event), line_break
        )
        for event in events
    ]
    if unfinished and frames:
        frames[-1] = frames[-1].removesuffix(line_break)
        events = events[:-1]
    start = b"\xef\xbb\xbf" if rng.random() < 0.1 else b""
    body = start + b"".join(frames)
    return Stream(_pieces(rng, body), breaks, expect(events, breaks=breaks))


def _plain(rng: Random) -> Stream:
    """An error in place of a stream, with status 200."""
    name = rng.choice(sorted(CODES))
    body = written(rng, {"type": text("error"), "error": {"type": text(name)}})
    expected = Expected(ending=CODES[name])
    return Stream(_pieces(rng, body), breaks=False, expected=expected)


# ---- what it says


def expect(events: list[Json], *, breaks: bool) -> Expected:
    """What these events say, by the documents of the Messages API."""
    expected, reason, ended = Expected(), "", False
    atoms: list[Atom] = []
    if breaks:
        expected.ending = "llm_interrupted"
    for event in events:
        if ended:
            break
        ended, reason = _heed(event, expected, atoms, reason)
    words = said(atoms)
    encoded = words.encode()
    if len(encoded) > MOST_BYTES:
        cut = encoded[:MOST_BYTES].decode("utf-8", "ignore")
        return replace(expected, text=cut, ending="length", usage={})
    return replace(expected, text=words)


def _heed(  # noqa: C901 - one for each kind of event
    event: Json, expected: Expected, atoms: list[Atom], reason: str
) -> tuple[bool, str]:
    if isinstance(event, Malformed):
        expected.ending = "llm_interrupted"
        return True, reason
    fields = event if isinstance(event, dict) else {}
    kind = _plain_text(fields.get("type"))
    if kind is None and isinstance(fields.get("error"), dict):
        kind = "error"
    if kind in ("content_block_delta", "content_block_start"):
        starts = kind == "content_block_start"
        block = _object(fields.get("content_block" if starts else "delta"))
        wanted = "text" if starts else "text_delta"
        if _plain_text(block.get("type")) == wanted and isinstance(block.get("text"), Text):
            atoms += block["text"]
    elif kind == "message_start":
        _count(_object(fields.get("message")).get("usage"), expected)
    elif kind == "message_delta":
        reason = _plain_text(_object(fields.get("delta")).get("stop_reason")) or reason
        _count(fields.get("usage"), expected)
    elif kind == "message_stop":
        expected.ending = REASONS.get(reason, "other")
        return True, reason
    elif kind == "error":
        name = _plain_text(_object(fields.get("error")).get("type")) or ""
        expected.ending = CODES.get(name, "llm_unavailable")
        return True, reason
    return False, reason


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _plain_text(value: Json) -> str | None:
    return value.plain if isinstance(value, Text) else None


def _count(usage: Json, expected: Expected) -> None:
    for name, told in COUNTS.items():
        count = _object(usage).get(name)
        if type(count) is int and 0 <= count <= MOST_TOKENS:
            expected.usage[told] = count
