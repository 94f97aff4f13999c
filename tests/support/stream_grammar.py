"""A strict reader of the chat stream: whatever it does not refuse, the chat kits accept.

The rules are those of docs/API.md's stream and of the AI SDK UI message stream, version 1.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.support.calls import Answer

_FRAME = re.compile(rb"(?:id: [^\r\n]+\n)?data: ([^\r\n]+)")
_COMMENT = re.compile(rb": [^\r\n]*")
_CALL: dict[str, type] = {"toolCallId": str, "providerExecuted": bool, "dynamic": bool}
_FIELDS: dict[str, dict[str, type]] = {
    "start": {"messageId": str, "messageMetadata": dict},
    "data-status": {"data": dict, "transient": bool},
    "text-start": {"id": str},
    "text-delta": {"id": str, "delta": str},
    "text-end": {"id": str},
    "start-step": {},
    "finish-step": {},
    "tool-input-start": {**_CALL, "toolName": str, "title": str},
    "tool-input-available": {**_CALL, "toolName": str, "title": str, "input": dict},
    "tool-output-available": {**_CALL, "output": dict},
    "tool-output-error": {**_CALL, "errorText": str},
    "data-track": {"id": str, "data": dict},
    "data-playlist": {"id": str, "data": dict},
    "data-because": {"data": dict},
    "finish": {"finishReason": str, "messageMetadata": dict},
    "error": {"errorText": str},
    "data-error": {"data": dict, "transient": bool},
    "message-metadata": {"messageMetadata": dict},
    "abort": {"reason": str},
}
_OPTIONAL = {"data-because": {"id"}}
_REASONS = {"stop", "length", "content-filter", "error", "other"}
_STATUS_PHASES = {"loading_listening", "thinking", "searching"}


class GrammarError(AssertionError):
    """The stream breaks a rule; the message says which."""


def require(fact: object, rule: str) -> None:
    if not fact:
        raise GrammarError(rule)


@dataclass
class Stream:
    """A stream that obeys the rules."""

    parts: list[dict[str, Any]] = field(default_factory=list)
    comments: int = 0

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [part for part in self.parts if part["type"] == kind]

    @property
    def text(self) -> str:
        """All words; texts of several rounds are paragraphs."""
        texts: dict[str, str] = {}
        for part in self.of("text-delta"):
            texts[part["id"]] = texts.get(part["id"], "") + part["delta"]
        return "\n\n".join(texts.values())

    @property
    def metadata(self) -> dict[str, Any]:
        """What `start` tells about the answer."""
        metadata: dict[str, Any] = self.parts[0]["messageMetadata"]
        return metadata

    @property
    def ending(self) -> str:
        """`abort`, the reason of `finish`, or the code of the error."""
        if self.parts[-1]["type"] == "abort":
            return "abort"
        errors = self.of("data-error")
        return str(errors[0]["data"]["code"] if errors else self.parts[-1]["finishReason"])


def read_stream(answer: Answer) -> Stream:
    """The stream of an answer, headers checked too.

    Raises:
        GrammarError: it breaks a rule.
    """
    require(answer.status == 200, f"a stream has status 200, not {answer.status}")
    wanted = {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-store, no-cache, no-transform",
        "X-Accel-Buffering": "no",
        "x-vercel-ai-ui-message-stream": "v1",
    }
    for name, value in wanted.items():
        require(answer.headers.getall(name, []) == [value], f"header {name}")
    require("Content-Length" not in answer.headers, "a stream has no length")
    require("Content-Encoding" not in answer.headers, "a stream is not compressed")
    return read_body(answer.body)


def read_body(body: bytes) -> Stream:
    """The stream in these bytes."""
    require(body.endswith(b"data: [DONE]\n\n"), "[DONE] is last")
    *frames, last, rest = body.split(b"\n\n")
    require(last == b"data: [DONE]" and not rest, "[DONE] stands alone")
    stream = Stream()
    for each in frames:
        if _COMMENT.fullmatch(each):
            stream.comments += 1
            continue
        match = _FRAME.fullmatch(each)
        require(match, f"neither data nor comment: {each!r}")
        assert match
        require(match[1] != b"[DONE]", "[DONE] comes once")
        stream.parts.append(orjson.loads(match[1]))
    check_parts(stream.parts)
    return stream


def check_parts(parts: list[dict[str, Any]]) -> None:
    """Refuse parts of unknown shape, in the wrong order, or without exactly one ending."""
    require(parts, "a stream has parts")
    for part in parts:
        _check_shape(part)
    kinds = [part["type"] for part in parts]
    require(kinds[0] == "start" and kinds.count("start") == 1, "one start, first")
    _check_ending(parts, kinds)
    _check_texts(parts)
    _check_steps(kinds)
    _check_calls(parts)


def _check_shape(part: dict[str, Any]) -> None:
    kind = part.get("type")
    require(kind in _FIELDS, f"unknown type {kind!r}")
    wanted = _FIELDS[str(kind)]
    extra = set(part) - {"type"} - _OPTIONAL.get(str(kind), set())
    require(extra == set(wanted), f"{kind} has the fields {sorted(extra)}")
    for name, type_ in wanted.items():
        require(isinstance(part[name], type_), f"{kind}.{name} is no {type_.__name__}")
    require(part.get("transient", True) is True, f"{kind} is transient")
    if kind == "data-status":
        require(part["data"]["phase"] in _STATUS_PHASES, "known phase")


def _check_ending(parts: list[dict[str, Any]], kinds: list[str]) -> None:
    endings = [kind for kind in kinds if kind in ("finish", "error", "data-error", "abort")]
    if kinds[-1] == "abort":
        require(endings == ["abort"], f"one ending, not {endings}")
        return
    require(kinds[-1] == "finish", "finish or abort is the last part")
    reason = parts[-1]["finishReason"]
    require(reason in _REASONS, f"finish reason {reason!r}")
    wanted = ["data-error", "error", "finish"] if reason == "error" else ["finish"]
    require(endings == wanted, f"one ending, not {endings}")
    require(kinds[-len(wanted) :] == wanted, "the ending is in one piece")


def _check_texts(parts: list[dict[str, Any]]) -> None:
    open_ids: set[str] = set()
    used: set[str] = set()
    for part in parts:
        match part["type"], part.get("id"):
            case "text-start", text_id:
                require(text_id not in used, "a text begins once")
                open_ids.add(str(text_id))
                used.add(str(text_id))
            case "text-delta", text_id:
                require(text_id in open_ids, "a delta belongs to an open text")
                require(part["delta"], "a delta has words")
            case "text-end", text_id:
                require(text_id in open_ids, "an end belongs to an open text")
                open_ids.discard(str(text_id))
            case (("finish" | "error" | "abort"), _):
                require(not open_ids, "every text is closed before the ending")
            case _:
                pass


def _check_steps(kinds: list[str]) -> None:
    steps = [kind for kind in kinds if kind in ("start-step", "finish-step")]
    whole = len(steps) // 2 * ["start-step", "finish-step"]
    cut = kinds[-1] == "abort" or "error" in kinds
    require(steps == whole or (cut and steps == [*whole, "start-step"]), f"steps: {steps}")


def _check_calls(parts: list[dict[str, Any]]) -> None:
    """Each call begins, may be told with what, and has one outcome, unless the answer is cut."""
    following: dict[str, set[str | None]] = {
        "tool-input-start": {None},
        "tool-input-available": {"tool-input-start"},
        "tool-output-available": {"tool-input-available"},
        "tool-output-error": {"tool-input-start", "tool-input-available"},
    }
    at: dict[str, str] = {}
    open_texts = 0
    for part in parts:
        kind = part["type"]
        open_texts += (kind == "text-start") - (kind == "text-end")
        if kind in following:
            require(not open_texts, "a call stands in no text")
            call_id = part["toolCallId"]
            require(at.get(call_id) in following[kind], f"{kind} after {at.get(call_id)}")
            require(part["providerExecuted"] and part["dynamic"], "calls are run by Lyra")
            at[call_id] = kind
    if parts[-1]["type"] == "finish" and parts[-1]["finishReason"] != "error":
        ended = {"tool-output-available", "tool-output-error"}
        require(set(at.values()) <= ended, f"every call has an outcome: {at}")
