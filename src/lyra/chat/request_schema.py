"""The three accepted shapes of a chat request, all parsed into `ChatInput`.

- the contract: `{"message", "history": [{"role", "content"}]}`
- useChat: `{"id", "messages": [{"role", "parts": [{"type": "text", "text"}]}]}`
- assistant-ui: `{"messages": [{"role", "content": [{"type": "text", "text"}]}]}`

Only the texts of user and assistant are used. System, tool and reasoning parts are dropped: a
client can write anything into them.
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
    Messages,
    MessagesOrNull,
    SpokenMessages,
    TurnRole,
    decode_as,
    is_left_out,
    iter_spoken,
)
from lyra.errors import InvalidJsonError, RequestError
from lyra.timezones import MAX_NAME

KEPT_MESSAGES = 50
KEPT_BYTES = 32_768
_MAX_CLEANED = 2 * KEPT_BYTES  # characters of all messages together, since cleaning is slow
_MAX_VALUES = 4096  # of a body that nests too deeply for msgspec, and is decoded whole

# Control characters but tab and line break, direction overrides, and tag characters, which can
# carry a hidden sentence from a page that somebody pasted from.
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]+")

Id = Annotated[str, msgspec.Meta(max_length=256)]


class Turn(msgspec.Struct, frozen=True):
    """One or more messages of one role: neighbours are merged, since a model wants turns.

    `last_at` is where in the text the last of them begins.
    """

    role: TurnRole
    text: str
    last_at: int = 0

    @property
    def last_message(self) -> str:
        """The newest message: what is asked now, if the ones before it were not answered."""
        return self.text[self.last_at :]

    def followed_by(self, turn: "Turn") -> "Turn":
        """Return one turn of both, which are of the same role."""
        before = f"{self.text}\n\n"
        return Turn(self.role, before + turn.text, len(before) + turn.last_at)


class ChatInput(msgspec.Struct, frozen=True):
    """A parsed question: turns that begin and end with the user's and alternate."""

    turns: tuple[Turn, ...]
    stream: bool = True
    chat_id: str | None = None
    resumable: bool = False
    timezone: str | None = None  # an IANA name, not looked up yet


_Message = tuple[TurnRole, str]


class WithMessages(Protocol):
    """What the bodies of all protocols have in common."""

    messages: Messages


Shape = TypeVar("Shape", bound=WithMessages)
Result = TypeVar("Result")


class _Options(msgspec.Struct, kw_only=True):
    """Members that may be left out, or be null, which means the same."""

    stream: bool | None = True
    id: Id | None = None
    resumable: bool | None = False
    timezone: Annotated[str, msgspec.Meta(max_length=MAX_NAME)] | None = None


class ChatRequest(_Options):
    """A message, and the conversation before it."""

    message: str
    history: MessagesOrNull | UnsetType = UNSET


class UiMessagesRequest(_Options):
    """The whole conversation, as useChat and assistant-ui send it."""

    messages: Messages


class _EitherRequest(_Options):
    """A body of any shape. With a `message` it is a ChatRequest, whatever else it has."""

    message: msgspec.Raw | UnsetType = UNSET
    messages: Messages | UnsetType = UNSET


_EITHER = msgspec.json.Decoder(_EitherRequest)
_CONTRACT = msgspec.json.Decoder(ChatRequest)
_ANYTHING = msgspec.json.Decoder(msgspec.Raw)


def parse_question(body: bytes) -> ChatInput:
    """Parse the body of a chat request, and trim it to what the model may see.

    Raises:
        InvalidJsonError: the body is not JSON.
        RequestError: it is JSON of another shape; the message names the path.
    """
    return _parse_at_any_depth(
        body, {*_field_names(ChatRequest), *_field_names(UiMessagesRequest)}, _parse_question
    )


def _parse_question(body: bytes) -> ChatInput:
    request = _decode(body, _EITHER)
    if is_left_out(request.message) and not is_left_out(request.messages):
        turns = collect_turns(iter_spoken(request.messages, "$.messages"), "$.messages")
    else:
        contract = _decode(body, _CONTRACT)
        message: SpokenMessages = iter([("user", contract.message)])
        turns = collect_turns(
            chain(message, iter_spoken(contract.history, "$.history")), "$.message"
        )
    return ChatInput(
        turns,
        request.stream is not False,
        request.id,
        bool(request.resumable),
        request.timezone or None,
    )


