"""Text out of JSON strings that were cut anywhere, also within a character.

Gateways cut a model's words into events by bytes, or by the units of UTF-16: half an emoji ends one
event, and the other half begins the next.
"""

import re

REPLACEMENT = "\ufffd"
# Halves of a pair, as escapes of JSON; any other escape is passed over whole.
_ESCAPES = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
# A half, written as if it were a character; valid UTF-8 has no such bytes.
_SURROGATE_PAIR = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
_LONE_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
# What may yet become a character: the beginning of one, or the first half of a pair.
_UNFINISHED = re.compile(
    rb"(?:[\xc2-\xdf]|[\xe1-\xec\xee\xef][\x80-\xbf]?|\xe0[\xa0-\xbf]?|\xed[\x80-\xbf]?"
    rb"|\xed[\xa0-\xaf][\x80-\xbf](?:\xed[\xb0-\xbf]?)?"
    rb"|\xf0(?:[\x90-\xbf][\x80-\xbf]?)?|[\xf1-\xf3](?:[\x80-\xbf][\x80-\xbf]?)?"
    rb"|\xf4(?:[\x80-\x8f][\x80-\xbf]?)?)\Z"
)
_MAX_UNFINISHED = 5  # bytes of what is unfinished


def replace_lone_surrogates(document: bytes) -> bytes:
    """The JSON with every escaped half that has no other half as bytes in its place.

    A strict parser refuses the escape, and passes over the bytes.
    """
    return _ESCAPES.sub(_replace_lone, document)


def _replace_lone(match: re.Match[bytes]) -> bytes:
    return match[0] if match[3] is None else _encode_unit(match[3])


def _encode_unit(unit: bytes) -> bytes:
    return chr(int(unit, 16)).encode("utf-8", "surrogatepass")


def decode_string(literal: bytes) -> bytes:
    """The bytes that a JSON string stands for, whether or not they are valid UTF-8."""
    return _join_pairs(_ESCAPED.sub(_unescape, literal[1:-1]))


def _unescape(match: re.Match[bytes]) -> bytes:
    return _encode_unit(match[1]) if match[2] is None else _LETTERS.get(match[2], match[2])


def _join_pairs(text: bytes) -> bytes:
    return _SURROGATE_PAIR.sub(_join_pair, text)


def _join_pair(match: re.Match[bytes]) -> bytes:
    halves = match[0].decode("utf-8", "surrogatepass")
    return halves.encode("utf-16", "surrogatepass").decode("utf-16").encode()


class TextDecoder:
    """Makes text of bytes that come in pieces: what is cut is joined, what is broken is U+FFFD."""

    def __init__(self) -> None:
        self._held = b""

    @property
    def complete(self) -> bool:
        """Whether nothing waits for its other half."""
        return not self._held

    def feed(self, chunk: bytes) -> str:
        """The text up to what may yet become a character."""
        text = _join_pairs(self._held + chunk)
        tail = _UNFINISHED.search(text, max(0, len(text) - _MAX_UNFINISHED))
        end = len(text) if tail is None else tail.start()
        self._held = text[end:]
        return _to_text(text[:end])

    def end(self) -> str:
        """What stands for a character that has not been finished."""
        held, self._held = self._held, b""
        return _to_text(held)


def _to_text(whole: bytes) -> str:
    return _LONE_SURROGATE.sub(REPLACEMENT.encode(), whole).decode("utf-8", "replace")
