"""Decode text from JSON strings that were cut anywhere, even within a character.

Some gateways cut a model's text into events by bytes or by UTF-16 code units: half an emoji (a lone
surrogate) ends one event, and the other half begins the next.
"""

import re

REPLACEMENT = "\ufffd"
# Surrogates as JSON escapes: a pair, or a lone one. Any other escape is skipped whole.
_ESCAPES = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
# A surrogate encoded as if it were a character; valid UTF-8 has no such bytes.
_SURROGATE_PAIR = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
_LONE_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
# What may still become a character: the beginning of one, or the first surrogate of a pair.
_UNFINISHED = re.compile(
    rb"(?:[\xc2-\xdf]|[\xe1-\xec\xee\xef][\x80-\xbf]?|\xe0[\xa0-\xbf]?|\xed[\x80-\xbf]?"
    rb"|\xed[\xa0-\xaf][\x80-\xbf](?:\xed[\xb0-\xbf]?)?"
    rb"|\xf0(?:[\x90-\xbf][\x80-\xbf]?)?|[\xf1-\xf3](?:[\x80-\xbf][\x80-\xbf]?)?"
    rb"|\xf4(?:[\x80-\x8f][\x80-\xbf]?)?)\Z"
)
_MAX_UNFINISHED = 5  # bytes of an unfinished character


def replace_lone_surrogates(document: bytes) -> bytes:
    """Replace every escaped lone surrogate in JSON by its bytes.

    A strict parser rejects the escape, but skips the bytes.
    """
    return _ESCAPES.sub(_replace_lone, document)


def _replace_lone(match: re.Match[bytes]) -> bytes:
    return match[0] if match[3] is None else _encode_unit(match[3])


def _encode_unit(unit: bytes) -> bytes:
    return chr(int(unit, 16)).encode("utf-8", "surrogatepass")


def decode_string(literal: bytes) -> bytes:
    """Return the bytes that a JSON string stands for, even if they are not valid UTF-8."""
    return _join_pairs(_ESCAPED.sub(_unescape, literal[1:-1]))


def decode_text(whole: bytes) -> str:
    """Return the text of bytes that `decode_string` gave, all of them; U+FFFD for what is broken."""
    return _to_text(_join_pairs(whole))


def _unescape(match: re.Match[bytes]) -> bytes:
    return _encode_unit(match[1]) if match[2] is None else _LETTERS.get(match[2], match[2])


def _join_pairs(text: bytes) -> bytes:
    return _SURROGATE_PAIR.sub(_join_pair, text)


def _join_pair(match: re.Match[bytes]) -> bytes:
    halves = match[0].decode("utf-8", "surrogatepass")
    return halves.encode("utf-16", "surrogatepass").decode("utf-16").encode()


class TextDecoder:
    """An incremental decoder: it joins characters that were cut; a broken one becomes U+FFFD."""

    def __init__(self) -> None:
        self._held = b""

    @property
    def complete(self) -> bool:
        """Whether no unfinished character is held back."""
        return not self._held

    def feed(self, chunk: bytes) -> str:
        """Return the text, without an unfinished character at its end."""
        text = _join_pairs(self._held + chunk)
        tail = _UNFINISHED.search(text, max(0, len(text) - _MAX_UNFINISHED))
        end = len(text) if tail is None else tail.start()
        self._held = text[end:]
        return _to_text(text[:end])

    def end(self) -> str:
        """Return what stands for an unfinished character, at the end of the text."""
        held, self._held = self._held, b""
        return _to_text(held)


def _to_text(whole: bytes) -> str:
    return _LONE_SURROGATE.sub(REPLACEMENT.encode(), whole).decode("utf-8", "replace")
