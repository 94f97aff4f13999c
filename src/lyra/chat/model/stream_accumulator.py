"""Accumulate the events of a model's stream: text, calls of tools, token counts, and the ending.

The server is not trusted: a member of the wrong type is treated as missing, and an impossible count
is ignored.
"""

from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Raw

from lyra.chat.model.json_text import TextDecoder, decode_string, replace_lone_surrogates
from lyra.chat.model.port import MAX_TOKENS, Done, Piece, ToolProgress, Usage
from lyra.chat.model.turn_recorder import TurnRecorder
from lyra.chat.parts import FinishReason
from lyra.errors import (
    LlmInterruptedError,
    LlmMisconfiguredError,
    LlmRateLimitedError,
    LlmTimeoutError,
    LlmUnavailableError,
    LyraError,
)

_FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content-filter",
}
_CUT = ("length", "content-filter")  # after these a call may not be whole, even if it looks so
_BY_TYPE: dict[str, type[LyraError]] = {
    "overloaded_error": LlmUnavailableError,
    "api_error": LlmUnavailableError,
    "rate_limit_error": LlmRateLimitedError,
    "timeout_error": LlmTimeoutError,
    "authentication_error": LlmMisconfiguredError,
    "permission_error": LlmMisconfiguredError,
    "billing_error": LlmMisconfiguredError,
    "not_found_error": LlmMisconfiguredError,
    "invalid_request_error": LlmMisconfiguredError,
}
_MAX_REPAIRED_BYTES = 131_072  # a longer event with broken characters is not repaired
# Where the piece of a delta stands that is not text.
_PIECES = {
    "input_json_delta": "partial_json",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
}
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_ABSENT = Raw(b"null")

Value = TypeVar("Value")


class _TextDelta(msgspec.Struct, gc=False):
    type: Literal["text_delta"]  # not a tag: that may be missing
    text: str


class _TextEvent(msgspec.Struct, gc=False):
    type: Literal["content_block_delta"]
    delta: _TextDelta


class _Event(msgspec.Struct, gc=False):
    """Any event. Members that are not named here are skipped without being built."""

    type: Raw = _ABSENT
    delta: Raw = _ABSENT
    content_block: Raw = _ABSENT
    message: Raw = _ABSENT
    usage: Raw = _ABSENT
    error: Raw = _ABSENT


class _Inner(msgspec.Struct, gc=False):
    """What is within an event's `delta`, `content_block`, `message` or `error`."""

    type: Raw = _ABSENT
    text: Raw = _ABSENT
    partial_json: Raw = _ABSENT
    thinking: Raw = _ABSENT
    signature: Raw = _ABSENT
    stop_reason: Raw = _ABSENT
    usage: Raw = _ABSENT


class _Counts(msgspec.Struct, gc=False):
    input_tokens: Raw = _ABSENT
    output_tokens: Raw = _ABSENT
    cache_read_input_tokens: Raw = _ABSENT
    cache_creation_input_tokens: Raw = _ABSENT


_text_event = msgspec.json.Decoder(_TextEvent).decode
_event = msgspec.json.Decoder(_Event)
_inner = msgspec.json.Decoder(_Inner)
_counts = msgspec.json.Decoder(_Counts)
_string = msgspec.json.Decoder(str)
_tokens = msgspec.json.Decoder(Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)])
_anything = msgspec.json.Decoder(Raw)
_block = msgspec.json.Decoder(dict[str, Any])


