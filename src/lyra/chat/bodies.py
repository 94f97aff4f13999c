"""The three accepted shapes of a chat request, all made into one.

- the contract: `{"message", "history": [{"role", "content"}]}`
- useChat: `{"id", "messages": [{"role", "parts": [{"type": "text", "text"}]}]}`
- assistant-ui: `{"messages": [{"role", "content": [{"type": "text", "text"}]}]}`

Only the texts of user and assistant are taken. System, tool and reasoning parts that come from a
client are dropped: anybody can write them.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, Literal, Protocol, TypeVar, get_args

import msgspec
import orjson

from lyra.errors import InvalidJsonError, RequestError

MAX_MESSAGES = 5000
KEPT_MESSAGES = 50
KEPT_BYTES = 32_768
_CLEANED = 4 * KEPT_BYTES  # characters

# Control characters but tab and line break, direction overrides, and tag characters, which can
# carry a hidden sentence from a page that somebody pasted from.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")

Role = Literal[
    "user", "assistant", "system", "tool", "data", "developer", "function", "reasoning", "activity"
]
Speaker = Literal["user", "assistant"]
Id = Annotated[str, msgspec.Meta(max_length=256)]


class Turn(msgspec.Struct, frozen=True):
    """One side's words in the conversation."""

    role: Speaker
    text: str


class Question(msgspec.Struct, frozen=True):
    """What is asked: turns that begin and end with the user's, neighbours merged."""

    turns: tuple[Turn, ...]
    stream: bool = True
    chat_id: str | None = None
    resumable: bool = False


class Piece(msgspec.Struct):
    """One part of a message; only those of type `text` are read."""

    type: str = "text"
    text: str | None = None


class Message(msgspec.Struct):
    """One message as any of the accepted protocols sends it."""

    role: Role
    # An object is what AG-UI's activity messages hold; it has no words.
    content: str | list[Piece] | dict[str, Any] | None = None
    parts: list[Piece] | None = None

    def words(self) -> str:
        """The texts of the message; some kits send them as `content` and as `parts`."""
        whole = self.content if isinstance(self.content, str) else ""
        pieces = self.parts or (self.content if isinstance(self.content, list) else [])
        texts = [piece.text for piece in pieces if piece.type == "text" and piece.text]
        said = "\n".join(texts) or whole
        # What is much too long is refused or left out as it is: cleaning it holds everybody up.
        return said if len(said) > _CLEANED else _UNSEEN.sub("", said)


_Said = tuple[Speaker, str]
Messages = Annotated[list[Message], msgspec.Meta(max_length=MAX_MESSAGES)]


class WithMessages(Protocol):
    """A protocol's body, as far as every one of them is the same."""

    messages: Messages


Shape = TypeVar("Shape", bound=WithMessages)


class Contract(msgspec.Struct):
    """A message, and what was said before it."""

    message: str
    history: Messages = []
    stream: bool = True
    id: Id | None = None
    resumable: bool = False


class Kit(msgspec.Struct):
    """The whole conversation, as useChat and assistant-ui send it."""

    messages: Messages
    stream: bool = True
    id: Id | None = None
    resumable: bool = False


def parse_question(body: bytes) -> Question:
    """The question in a request's body, trimmed to what the model may see.

    Raises:
        InvalidJsonError: the body is not JSON.
        RequestError: it is JSON of another shape; the message names the path.
    """
    document = _load(body)
    if "messages" in document and "message" not in document:
        kit: Kit = _shaped(document, Kit)
        return Question(turns(kit.messages, "$.messages"), kit.stream, kit.id, kit.resumable)
    asked: Contract = _shaped(document, Contract)
    messages = [*asked.history, Message("user", asked.message)]
    return Question(turns(messages, "$.message"), asked.stream, asked.id, asked.resumable)


def parse_messages(body: bytes, shape: type[Shape]) -> tuple[Shape, tuple[Turn, ...]]:
    """Another protocol's body with `messages`, as its shape and as turns; the shape keeps none.

    Raises:
        InvalidJsonError: the body is not JSON.
        RequestError: it is JSON of another shape; the message names the path.
    """
    asked = _shaped(_load(body), shape)
    said = turns(asked.messages, "$.messages")
    asked.messages.clear()
    return asked, said


def _load(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidJsonError from None
    if not isinstance(document, dict):
        raise RequestError("$: send a JSON object with 'message', or with 'messages'.")
    return document


def _shaped(document: dict[str, Any], shape: type[Any]) -> Any:
    try:
        return msgspec.convert(document, shape)
    except msgspec.ValidationError as wrong:
        raise RequestError(_sentence(str(wrong))) from None


def turns(messages: list[Message], where: str) -> tuple[Turn, ...]:
    """The newest turns within the bounds, beginning and ending with the user's."""
    # Of thousands of messages only these are looked at: the event loop waits meanwhile.
    said = list(islice(_said(messages), KEPT_MESSAGES))
    if not said or said[0][0] != "user" or not messages[-1].words().strip():
        raise RequestError(f"{where}: the last message has to be the user's, and not empty.")
    if len(said[0][1].encode()) > KEPT_BYTES:
        raise RequestError(f"{where}: the message is longer than {KEPT_BYTES} bytes. Shorten it.")
    return tuple(_merged(_newest(said)))


def _said(messages: list[Message]) -> Iterator[_Said]:
    """What user and assistant have said, newest first."""
    for message in reversed(messages):
        if message.role in ("user", "assistant") and (words := message.words()).strip():
            yield message.role, words


def _newest(said: list[_Said]) -> list[_Said]:
    """As much of it as there is room for, oldest first."""
    kept: list[_Said] = []
    room = KEPT_BYTES
    for role, words in said:
        room -= len(words.encode())
        if room < 0:
            break
        kept.append((role, words))
    while kept[-1][0] != "user":  # the oldest kept; the newest is the user's, so this ends
        kept.pop()
    return kept[::-1]


def _merged(said: list[_Said]) -> list[Turn]:
    """Equal neighbours as one turn: the model's API wants the roles to alternate."""
    merged: list[Turn] = []
    for role, words in said:
        if merged and merged[-1].role == role:
            merged[-1] = Turn(role, f"{merged[-1].text}\n\n{words}")
        else:
            merged.append(Turn(role, words))
    return merged


def _sentence(wrong: str) -> str:
    """Msgspec's complaint as `<path>: <what is wrong>`, without any value of the caller's."""
    what, _, where = wrong.partition(" - at `")
    if what.startswith("Invalid enum value"):
        what = f"expected one of {', '.join(get_args(Role))}"
    return f"{where.rstrip('`') or '$'}: {what[0].lower()}{what[1:]}."
