"""The OpenAI protocol: `/v1/chat/completions` and `/v1/models`, for clients that speak only that.

The API key of such a client is the listener's Spotify token.
https://platform.openai.com/docs/api-reference/chat
"""

import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import msgspec
import orjson
from aiohttp import web

from lyra.chat.parts import (
    Abort,
    FailureData,
    Finish,
    Part,
    PlaylistPart,
    Start,
    TextDelta,
    TextStart,
)
from lyra.chat.request_messages import Messages
from lyra.chat.request_schema import ChatInput, parse_messages
from lyra.chat.runs.run import TEXT_BREAK
from lyra.errors import DrainingError, NotFoundError
from lyra.web.api.chat_session import read_question, start_run, stream_run, wait_complete
from lyra.web.api.wire_formats import AdaptedFrames
from lyra.web.context import SERVICES
from lyra.web.http.event_stream import DONE, frame
from lyra.web.http.responses import json_response, request_id

MODEL = "lyra"
_REASONS = {"stop": "stop", "length": "length", "content-filter": "content_filter"}


class StreamOptions(msgspec.Struct):
    """What a stream holds besides the text."""

    include_usage: bool | None = False


class CompletionRequest(msgspec.Struct):
    """The members of a completion request that matter here; the others are ignored."""

    messages: Messages
    stream: bool | None = False
    stream_options: StreamOptions | None = None


_MODEL_ENTRY = {"id": MODEL, "object": "model", "created": 0, "owned_by": "lyra"}


async def models(_: web.Request) -> web.StreamResponse:
    """Respond with the one model, in a list."""
    return json_response({"object": "list", "data": [_MODEL_ENTRY]})


async def model(request: web.Request) -> web.StreamResponse:
    """Respond with the one model, by its name.

    Raises:
        NotFoundError: there is none of that name.
    """
    if request.match_info["name"] != MODEL:
        raise NotFoundError(f"There is no such model. The one here is called {MODEL}.")
    return json_response(_MODEL_ENTRY)


async def completions(request: web.Request) -> web.StreamResponse:
    """Answer as a chat completion, whole or in chunks."""
    token, (body, turns) = await read_question(
        request, partial(parse_messages, shape=CompletionRequest)
    )
    created = int(time.time())  # noqa: TID251 - a label for the client, not a measurement
    async with start_run(request, token, ChatInput(turns)) as (run, _):
        page = _page_address(request)
        if body.stream:
            usage = body.stream_options is not None and body.stream_options.include_usage
            chunks = CompletionFrames(run.id, created, page, include_usage=bool(usage))
            return await stream_run(request, run, AdaptedFrames(run, chunks))
        finish = await wait_complete(run)
        text = run.text()
        if proposed := run.parts_of(PlaylistPart):
            text = f"{text.rstrip()}{TEXT_BREAK}{_say_proposed(proposed[-1], page)}".lstrip()
        message = {"role": "assistant", **_message_members(text, finish)}
        choice = {"index": 0, "message": message, "finish_reason": _finish_reason(finish)}
        completion = _make_envelope("chat.completion", run.id, created)
        return json_response({**completion, "choices": [choice], "usage": _usage(finish)})


