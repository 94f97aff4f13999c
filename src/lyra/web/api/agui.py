"""The AG-UI protocol: `/lyra/agui`, for the CopilotKit runtime and other AG-UI clients.

https://docs.ag-ui.com/concepts/events
"""

from collections.abc import Iterator, Mapping, Sequence
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
    PlaylistPart,
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
from lyra.errors import DrainingError, LyraError
from lyra.spotify.token import Token
from lyra.web.api.agui_resume import (
    MAX_ENTRIES,
    PROPOSES,
    ResumeEntry,
    answer_interrupt,
    make_interrupt,
)
from lyra.web.api.chat_session import read_question, start_run, stream_run
from lyra.web.api.wire_formats import AdaptedFrames
from lyra.web.context import SERVICES
from lyra.web.http.concurrency_limit import reacquire_slot, release_slot
from lyra.web.http.event_stream import EventStream, frame
from lyra.web.http.responses import request_id

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class RunAgentInput(msgspec.Struct, rename="camel"):
    """The members of AG-UI's request that matter here; the others are ignored."""

    thread_id: _Id
    run_id: _Id
    messages: Messages
    resume: Annotated[list[ResumeEntry], msgspec.Meta(max_length=MAX_ENTRIES)] | None = None


async def agui(request: web.Request) -> web.StreamResponse:
    """Answer as a stream of AG-UI events; interrupts that are answered come before the question."""
    token, (body, turns) = await read_question(
        request,
        partial(
            parse_messages, shape=RunAgentInput, may_ask_nothing=lambda sent: bool(sent.resume)
        ),
    )
    if not turns:
        return await _stream_resumed(request, token, body)
    results = await _answer_beside(request, token, body.resume) if body.resume else []
    async with start_run(request, token, ChatInput(turns)) as (run, _):
        events = AguiFrames(body.thread_id, body.run_id, run.id, results)
        return await stream_run(request, run, AdaptedFrames(run, events))


async def _answer_beside(
    request: web.Request, token: Token, entries: Sequence[ResumeEntry]
) -> list[dict[str, Any]]:
    """Answer interrupts beside a question, which a failure does not keep from being answered.

    Raises:
        OverloadedError: the service is too busy for the question.
    """
    results: list[dict[str, Any]] = []
    release_slot(request)  # Spotify is waited for
    for entry in entries:
        try:
            results.append(await answer_interrupt(request, token, entry))
        except LyraError as failure:
            results.append(_error_event(failure))
    await reacquire_slot(request)
    return results


def _error_event(failure: LyraError) -> dict[str, Any]:
    """Return why an interrupt's answer came to nothing, and what can be done about it."""
    return {"type": "CUSTOM", "name": "lyra.error", "value": failure.to_dict(request_id.get())}


async def _stream_resumed(
    request: web.Request, token: Token, body: RunAgentInput
) -> web.StreamResponse:
    """Answer a run that asks nothing: what became of the interrupts. No model is called."""
    ids = {"threadId": body.thread_id, "runId": body.run_id}
    events: list[dict[str, Any]] = [{"type": "RUN_STARTED", **ids}]
    release_slot(request)  # Spotify is waited for
    try:
        for entry in body.resume or ():
            events += [await answer_interrupt(request, token, entry)]
    except LyraError as failure:
        events.append(_error_event(failure))
        events.append({"type": "RUN_ERROR", "message": str(failure), "code": failure.code})
    else:
        events.append({"type": "RUN_FINISHED", **ids})
    services = request.app[SERVICES]
    async with EventStream(request, services.stream_monitor, services.write_coalescer) as stream:
        await stream.open()
        return await stream.close(b"".join([frame(orjson.dumps(event)) for event in events]))