def parse_messages(
    body: bytes, shape: type[Shape], *, may_ask_nothing: Callable[[Shape], bool] = lambda _: False
) -> tuple[Shape, tuple[Turn, ...]]:
    """Parse a body of another protocol. Return it without its messages, and these as turns.

    There are no turns where the last message is not the user's, if `may_ask_nothing` says so.

    Raises:
        InvalidJsonError: the body is not JSON.
        RequestError: it is JSON of another shape; the message names the path.
    """
    parse = partial(_parse_messages, shape=shape, may_ask_nothing=may_ask_nothing)
    return _parse_at_any_depth(body, _field_names(shape), parse)


def _parse_messages(
    body: bytes, shape: type[Shape], may_ask_nothing: Callable[[Shape], bool]
) -> tuple[Shape, tuple[Turn, ...]]:
    request = _decode(body, msgspec.json.Decoder(shape))
    spoken, last = iter_spoken(request.messages, "$.messages"), None
    if may_ask_nothing(request):
        last = next(spoken, ("assistant", ""))
    if last is not None and last[0] != "user":
        turns: tuple[Turn, ...] = ()
    else:
        turns = collect_turns(chain([last] if last else [], spoken), "$.messages")
    request.messages = msgspec.Raw()  # it would keep the whole body
    return request, turns


def _field_names(shape: type[Any]) -> Collection[str]:
    names: tuple[str, ...] = shape.__struct_encode_fields__
    return names


def _parse_at_any_depth(
    body: bytes, names: Collection[str], parse: Callable[[bytes], Result]
) -> Result:
    """Parse the body; if it nests too deeply, parse only its members with these names."""
    try:
        body.decode()  # msgspec does not validate what it skips
        return parse(body)
    except UnicodeDecodeError:
        raise InvalidJsonError from None
    except RecursionError:
        shallow = _keep_members(body, names)
    try:
        return parse(shallow)
    except RecursionError:
        raise InvalidJsonError from None


def _keep_members(body: bytes, names: Collection[str]) -> bytes:
    """Return a body of these members alone: orjson decodes more levels than msgspec, 1,024."""
    if sum(body.count(sign) for sign in (b"[", b"{", b",")) > _MAX_VALUES:
        raise InvalidJsonError
    try:
        document = orjson.loads(body)
        return orjson.dumps({name: document[name] for name in names if name in document})
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        raise InvalidJsonError from None


def _decode(body: bytes, decoder: msgspec.json.Decoder[Result]) -> Result:
    """Decode the body. Invalid JSON is reported before any other error."""
    try:
        return decode_as(body, decoder)
    except InvalidJsonError:
        raise
    except RequestError:
        decode_as(body, _ANYTHING)
        raise


def collect_turns(spoken: SpokenMessages, where: str) -> tuple[Turn, ...]:
    """Return the newest turns within the bounds, beginning and ending with the user's."""
    # Of thousands of messages only these are read, since that blocks the event loop.
    messages = list(islice(_clean(spoken, where), KEPT_MESSAGES))
    if not messages or messages[0][0] != "user":
        raise RequestError(f"{where}: the last message has to be the user's, and not empty.")
    if len(messages[0][1].encode()) > KEPT_BYTES:
        raise _too_long_error(where)
    return tuple(_merge_neighbours(_take_newest(messages)))


def _too_long_error(where: str) -> RequestError:
    return RequestError(f"{where}: the message is longer than {KEPT_BYTES} bytes. Shorten it.")


def _clean(spoken: SpokenMessages, where: str) -> Iterator[_Message]:
    """Yield the texts of user and assistant, newest first, without invisible characters."""
    room = _MAX_CLEANED
    for number, (role, text) in enumerate(spoken):
        room -= len(text)
        if room < 0:
            if number == 0:
                raise _too_long_error(where)
            return  # older messages do not fit, or only once they are cleaned
        visible = _INVISIBLE.sub("", text)
        if number == 0 and not visible.strip():
            return  # nothing is asked
        if visible.strip() and (role == "user" or role == "assistant"):  # noqa: PLR1714 - for mypy
            yield role, visible


def _take_newest(messages: list[_Message]) -> list[_Message]:
    """Return as many of the newest as there is room for, oldest first."""
    kept: list[_Message] = []
    room = KEPT_BYTES
    for role, text in messages:
        room -= len(text.encode())
        if room < 0:
            break
        kept.append((role, text))
    while kept[-1][0] != "user":  # the oldest kept; the newest is the user's, so this ends
        kept.pop()
    return kept[::-1]


def _merge_neighbours(messages: list[_Message]) -> list[Turn]:
    """Merge neighbours of one role: the model's API wants the roles to alternate."""
    turns: list[Turn] = []
    for role, text in messages:
        if turns and turns[-1].role == role:
            turns[-1] = turns[-1].followed_by(Turn(role, text))
        else:
            turns.append(Turn(role, text))
    return turns
