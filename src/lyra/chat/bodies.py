"""The three accepted shapes of a chat request, all made into one.

- the contract: `{"message", "history": [{"role", "content"}]}`
- useChat: `{"id", "messages": [{"role", "parts": [{"type": "text", "text"}]}]}`
- assistant-ui: `{"messages": [{"role", "content": [{"type": "text", "text"}]}]}`

Only the texts of user and assistant are taken. System, tool and reasoning parts that come from a
client are dropped: anybody can write them.
"""

from typing import Annotated, Any, Literal

import msgspec
import orjson

from lyra.errors import InvalidJsonError, RequestError

MAX_MESSAGES = 5000
KEPT_MESSAGES = 50
KEPT_BYTES = 32_768

Role = Literal["user", "assistant", "system", "tool", "data", "developer"]
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


class _Piece(msgspec.Struct):
    type: str = "text"
    text: str | None = None


class _Message(msgspec.Struct):
    role: Role
    content: str | list[_Piece] | None = None
    parts: list[_Piece] | None = None

    def words(self) -> str:
        """The texts of the message; some kits send them as `content` and as `parts`."""
        whole = self.content if isinstance(self.content, str) else ""
        pieces = self.parts or (self.content if isinstance(self.content, list) else [])
        texts = [piece.text for piece in pieces if piece.type == "text" and piece.text]
        return "\n".join(texts) or whole


_Said = tuple[Speaker, str]
_Messages = Annotated[list[_Message], msgspec.Meta(max_length=MAX_MESSAGES)]


class _Contract(msgspec.Struct):
    message: str
    history: _Messages = []
    stream: bool = True
    id: Id | None = None


class _Kit(msgspec.Struct):
    messages: _Messages
    stream: bool = True
    id: Id | None = None


def parse_question(body: bytes) -> Question:
    """The question in a request's body, trimmed to what the model may see.

    Raises:
        InvalidJsonError: the body is not JSON.
        RequestError: it is JSON of another shape; the message names the path.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidJsonError from None
    try:
        return _question(document)
    except msgspec.ValidationError as wrong:
        raise RequestError(_sentence(str(wrong))) from None


def _question(document: Any) -> Question:
    if not isinstance(document, dict):
        raise RequestError("$: send a JSON object with 'message', or with 'messages'.")
    asked: _Contract | _Kit
    if "messages" in document and "message" not in document:
        asked = msgspec.convert(document, _Kit)
        messages, where = asked.messages, "$.messages"
    else:
        asked = msgspec.convert(document, _Contract)
        messages, where = [*asked.history, _Message("user", asked.message)], "$.message"
    return Question(turns=_turns(messages, where), stream=asked.stream, chat_id=asked.id)


def _turns(messages: list[_Message], where: str) -> tuple[Turn, ...]:
    """The newest turns within the bounds, beginning and ending with the user's."""
    spoken = [(message, message.words()) for message in messages]
    said = [
        (message.role, words)
        for message, words in spoken
        if message.role in ("user", "assistant") and words.strip()
    ]
    if not said or said[-1][0] != "user" or not spoken[-1][1].strip():
        raise RequestError(f"{where}: the last message has to be the user's, and not empty.")
    if len(said[-1][1].encode()) > KEPT_BYTES:
        raise RequestError(f"{where}: the message is longer than {KEPT_BYTES} bytes. Shorten it.")
    return tuple(_merged(_newest(said)))


def _newest(said: list[_Said]) -> list[_Said]:
    kept: list[_Said] = []
    room = KEPT_BYTES
    for role, words in reversed(said[-KEPT_MESSAGES:]):
        room -= len(words.encode())
        if room < 0:
            break
        kept.append((role, words))
    while kept[-1][0] != "user":  # the oldest kept; the newest is the user's, so this ends
        kept.pop()
    return kept[::-1]


def _merged(said: list[_Said]) -> list[Turn]:
    """Equal neighbours as one turn: the model's API wants the roles to alternate."""
    turns: list[Turn] = []
    for role, words in said:
        if turns and turns[-1].role == role:
            turns[-1] = Turn(role, f"{turns[-1].text}\n\n{words}")
        else:
            turns.append(Turn(role, words))
    return turns


def _sentence(wrong: str) -> str:
    """Msgspec's complaint as `<path>: <what is wrong>`, without any value of the caller's."""
    what, _, where = wrong.partition(" - at `")
    if what.startswith("Invalid enum value"):
        what = "expected one of user, assistant, system, tool, developer, data"
    return f"{where.rstrip('`') or '$'}: {what[0].lower()}{what[1:]}."
