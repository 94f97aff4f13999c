"""The Anthropic Messages wire: its events as bytes, and its error bodies."""

from collections.abc import Iterator
from typing import Any

import orjson

from lyra.sandbox.model_blocks import Reply, ReplyBlock, Thinking, ToolCall, Words

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


def frames(reply: Reply, message: dict[str, Any], usage: dict[str, int] | None) -> Iterator[bytes]:
    """The events of a whole stream; a ping comes behind the beginning of its first block."""
    yield event("message_start", message=message)
    for index, block in enumerate(reply.blocks):
        yield event("content_block_start", index=index, content_block=_begun(block))
        if index == 0:
            yield PING
        for change in _changes(block):
            yield event("content_block_delta", index=index, delta=change)
        yield event("content_block_stop", index=index)
    yield ending(reply.stop_reason, usage)
    yield MESSAGE_STOP


def contents(reply: Reply) -> list[dict[str, Any]]:
    """The blocks of a message that comes whole; a text without words is left out."""
    return [_whole(block) for block in reply.blocks if not isinstance(block, Words) or block.pieces]


def delta(text: str) -> bytes:
    """The event that adds these words to the first block."""
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def _begun(block: ReplyBlock) -> dict[str, Any]:
    match block:
        case Words():
            return {"type": "text", "text": ""}
        case ToolCall():
            return {"type": "tool_use", "id": block.id, "name": block.name, "input": {}}
        case Thinking():
            return {"type": "thinking", "thinking": "", "signature": ""}


def _changes(block: ReplyBlock) -> Iterator[dict[str, Any]]:
    match block:
        case Words():
            yield from ({"type": "text_delta", "text": piece} for piece in block.pieces)
        case ToolCall():
            for piece in block.pieces:
                yield {"type": "input_json_delta", "partial_json": piece}
        case Thinking():
            yield from ({"type": "thinking_delta", "thinking": piece} for piece in block.pieces)
            yield {"type": "signature_delta", "signature": block.signature}


def _whole(block: ReplyBlock) -> dict[str, Any]:
    text = "".join(block.pieces)
    match block:
        case Words():
            return {"type": "text", "text": text}
        case ToolCall():
            return {**_begun(block), "input": _input(text)}
        case Thinking():
            return {"type": "thinking", "thinking": text, "signature": block.signature}


def _input(json: str) -> Any:
    """The input of a call; what is no JSON cannot be told in a message that comes whole."""
    try:
        return orjson.loads(json or "{}")
    except orjson.JSONDecodeError:
        return {}


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
DELTA = b"event: content_block_delta\n"
