"""What the body of a model's refusal says, where it is the vendor's own.

`{"type": "error", "error": {"type": ..., "message": ...}}`, as the Messages API sends it. Gateways,
firewalls and filters that stand before the model send pages and forms of their own.
"""

from typing import Literal

import msgspec


class _Error(msgspec.Struct):
    type: str


class _Body(msgspec.Struct):
    type: Literal["error"]
    error: _Error


def parse_error_type(body: object) -> str:
    """The error's type in this body, decoded from JSON; empty if that is not the vendor's."""
    try:
        return msgspec.convert(body, _Body).error.type
    except msgspec.ValidationError:
        return ""
