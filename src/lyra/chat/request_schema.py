"""The three accepted shapes of a chat request, all made into one.

- the contract: `{"message", "history": [{"role", "content"}]}`
- useChat: `{"id", "messages": [{"role", "parts": [{"type": "text", "text"}]}]}`
- assistant-ui: `{"messages": [{"role", "content": [{"type": "text", "text"}]}]}`

Only the texts of user and assistant are taken. System, tool and reasoning parts that come from a
client are dropped: anybody can write them.
"""

import re
from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import chain, islice
from typing import Annotated, Any, Protocol, TypeVar

import msgspec
import orjson
from msgspec import UNSET, UnsetType

from lyra.chat.request_messages import (
    Heard,
    Messages,
    MessagesOrNull,
    Speaker,
    heard,
    left_out,
    typed,
)
from lyra.errors import InvalidJsonError, RequestError

KEPT_MESSAGES = 50
KEPT_BYTES = 32_768
_CLEANED = 2 * KEPT_BYTES  # characters of all messages together: cleaning is slow
_DEEP = 4096  # values of a body that nests deeper than msgspec goes: all of them are made

# Control characters but tab and line break, direction overrides, and tag characters, which can
# carry a hidden sentence from a page that somebody pasted from.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]+")

Id = Annotated[str, msgspec.Meta(max_length=256)]


class Turn(msgspec.Struct, frozen=True):
    """One side's words in the conversation."""

    role: Speaker
    text: str


class ChatInput(msgspec.Struct, frozen=True):
    """What is asked: turns that begin and end with the user's, neighbours merged."""

    turns: tuple[Turn, ...]
    stream: bool = True
    chat_id: str | None = None
    resumable: bool = False


_Said = tuple[Speaker, str]


class WithMessages(Protocol):
    """A protocol's body, as far as every one of them is the same."""

    messages: Messages


Shape = TypeVar("Shape", bound=WithMessages)
Result = TypeVar("Result")


class _Wishes(msgspec.Struct, kw_only=True):
    """What may be left out; kits that send null mean the same."""

    stream: bool | None = True
    id: Id | None = None
    resumable: bool | None = False


class ChatRequest(_Wishes):
    """A message, and what was said before it."""

    message: str
    history: MessagesOrNull | UnsetType = UNSET


class UiMessagesRequest(_Wishes):
    """The whole conversation, as useChat and assistant-ui send it."""

    messages: Messages


class _Either(_Wishes):
    """A body of either shape. With a `message` it is the contract's, whatever else it has."""

    message: msgspec.Raw | UnsetType = UNSET
    messages: Messages | UnsetType = UNSET


_EITHER = msgspec.json.Decoder(_Either)
_CONTRACT = msgspec.json.Decoder(ChatRequest)
_ANYTHING = msgspec.json.Decoder(msgspec.Raw)


def parse_question(body: bytes) -> ChatInput:
    """The question in a request's body, trimmed to what the model may see.

    Raises:
        InvalidJsonError: the body is not JSON.
        RequestError: it is JSON of another shape; the message names the path.
    """
    return _read(body, {*_names(ChatRequest), *_names(UiMessagesRequest)}, _question)


def _question(body: bytes) -> ChatInput:
    asked = _document(body, _EITHER)
    if left_out(asked.message) and not left_out(asked.messages):
        said = turns(heard(asked.messages, "$.messages"), "$.messages")
    else:
        contract = _document(body, _CONTRACT)
        last: Heard = iter([("user", contract.message)])
        said = turns(chain(last, heard(contract.history, "$.history")), "$.message")
    return ChatInput(said, asked.stream is not False, asked.id, bool(asked.resumable))


def parse_messages(body: bytes, shape: type[Shape]) -> tuple[Shape, tuple[Turn, ...]]:
    """Another protocol's body with `messages`, as its shape and as turns; the shape keeps none.

    Raises:
        InvalidJsonError: the body is not JSON.
        RequestError: it is JSON of another shape; the message names the path.
    """
    return _read(body, _names(shape), partial(_messages, shape=shape))


def _messages(body: bytes, shape: type[Shape]) -> tuple[Shape, tuple[Turn, ...]]:
    asked = _document(body, msgspec.json.Decoder(shape))
    said = turns(heard(asked.messages, "$.messages"), "$.messages")
    asked.messages = msgspec.Raw()  # it would keep the whole body
    return asked, said


def _names(shape: type[Any]) -> Collection[str]:
    names: tuple[str, ...] = shape.__struct_encode_fields__
    return names


def _read(body: bytes, names: Collection[str], parse: Callable[[bytes], Result]) -> Result:
    """What is made of the body; where it nests very deep, of its members with these names."""
    try:
        body.decode()  # what msgspec passes over it does not look at so closely
        return parse(body)
    except UnicodeDecodeError:
        raise InvalidJsonError from None
    except RecursionError:
        shallow = _shallow(body, names)
    try:
        return parse(shallow)
    except RecursionError:
        raise InvalidJsonError from None


def _shallow(body: bytes, names: Collection[str]) -> bytes:
    """These members alone: msgspec goes as deep as the interpreter allows, orjson 1,024 levels."""
    if sum(body.count(sign) for sign in (b"[", b"{", b",")) > _DEEP:
        raise InvalidJsonError
    try:
        document = orjson.loads(body)
        return orjson.dumps({name: document[name] for name in names if name in document})
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        raise InvalidJsonError from None


def _document(body: bytes, decoder: msgspec.json.Decoder[Result]) -> Result:
    """The body in this shape. That it is no JSON is told before anything else that is wrong."""
    try:
        return typed(body, decoder)
    except InvalidJsonError:
        raise
    except RequestError:
        typed(body, _ANYTHING)
        raise


def turns(spoken: Heard, where: str) -> tuple[Turn, ...]:
    """The newest turns within the bounds, beginning and ending with the user's."""
    # Of thousands of messages only these are looked at: the event loop waits meanwhile.
    said = list(islice(_said(spoken, where), KEPT_MESSAGES))
    if not said or said[0][0] != "user":
        raise RequestError(f"{where}: the last message has to be the user's, and not empty.")
    if len(said[0][1].encode()) > KEPT_BYTES:
        raise _too_long(where)
    return tuple(_merged(_newest(said)))


def _too_long(where: str) -> RequestError:
    return RequestError(f"{where}: the message is longer than {KEPT_BYTES} bytes. Shorten it.")


def _said(spoken: Heard, where: str) -> Iterator[_Said]:
    """What user and assistant have said, newest first, without what nobody can see in it."""
    left = _CLEANED
    for number, (role, words) in enumerate(spoken):
        left -= len(words)
        if left < 0:
            if number == 0:
                raise _too_long(where)
            return  # what is older is left out: it would not fit in, or only once it is cleaned
        seen = _UNSEEN.sub("", words)
        if number == 0 and not seen.strip():
            return  # nothing is asked
        if seen.strip() and (role == "user" or role == "assistant"):  # noqa: PLR1714 - for mypy
            yield role, seen


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
