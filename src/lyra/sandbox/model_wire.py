"""The Anthropic Messages wire: its events as bytes, and its error bodies."""

from typing import Any

import orjson

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    529: "overloaded_error",
}


def event(name: str, **fields: Any) -> bytes:
    """One server-sent event; the type is both its name and in its data."""
    data = orjson.dumps({"type": name, **fields})
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def message(identifier: str, model: str, usage: dict[str, int] | None) -> dict[str, Any]:
    """A message without content yet; `usage` None leaves the key out, as sloppy servers do."""
    body: dict[str, Any] = {
        "id": identifier,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }
    return body if usage is None else {**body, "usage": usage}


def delta(text: str) -> bytes:
    """The event that adds these words to the answer."""
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def ending(stop_reason: str, usage: dict[str, int] | None) -> bytes:
    """The `message_delta` event, with the reason why the answer ends here."""
    details = {"type": "refusal", "category": "general_harms", "explanation": None}
    changes = {
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "stop_details": details if stop_reason == "refusal" else None,
    }
    return event("message_delta", delta=changes, **({} if usage is None else {"usage": usage}))


def error_fields(kind: str, request_id: str) -> dict[str, Any]:
    """What an error says, as a body (with `type` added) and as an event alike."""
    return {
        "error": {"type": kind, "message": f"sandbox: {kind}"},
        "request_id": request_id,
    }


BLOCK_START = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
BLOCK_STOP = event("content_block_stop", index=0)
MESSAGE_STOP = event("message_stop")
PING = event("ping")
