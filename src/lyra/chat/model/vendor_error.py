"""Recognize the vendor's own error bodies.

The Messages API sends `{"type": "error", "error": {"type": ..., "message": ...}}`. Gateways,
firewalls and filters before the model send pages and shapes of their own.
"""

from typing import Literal

import msgspec


class _Error(msgspec.Struct):
    type: str


class _Body(msgspec.Struct):
    type: Literal["error"]
    error: _Error


def parse_error_type(body: object) -> str:
    """Return the error type in this decoded body; empty if the body is not the vendor's."""
    try:
        return msgspec.convert(body, _Body).error.type
    except msgspec.ValidationError:
        return ""
