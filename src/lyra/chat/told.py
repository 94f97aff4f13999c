"""What the events of a model's stream add up to: words, counts, and how the answer ended."""

from collections.abc import Iterator
from typing import Any

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


class Told:
    """What the events of one answer add up to; pings and unknown ones are passed over."""

    def __init__(self) -> None:
        self.ending: Done | LyraError | None = None
        self._words = ""
        self._reason: str | None = None
        self._counts: dict[str, Any] = {}
        self._counted = False

    def take(self, data: bytes) -> None:
        """Take one event's data. Nothing counts after the end."""
        if self.ending is not None:
            return
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            self.ending = LlmInterruptedError()  # what was said before it is kept
            return
        # Nearly every event is this one, and matching patterns costs five times the look-ups.
        if isinstance(event, dict) and event.get("type") == "content_block_delta":
            self._hear(event.get("delta"))
        else:
            self._take(event)

    def _hear(self, delta: Any) -> None:
        if isinstance(delta, dict) and delta.get("type") == "text_delta":
            words = delta.get("text")
            if isinstance(words, str):
                self._words += words

    def _take(self, event: Any) -> None:
        match event:
            case {"type": "message_start", "message": {"usage": dict(counts)}}:
                self._count(counts)
            case {"type": "message_delta", "delta": dict(delta), **rest}:
                self._reason = delta.get("stop_reason")
                self._count(rest.get("usage"))
            case {"type": "message_stop"}:
                self.ending = Done(_FINISH.get(self._reason or "", "other"), _usage(self._counts))
            case {"type": "error", **rest}:
                self.ending = _reported(rest.get("error"))
            case _:
                return  # pings, thinking, and whatever is added to the API later

    def _count(self, counts: Any) -> None:
        self._counts |= _known(counts)
        self._counted = True

    def pieces(self) -> Iterator[str | Usage]:
        """What has been taken since the last call; how the answer ended is no part of it."""
        if self._counted:
            self._counted = False
            yield _usage(self._counts)
        if self._words:
            yield self._words
            self._words = ""


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