class AguiFrames:
    """A run as AG-UI events: begun by RUN_STARTED, ended by RUN_FINISHED or RUN_ERROR.

    `results` are events that come first. The call that proposes a playlist has no result of the
    model's: it is an interrupt at the end of the run, and the listener gives it.
    """

    headers: Mapping[str, str] = {}
    last = b""

    def __init__(
        self,
        thread_id: str,
        run_id: str,
        message_id: str,
        results: Sequence[dict[str, Any]] = (),
    ) -> None:
        self._ids = {"threadId": thread_id, "runId": run_id}
        self._message_id = message_id
        self._results = results
        self._called: dict[str, str] = {}  # the tool, by the call's id
        self._proposing: list[ToolOutputAvailable] = []  # calls whose result may be the listener's
        self._proposed: PlaylistPart | None = None
        self._blank = True  # whether there has been nothing to read

    def frames(self, parts: list[Part]) -> bytes:
        """Encode these parts as events; those that have no place in this protocol are passed over."""
        events = [event for part in parts for event in self._events(part)]
        return b"".join([frame(orjson.dumps(event)) for event in events])

    def _events(self, part: Part) -> Iterator[dict[str, Any]]:
        match part:
            case Start():
                yield {"type": "RUN_STARTED", **self._ids}
                yield from self._results
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
            case PlaylistPart():
                yield from self._proposal_events(part)
            case _:
                yield from self._ending_events(part)

    def _message(self, name: str) -> dict[str, str]:
        return {"messageId": f"{self._message_id}-{name}"}

    def _call_events(
        self, part: ToolInputAvailable | ToolOutputAvailable | ToolOutputError
    ) -> Iterator[dict[str, Any]]:
        """Yield the events of a call; one that was not made has none."""
        call = {"toolCallId": part.tool_call_id}
        match part:
            case ToolInputAvailable():
                self._called[part.tool_call_id] = part.tool_name
                arguments = orjson.dumps(part.input).decode()
                yield {"type": "TOOL_CALL_START", **call, "toolCallName": part.tool_name}
                yield {"type": "TOOL_CALL_ARGS", **call, "delta": arguments}
                yield {"type": "TOOL_CALL_END", **call}
            case ToolOutputAvailable() if self._called.get(part.tool_call_id) == PROPOSES:
                self._proposing.append(part)
            case _ if part.tool_call_id in self._called:
                yield self._call_result(part)
            case _:
                return

    def _call_result(self, part: ToolOutputAvailable | ToolOutputError) -> dict[str, Any]:
        content = (
            part.error_text
            if isinstance(part, ToolOutputError)
            else orjson.dumps(part.output).decode()
        )
        call = {"toolCallId": part.tool_call_id, "role": "tool"}
        message = self._message(part.tool_call_id)
        return {"type": "TOOL_CALL_RESULT", **message, **call, "content": content}

    def _proposal_events(self, part: PlaylistPart) -> Iterator[dict[str, Any]]:
        """Yield the proposal, and the results of calls whose place it takes."""
        self._proposed = part
        earlier, self._proposing = self._proposing[:-1], self._proposing[-1:]
        yield from map(self._call_result, earlier)
        yield {"type": "CUSTOM", "name": "lyra.playlist", "value": part.data}

    def _ending_events(self, part: Part) -> Iterator[dict[str, Any]]:
        match part:
            case FailureData(data=failure):
                yield {"type": "RUN_ERROR", "message": failure["message"], "code": failure["code"]}
            case Abort(reason="stopped"):
                yield {"type": "RUN_FINISHED", **self._ids, **self._outcome()}
            case Abort():
                error = DrainingError
                yield {"type": "RUN_ERROR", "message": error.default_message, "code": error.code}
            case Finish() if part.finish_reason != "error":
                if part.notice is not None:
                    yield from self._notice_events(part.notice)
                yield {"type": "RUN_FINISHED", **self._ids, **self._outcome()}
            case _:
                return  # the failure has been sent already

    def _outcome(self) -> dict[str, Any]:
        """Return what the run waits for, as a member of its last event; nothing, usually."""
        if self._proposed is None or not self._proposing:
            return {}
        interrupt = make_interrupt(self._proposed, self._proposing[-1].tool_call_id)
        return {"outcome": {"type": "interrupt", "interrupts": [interrupt]}}

    def _notice_events(self, notice: str) -> Iterator[dict[str, Any]]:
        """Yield the notice for programs, and as text where people would see nothing at all."""
        yield {"type": "CUSTOM", "name": "lyra.notice", "value": notice}
        if self._blank:
            message = self._message("notice")
            yield {"type": "TEXT_MESSAGE_START", **message, "role": "assistant"}
            yield {"type": "TEXT_MESSAGE_CONTENT", **message, "delta": notice}
            yield {"type": "TEXT_MESSAGE_END", **message}