class CompletionFrames:
    """A run as chat completion chunks.

    What the tools do stays inside: a client would take a call of a tool as one that it has to make.
    """

    headers: Mapping[str, str] = {}
    last = DONE

    def __init__(self, run_id: str, created: int, page: str, *, include_usage: bool) -> None:
        self._envelope = _make_envelope("chat.completion.chunk", run_id, created)
        self._include_usage = include_usage
        self._page = page
        self._proposed: PlaylistPart | None = None
        self._any_text = False
        self._blank = True  # whether there has been nothing to read

    def frames(self, parts: list[Part]) -> bytes:
        """Encode these parts as chunks; those that have no place in this protocol are passed over."""
        chunks = [chunk for part in parts for chunk in self._chunks(part)]
        return b"".join([frame(orjson.dumps(chunk)) for chunk in chunks])

    def _chunks(self, part: Part) -> Iterator[dict[str, Any]]:
        match part:
            case Start():
                yield self._chunk({"role": "assistant", "content": ""})
            case TextStart() if self._any_text:
                yield self._chunk({"content": TEXT_BREAK})
            case TextDelta():
                self._any_text = True
                self._blank = self._blank and not part.delta.strip()
                yield self._chunk({"content": part.delta})
            case PlaylistPart():
                self._proposed = part
            case FailureData():
                yield _error_chunk(part.data)
            case Finish() if part.finish_reason != "error":
                yield from self._finish_chunks(part)
            case Abort():
                yield from self._abort_chunks(part)
            case _:
                return

    def _abort_chunks(self, part: Abort) -> Iterator[dict[str, Any]]:
        if part.reason == "stopped":
            yield from self._proposal_chunks()
            yield self._chunk({}, "stop")
        else:
            # No finish reason: an answer that was cut must not look complete.
            yield _error_chunk(DrainingError().to_dict(request_id.get()))

    def _proposal_chunks(self) -> Iterator[dict[str, Any]]:
        if self._proposed is not None:
            gap = TEXT_BREAK if self._any_text else ""
            self._blank = False
            yield self._chunk({"content": f"{gap}{_say_proposed(self._proposed, self._page)}"})

    def _finish_chunks(self, part: Finish) -> Iterator[dict[str, Any]]:
        yield from self._proposal_chunks()
        if part.notice is not None:
            yield self._chunk(_notice_members(part, part.notice, blank=self._blank))
        yield self._chunk({}, _finish_reason(part))
        if self._include_usage:
            yield {**self._envelope, "choices": [], "usage": _usage(part)}

    def _chunk(self, delta: dict[str, str], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {**self._envelope, "choices": [choice]}


def _page_address(request: web.Request) -> str:
    """Return the address of the listener's page, as the client reaches it."""
    public = request.app[SERVICES].settings.public_url
    return f"{(public or f'{request.scheme}://{request.host}').rstrip('/')}/"


def _say_proposed(part: PlaylistPart, page: str) -> str:
    """Return where the listener sees and saves what was proposed: this protocol has no other way."""
    name, count = part.data["name"], part.data["count"]
    songs = "1 song" if count == 1 else f"{count} songs"
    return f"Proposed: {name}, {songs}. See and save it here: {page}?playlist={part.id}"


def _message_members(text: str, finish: Finish) -> dict[str, str]:
    """Return the members of a message that are for people."""
    if finish.notice is None:
        return {"content": text}
    blank = not text.strip()
    members = _notice_members(finish, finish.notice, blank=blank)
    return {**members, "content": ("" if blank else text) + members.get("content", "")}


def _notice_members(finish: Finish, notice: str, *, blank: bool) -> dict[str, str]:
    """Return the notice where clients of this protocol look: a refusal, or text that is added."""
    if finish.finish_reason == "content-filter":
        return {"refusal": notice, **({"content": notice} if blank else {})}
    return {"content": notice if blank else f"{TEXT_BREAK}{notice}"}


def _error_chunk(error: dict[str, Any]) -> dict[str, Any]:
    return {"error": {**error, "type": error["code"]}}


def _make_envelope(kind: str, run_id: str, created: int) -> dict[str, Any]:
    return {"id": f"chatcmpl-{run_id}", "object": kind, "created": created, "model": MODEL}


def _finish_reason(finish: Finish) -> str:
    return _REASONS.get(finish.finish_reason, "stop")


def _usage(finish: Finish) -> dict[str, int]:
    used = finish.message_metadata["usage"]
    cached = used.get("cachedInputTokens", 0) + used.get("cacheWriteTokens", 0)
    prompt, completion = used.get("inputTokens", 0) + cached, used.get("outputTokens", 0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
