"""The AG-UI protocol: `/lyra/agui`, for the CopilotKit runtime and other AG-UI clients.

https://docs.ag-ui.com/concepts/events
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any

import msgspec
import orjson
from aiohttp import web

from lyra.chat.parts import Abort, FailureData, Finish, Part, Start, TextDelta, TextEnd, TextStart
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
        self._message = {"messageId": message_id}
        self._notice = {"messageId": f"{message_id}-notice"}
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
                yield {"type": "TEXT_MESSAGE_START", **self._message, "role": "assistant"}
            case TextDelta():
                self._blank = self._blank and not part.delta.strip()
                yield {"type": "TEXT_MESSAGE_CONTENT", **self._message, "delta": part.delta}
            case TextEnd():
                yield {"type": "TEXT_MESSAGE_END", **self._message}
            case FailureData() | Abort() | Finish():
                yield from self._ending_events(part)
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
            yield {"type": "TEXT_MESSAGE_START", **self._notice, "role": "assistant"}
            yield {"type": "TEXT_MESSAGE_CONTENT", **self._notice, "delta": notice}
            yield {"type": "TEXT_MESSAGE_END", **self._notice}
