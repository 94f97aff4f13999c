"""What the events of a model's stream add up to: words, counts, and how the answer ended."""

from typing import Any

import msgspec
import orjson

from lyra.chat.model import Done, Usage
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


class _Words(msgspec.Struct, tag="text_delta", gc=False):
    text: str


class _MoreWords(msgspec.Struct, tag="content_block_delta", gc=False):
    delta: _Words


_more_words = msgspec.json.Decoder(_MoreWords).decode


class Told:
    """What the events of one answer add up to; pings and unknown ones are passed over."""

    def __init__(self) -> None:
        self.ending: Done | LyraError | None = None
        self._words = ""
        self._reason: str | None = None
        self._counts: dict[str, Any] = {}
        self.news = False  # whether more has been counted than `counted` has told

    def take(self, data: bytes) -> None:
        """Take one event's data. Nothing counts after the end."""
        if self.ending is not None:
            return
        if b'"text_delta"' not in data:
            self._take_other(data)
            return
        try:
            self._words += _more_words(data).delta.text
        except msgspec.DecodeError:
            self._take_other(data)

    def _take_other(self, data: bytes) -> None:
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            self.ending = LlmInterruptedError()  # what was said before it is kept
            return
        kind = event.get("type") if isinstance(event, dict) else None
        if kind == "message_start" and isinstance(message := event.get("message"), dict):
            self._count(message.get("usage"))
        elif kind == "message_delta" and isinstance(delta := event.get("delta"), dict):
            self._reason = delta.get("stop_reason")
            self._count(event.get("usage"))
        elif kind == "message_stop":
            self.ending = Done(_FINISH.get(self._reason or "", "other"), _usage(self._counts))
        elif kind == "error":
            self.ending = _reported(event.get("error"))
        # else pings, thinking, and whatever is added to the API later

    def _count(self, counts: Any) -> None:
        self._counts |= _known(counts)
        self.news = True

    def counted(self) -> Usage:
        """What has been counted so far."""
        self.news = False
        return _usage(self._counts)

    def said(self) -> str:
        """The words since the last call."""
        words, self._words = self._words, ""
        return words


def _known(usage: Any) -> dict[str, Any]:
    """The counts that an event really holds; null means unchanged."""
    told = usage if isinstance(usage, dict) else {}
    return {name: count for name, count in told.items() if count is not None}


def _reported(error: Any) -> LyraError:
    """An error event's type as our error; it comes with HTTP status 200."""
    kind = error.get("type") if isinstance(error, dict) else None
    return _BY_TYPE.get(str(kind), LlmUnavailableError)()


def _usage(told: dict[str, Any]) -> Usage:
    return Usage(
        input_tokens=told.get("input_tokens") or 0,
        output_tokens=told.get("output_tokens") or 0,
        cached_input_tokens=told.get("cache_read_input_tokens") or 0,
        cache_write_tokens=told.get("cache_creation_input_tokens") or 0,
    )