class StreamAccumulator:
    """Accumulates the events of one turn; pings and unknown events are skipped.

    The turn is recorded where tools were offered: else nothing of it is ever replayed. `taken_ids`:
    see TurnRecorder.
    """

    def __init__(
        self, *, tools_offered: bool = False, taken_ids: AbstractSet[str] = frozenset()
    ) -> None:
        self.ending: Done | LyraError | None = None
        self._texts: list[str] = []  # since the last piece
        self._pieces: list[Piece] = []
        self._turn = TurnRecorder(taken_ids) if tools_offered else None
        self._progressed = False  # whether more of a call has come since the last piece
        self._decoder = TextDecoder()
        self._reason = ""
        self._usage = Usage()

    def feed(self, data: bytes) -> None:
        """Take the data of one event. Nothing counts after the ending."""
        if self.ending is not None:
            return
        if b'"text_delta"' in data and self._decoder.complete:
            try:
                self._texts.append(_text_event(data).delta.text)
            except _UNREADABLE:
                self._feed_any(data)
        else:
            self._feed_any(data)

    def _feed_any(self, data: bytes) -> None:
        try:
            event = _parse_event(data)
        except _UNREADABLE:
            self.ending = LlmInterruptedError()  # the text before it is kept
        else:
            self._apply(event)

    def _apply(self, event: _Event) -> None:
        match _event_type(event):
            case "content_block_delta":
                self._add_text(event.delta, "text_delta")
                if self._turn is not None:
                    self._add_delta(self._turn, event.delta)
            case "content_block_start":
                self._start_block(event.content_block)
            case "message_start":
                self._update_usage(_decode_inner(event.message).usage)
            case "message_delta":
                # Some gateways repeat the counts in a separate event without a reason.
                reason = _decode(_string, _decode_inner(event.delta).stop_reason)
                self._reason = reason or self._reason
                self._update_usage(event.usage)
            case "message_stop":
                self.ending = self._make_done()
            case "error":
                self.ending = _make_error(event.error)
            case _:
                pass  # pings, thinking, and types that are added to the API later

    def _start_block(self, content_block: Raw) -> None:
        if self._turn is not None and (block := _decode(_block, content_block)):
            self._end_text()
            if (start := self._turn.start(block)) is not None:
                self._pieces.append(start)
        self._add_text(content_block, "text")  # some gateways send text here

    def _add_delta(self, turn: TurnRecorder, delta: Raw) -> None:
        inner = _decode_inner(delta)
        kind = _decode(_string, inner.type) or ""
        if kind not in _PIECES:
            return
        if (piece := _decode_piece(getattr(inner, _PIECES[kind]))) is not None:
            turn.add_delta(kind, piece)
        self._progressed = kind == "input_json_delta"

    def _make_done(self) -> Done:
        reason = _FINISH.get(self._reason, "other")
        if self._turn is None:
            return Done(reason, self._usage)
        self._end_text()
        if self._turn.overflowed:
            return Done("length" if self._turn.called else reason, self._usage)
        calls = () if reason in _CUT else self._turn.calls()
        return Done(reason, self._usage, calls, self._turn.blocks() if calls else ())

    def _add_text(self, block: Raw, kind: str) -> None:
        """Add the text of a block of this kind; another block has none."""
        inner = _decode_inner(block)
        if _decode(_string, inner.type) != kind:
            return
        if (piece := _decode_piece(inner.text)) is not None:
            self._texts.append(self._decoder.feed(piece))
        elif bytes(inner.text).startswith(b'"'):
            self.ending = LlmInterruptedError()

    def _update_usage(self, usage: Raw) -> None:
        """Take over the valid counts; the others stay as they are."""
        counts, before = _decode(_counts, usage) or _Counts(), self._usage
        self._usage = Usage(
            _decode_count(counts.input_tokens, before.input_tokens),
            _decode_count(counts.output_tokens, before.output_tokens),
            _decode_count(counts.cache_read_input_tokens, before.cached_input_tokens),
            _decode_count(counts.cache_creation_input_tokens, before.cache_write_tokens),
        )
        self._pieces.append(self._usage)

    @property
    def only_text(self) -> bool:
        """Whether nothing but text has come since the last call: `take_text` returns it all."""
        return not (self._pieces or self._progressed)

    def take_text(self) -> str:
        """Return the text since the last piece."""
        texts, self._texts = self._texts, []
        text = "".join(texts)
        if text and self._turn is not None:
            self._turn.add_text(text)
        return text

    def take_pieces(self) -> list[Piece]:
        """Return what has come since the last call, in its order; neighbouring texts as one."""
        self._end_text()
        if self._progressed:
            self._pieces.append(ToolProgress())
            self._progressed = False
        pieces, self._pieces = self._pieces, []
        return pieces

    def take_rest(self) -> list[Piece]:
        """Return the same at the end of the stream, with U+FFFD for half a character."""
        self._texts.append(self._decoder.end())
        return self.take_pieces()

    def _end_text(self) -> None:
        """Make one piece of the texts since the last one."""
        if text := self.take_text():
            self._pieces.append(text)


def _parse_event(data: bytes) -> _Event:
    """Decode an event; JSON that is no object is an event without members.

    Raises:
        DecodeError: it is no JSON.
        RecursionError: it is nested too deeply.
    """
    try:
        return _decode_event(data)
    except msgspec.DecodeError:
        if len(data) > _MAX_REPAIRED_BYTES:
            raise
        return _decode_event(replace_lone_surrogates(data))


def _decode_event(data: bytes) -> _Event:
    try:
        return _event.decode(data)
    except msgspec.ValidationError:
        _anything.decode(data)
        return _Event()


def _decode(decoder: "msgspec.json.Decoder[Value]", raw: Raw) -> Value | None:
    """Return the value, or None if it is of another type."""
    try:
        return decoder.decode(raw)
    except _UNREADABLE:
        return None


def _decode_piece(literal: Raw) -> bytes | None:
    """Return the bytes of a string that may be cut within a character.

    None for what is no string, or a broken one that is too long to be repaired.
    """
    text = _decode(_string, literal)
    if text is not None:
        return text.encode()
    broken = bytes(literal)
    repaired = broken.startswith(b'"') and len(broken) <= _MAX_REPAIRED_BYTES
    return decode_string(broken) if repaired else None


def _event_type(event: _Event) -> str | None:
    """Return the event's type; servers of other protocols report an error without one."""
    kind = _decode(_string, event.type)
    failed = kind is None and _decode(_inner, event.error) is not None
    return "error" if failed else kind


def _decode_inner(raw: Raw) -> _Inner:
    return _decode(_inner, raw) or _Inner()


def _decode_count(raw: Raw, before: int) -> int:
    count = _decode(_tokens, raw)
    return before if count is None else count


def _make_error(error: Raw) -> LyraError:
    """Return our error for the type of an error that comes in a stream."""
    kind = _decode(_string, _decode_inner(error).type)
    return _BY_TYPE.get(kind or "", LlmUnavailableError)()
