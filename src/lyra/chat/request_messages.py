"""The messages of a chat request, decoded only as far as somebody reads them.

A stranger's megabyte can hold hundreds of thousands of objects, and the event loop waits while they
are made. So none is made that nobody reads: msgspec passes over unknown members, a list is counted
before it is made, a message stays undecoded until its words are wanted, and only the newest are.
A thread would not help: a decoder keeps the interpreter to itself until it has done.
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
Speaker = Literal["user", "assistant"]
Heard = Iterator[tuple[Role, str]]
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

    def words(self, where: str) -> str:
        """The texts of the message; some kits send them as `content` and as `parts`.

        Raises:
            RequestError: it holds something else; the message names the path.
        """
        content = _content(self.content, f"{where}.content")
        pieces = _parts(self.parts, f"{where}.parts")
        if not pieces and isinstance(content, list):
            pieces = content
        texts = [piece.text for piece in pieces if piece.type == "text" and piece.text]
        return "\n".join(texts) or (content if isinstance(content, str) else "")


class _Few(Generic[Decoded]):
    """Decodes arrays of at most so many objects; of a longer one no more than these are made."""

    def __init__(self, kind: type[Decoded], most: int) -> None:
        self._most = most
        self._all: msgspec.json.Decoder[list[Decoded]] = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type] # a type that is an argument
        # An array read as a struct: what is behind the last field is passed over.
        fields = [(f"at{number}", kind | UnsetType, UNSET) for number in range(most + 1)]
        self._first = msgspec.json.Decoder(msgspec.defstruct("First", fields, array_like=True))

    def decode(self, sent: bytes, where: str) -> list[Decoded]:
        """All of them.

        Raises:
            RequestError: they are too many, or no such objects; the message names the path.
        """
        if sent.count(b"{") <= self._most:  # each has a brace
            return typed(sent, self._all, where)
        first = msgspec.structs.astuple(typed(sent, self._first, where))
        if first[-1] is not UNSET:
            raise RequestError(f"{where}: expected `array` of length <= {self._most}.")
        return [each for each in first if each is not UNSET]


_MESSAGES = _Few(Message, MAX_MESSAGES)
_PIECES = _Few(ContentPart, MAX_PARTS)
_WORDS: msgspec.json.Decoder[str | None] = msgspec.json.Decoder(str | None)


def _content(sent: msgspec.Raw | UnsetType, where: str) -> str | list[ContentPart] | None:
    text = _bytes(sent)
    if text.startswith(b"["):
        return _PIECES.decode(text, where)
    if text.startswith(b"{"):
        return None  # what AG-UI's activity messages hold; it has no words
    return typed(text, _WORDS, where)


def _parts(sent: msgspec.Raw | UnsetType, where: str) -> list[ContentPart]:
    text = _bytes(sent)
    return [] if text == b"null" else _PIECES.decode(text, where)


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


def left_out(member: msgspec.Raw | UnsetType) -> bool:
    """Whether a member that is read undecoded is not there, or null."""
    return _bytes(member) == b"null"


def _bytes(member: msgspec.Raw | UnsetType) -> bytes:
    return b"null" if member is UNSET else bytes(member)


def heard(messages: msgspec.Raw | UnsetType, where: str) -> Heard:
    """What each has said, newest first; of others than user and assistant only the last counts.

    Raises:
        RequestError: they are too many, or of another shape; the message names the path.
    """
    sent = [] if left_out(messages) else _MESSAGES.decode(_bytes(messages), where)
    for number in reversed(range(len(sent))):
        message = sent[number]
        if message.role in get_args(Speaker) or number == len(sent) - 1:
            yield message.role, message.words(f"{where}[{number}]")


def typed(sent: bytes, decoder: msgspec.json.Decoder[Decoded], where: str = "$") -> Decoded:
    """These bytes in a decoder's shape.

    Raises:
        InvalidJsonError: they are not JSON.
        RequestError: they are JSON of another shape; the message names the path.
    """
    try:
        return decoder.decode(sent)
    except msgspec.ValidationError as wrong:
        raise RequestError(_sentence(str(wrong), where)) from None
    except msgspec.DecodeError:
        raise InvalidJsonError from None


def _sentence(wrong: str, root: str) -> str:
    """Msgspec's complaint as `<path>: <what is wrong>`, without any value of the caller's."""
    what, _, where = wrong.partition(" - at `")
    if what.startswith("Invalid enum value"):
        what = f"expected one of {', '.join(get_args(Role))}"
    path = where.rstrip("`").removeprefix("$")
    return f"{root}{path}: {what[0].lower()}{what[1:]}."
