"""The messages of a chat request, decoded lazily: only as far as they are read.

A megabyte from a stranger can hold hundreds of thousands of objects, and making them blocks the
event loop. So no object is made that is not read: msgspec skips unknown members, an array is
counted before it is decoded, and a message stays encoded until its text is needed, which is only so
for the newest ones. A thread would not help: a decoder holds the GIL until it has finished.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args

import msgspec
from msgspec import UNSET, UnsetType

from lyra.errors import InvalidJsonError, RequestError

MAX_MESSAGES = 5000
MAX_PARTS = 500  # of one message

Role = Literal[
    "user", "assistant", "system", "tool", "data", "developer", "function", "reasoning", "activity"
]
TurnRole = Literal["user", "assistant"]
SpokenMessages = Iterator[tuple[Role, str]]
Decoded = TypeVar("Decoded")


class ContentPart(msgspec.Struct, gc=False):
    """One part of a message; only those of type `text` are read."""

    type: str = "text"
    text: str | None = None


class Message(msgspec.Struct, gc=False):
    """One message as any of the accepted protocols sends it."""

    role: Role
    content: msgspec.Raw | UnsetType = UNSET
    parts: msgspec.Raw | UnsetType = UNSET

    def text(self, where: str) -> str:
        """Return the text of the message, which kits send as `content` or as `parts`.

        Raises:
            RequestError: it holds something else; the message names the path.
        """
        content = _decode_content(self.content, f"{where}.content")
        parts = _decode_parts(self.parts, f"{where}.parts")
        if not parts and isinstance(content, list):
            parts = content
        texts = [part.text for part in parts if part.type == "text" and part.text]
        return "\n".join(texts) or (content if isinstance(content, str) else "")


class _BoundedArray(Generic[Decoded]):
    """Decodes arrays of at most `limit` objects; of a longer one no more than these are made."""

    def __init__(self, kind: type[Decoded], limit: int) -> None:
        self._limit = limit
        self._all: msgspec.json.Decoder[list[Decoded]] = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type] # a type that is an argument
        # An array decoded as a struct: what is behind the last field is skipped.
        fields = [(f"at{number}", kind | UnsetType, UNSET) for number in range(limit + 1)]
        self._first = msgspec.json.Decoder(msgspec.defstruct("First", fields, array_like=True))

    def decode(self, payload: bytes, where: str) -> list[Decoded]:
        """Return all objects of the array.

        Raises:
            RequestError: they are too many, or of another shape; the message names the path.
        """
        if payload.count(b"{") <= self._limit:  # each has a brace
            return decode_as(payload, self._all, where)
        first = msgspec.structs.astuple(decode_as(payload, self._first, where))
        if first[-1] is not UNSET:
            raise RequestError(f"{where}: expected `array` of length <= {self._limit}.")
        return [each for each in first if each is not UNSET]


_MESSAGES = _BoundedArray(Message, MAX_MESSAGES)
_CONTENT_PARTS = _BoundedArray(ContentPart, MAX_PARTS)
_TEXT_OR_NULL: msgspec.json.Decoder[str | None] = msgspec.json.Decoder(str | None)


def _decode_content(member: msgspec.Raw | UnsetType, where: str) -> str | list[ContentPart] | None:
    payload = _to_bytes(member)
    if payload.startswith(b"["):
        return _CONTENT_PARTS.decode(payload, where)
    if payload.startswith(b"{"):
        return None  # the content of AG-UI's activity messages; it has no text
    return decode_as(payload, _TEXT_OR_NULL, where)


def _decode_parts(member: msgspec.Raw | UnsetType, where: str) -> list[ContentPart]:
    payload = _to_bytes(member)
    return [] if payload == b"null" else _CONTENT_PARTS.decode(payload, where)


_TEXT: dict[str, Any] = {"type": "string"}
_NULL = {"type": "null"}
_PARTS: dict[str, Any] = {
    "type": "array",
    "maxItems": MAX_PARTS,
    "items": {
        "type": "object",
        "description": "Only those of type `text` are read.",
        "properties": {
            "type": {**_TEXT, "default": "text"},
            "text": {"anyOf": [_TEXT, _NULL], "default": None},
        },
    },
}
_DESCRIBED = {
    "type": "array",
    "maxItems": MAX_MESSAGES,
    "items": {
        "type": "object",
        "description": "One message as any of the accepted protocols sends it.",
        "properties": {
            "role": {"enum": sorted(get_args(Role))},
            "content": {"anyOf": [_TEXT, _PARTS, {"type": "object"}, _NULL], "default": None},
            "parts": {"anyOf": [_PARTS, _NULL], "default": None},
        },
        "required": ["role"],
    },
}
Messages = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema=_DESCRIBED)]
_OR_NULL = {"anyOf": [_DESCRIBED, _NULL]}
MessagesOrNull = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema=_OR_NULL)]


def is_left_out(member: msgspec.Raw | UnsetType) -> bool:
    """Return whether an undecoded member is missing or null."""
    return _to_bytes(member) == b"null"


def _to_bytes(member: msgspec.Raw | UnsetType) -> bytes:
    return b"null" if member is UNSET else bytes(member)


def iter_spoken(messages: msgspec.Raw | UnsetType, where: str) -> SpokenMessages:
    """Yield roles and texts, newest first: of user and assistant, and of the last message.

    Raises:
        RequestError: they are too many, or of another shape; the message names the path.
    """
    decoded = [] if is_left_out(messages) else _MESSAGES.decode(_to_bytes(messages), where)
    for number in reversed(range(len(decoded))):
        message = decoded[number]
        if message.role in get_args(TurnRole) or number == len(decoded) - 1:
            yield message.role, message.text(f"{where}[{number}]")


def decode_as(payload: bytes, decoder: msgspec.json.Decoder[Decoded], where: str = "$") -> Decoded:
    """Decode these bytes.

    Raises:
        InvalidJsonError: they are not JSON.
        RequestError: they are JSON of another shape; the message names the path.
    """
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise RequestError(_describe_error(str(error), where)) from None
    except msgspec.DecodeError:
        raise InvalidJsonError from None


def _describe_error(error: str, root: str) -> str:
    """Return msgspec's error as `<path>: <what is wrong>`, without any value of the request."""
    what, _, where = error.partition(" - at `")
    if what.startswith("Invalid enum value"):
        what = f"expected one of {', '.join(get_args(Role))}"
    path = where.rstrip("`").removeprefix("$")
    return f"{root}{path}: {what[0].lower()}{what[1:]}."
