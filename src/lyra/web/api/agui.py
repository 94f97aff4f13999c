"""The AG-UI protocol: `/lyra/agui`, for the CopilotKit runtime and other AG-UI clients.

https://docs.ag-ui.com/concepts/events
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any

import msgspec
import orjson
from aiohttp import web

from lyra.chat.parts import (
    Abort,
    FailureData,
    Finish,
    Part,
    Start,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolOutputAvailable,
    ToolOutputError,
)
from lyra.chat.request_messages import Messages
from lyra.chat.request_schema import ChatInput, parse_messages
from lyra.errors import DrainingError
from lyra.web.api.chat_session import read_question, start_run, stream_run
from lyra.web.api.wire_formats import AdaptedFrames
from lyra.web.http.event_stream import frame

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class RunAgentInput(msgspec.Struct, rename="camel"):
    """The members of AG-UI's request that matter here; the others are ignored."""

    thread_id: _Id
    run_id: _Id
    messages: Messages


async def agui(request: web.Request) -> web.StreamResponse:
    """Answer as a stream of AG-UI events."""
    token, (body, turns) = await read_question(
        request, partial(parse_messages, shape=RunAgentInput)
    )
    async with start_run(request, token, ChatInput(turns)) as (run, _):
        events = AguiFrames(body.thread_id, body.run_id, run.id)
        return await stream_run(request, run, AdaptedFrames(run, events))


class AguiFrames:
    """A run as AG-UI events: begun by RUN_STARTED, ended by RUN_FINISHED or RUN_ERROR."""

    headers: Mapping[str, str] = {}
    last = b""

    def __init__(self, thread_id: str, run_id: str, message_id: str) -> None:
        self._ids = {"threadId": thread_id, "runId": run_id}
        self._message_id = message_id
        self._called: set[str] = set()
        self._blank = True  # whether there has been nothing to read

    def frames(self, parts: list[Part]) -> bytes:
        """Encode these parts as events; those that have no place in this protocol are passed over."""
        events = [event for part in parts for event in self._events(part)]
        return b"".join([frame(orjson.dumps(event)) for event in events])

    def _events(self, part: Part) -> Iterator[dict[str, Any]]:
        match part:
            case Start():
                yield {"type": "RUN_STARTED", **self._ids}
                yield {"type": "CUSTOM", "name": "lyra.start", "value": part.message_metadata}
            case TextStart():
                yield {"type": "TEXT_MESSAGE_START", **self._message(part.id), "role": "assistant"}
            case TextDelta():
                self._blank = self._blank and not part.delta.strip()
                message = self._message(part.id)
                yield {"type": "TEXT_MESSAGE_CONTENT", **message, "delta": part.delta}
            case TextEnd():
                yield {"type": "TEXT_MESSAGE_END", **self._message(part.id)}
            case ToolInputAvailable() | ToolOutputAvailable() | ToolOutputError():
                yield from self._call_events(part)
            case FailureData() | Abort() | Finish():
                yield from self._ending_events(part)
            case _:
                return

    def _message(self, name: str) -> dict[str, str]:
        return {"messageId": f"{self._message_id}-{name}"}

    def _call_events(
        self, part: ToolInputAvailable | ToolOutputAvailable | ToolOutputError
    ) -> Iterator[dict[str, Any]]:
        """Yield the events of a call; one that was not made has none."""
        call = {"toolCallId": part.tool_call_id}
        match part:
            case ToolInputAvailable():
                self._called.add(part.tool_call_id)
                arguments = orjson.dumps(part.input).decode()
                yield {"type": "TOOL_CALL_START", **call, "toolCallName": part.tool_name}
                yield {"type": "TOOL_CALL_ARGS", **call, "delta": arguments}
                yield {"type": "TOOL_CALL_END", **call}
            case _ if part.tool_call_id in self._called:
                content = (
                    part.error_text
                    if isinstance(part, ToolOutputError)
                    else orjson.dumps(part.output).decode()
                )
                result = {**self._message(part.tool_call_id), **call, "role": "tool"}
                yield {"type": "TOOL_CALL_RESULT", **result, "content": content}
            case _:
                return

    def _ending_events(self, part: FailureData | Abort | Finish) -> Iterator[dict[str, Any]]:
        match part:
            case FailureData(data=failure):
                yield {"type": "RUN_ERROR", "message": failure["message"], "code": failure["code"]}
            case Abort(reason="stopped"):
                yield {"type": "RUN_FINISHED", **self._ids}
            case Abort():
                error = DrainingError
                yield {"type": "RUN_ERROR", "message": error.default_message, "code": error.code}
            case Finish() if part.finish_reason != "error":
                if part.notice is not None:
                    yield from self._notice_events(part.notice)
                yield {"type": "RUN_FINISHED", **self._ids}
            case _:
                return  # the failure has been sent already

    def _notice_events(self, notice: str) -> Iterator[dict[str, Any]]:
        """Yield the notice for programs, and as text where people would see nothing at all."""
        yield {"type": "CUSTOM", "name": "lyra.notice", "value": notice}
        if self._blank:
            message = self._message("notice")
            yield {"type": "TEXT_MESSAGE_START", **message, "role": "assistant"}
            yield {"type": "TEXT_MESSAGE_CONTENT", **message, "delta": notice}
            yield {"type": "TEXT_MESSAGE_END", **message}
