"""Tolerant decoding of untrusted JSON, in a time that its length bounds."""

import re
from typing import Any, TypeVar

import msgspec
from msgspec.structs import astuple

T = TypeVar("T")

# Of an item: ten times a real one. A larger one is not repaired, since that is slow.
LARGEST = 64 * 1024
_ESCAPES = 10_000
# Escaped backslashes and whole pairs are matched to be passed over.
_ESCAPE = re.compile(rb"\\(?:\\|u[dD](?:[89abAB]..(?:\\u[dD][c-fC-F]..)?|[c-fC-F]..))")
_WHOLE = frozenset({len(rb"\\"), len(rb"\ud83d\ude00")})


def decode(text: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    """Return the JSON in the decoder's shape; replace invalid characters.

    Raises:
        msgspec.ValidationError: it is JSON of another shape, or too deep.
        ValueError: it is no JSON.
    """
    try:
        return _decode(text, decoder)
    except msgspec.ValidationError:
        raise
    except ValueError:
        return _decode(_mend(bytes(text)), decoder)


def decode_or_none(text: msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T | None:
    """Return the JSON in the decoder's shape, None if it cannot be or is too large for one item."""
    if len(memoryview(text)) > LARGEST:
        return None
    try:
        return decode(text, decoder)
    except ValueError:
        return None


def elements(decoded: msgspec.Struct) -> list[Any]:
    """Return the elements of a list that was decoded as `raw_models.first`, null among them."""
    return [one for one in astuple(decoded) if one is not msgspec.UNSET]


def _decode(text: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(text)
    except RecursionError:
        raise msgspec.ValidationError from None


def _mend(text: bytes) -> bytes:
    """Return the JSON with valid characters only; one broken title must not cost a section."""
    if len(text) <= LARGEST:
        text = text.decode(errors="replace").encode()
    return _ESCAPE.sub(_replace_half, text, count=_ESCAPES)


def _replace_half(match: re.Match[bytes]) -> bytes:
    """Return the escape, or the sign for a broken one if it is half of a pair."""
    return match[0] if len(match[0]) in _WHOLE else rb"\ufffd"
