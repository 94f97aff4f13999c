"""A model server that does as a test says and keeps what it was sent."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


def event(kind: str, **fields: Any) -> bytes:
    """One event of the Messages API."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


def words(text: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def tool_use(name: str, arguments: object, *, index: int = 1, call_id: str = "") -> bytes:
    """A call of a tool, its input in pieces; text is sent as it stands."""
    block = {"type": "tool_use", "id": call_id or f"toolu_{index}", "name": name, "input": {}}
    written = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
    half = len(written) // 2
    deltas = [
        event(
            "content_block_delta",
            index=index,
            delta={"type": "input_json_delta", "partial_json": piece},
        )
        for piece in ("", written[:half], written[half:])
    ]
    start = event("content_block_start", index=index, content_block=block)
    return b"".join([start, *deltas, event("content_block_stop", index=index)])


def stopped(reason: str = "end_turn") -> bytes:
    """The end mark, with the reason why the answer ends."""
    return event("message_delta", delta={"stop_reason": reason}) + event("message_stop")


async def opened(request: web.Request) -> web.StreamResponse:
    """A stream whose headers have been sent."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response


def streaming(*frames: bytes) -> Reply:
    """Send these bytes and end cleanly."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = await opened(request)
        await response.write(b"".join(frames))
        return response

    return reply


class ScriptedModel:
    """Answers with `replies`, the last of which stays; `sent` holds the bodies as they came."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies or (streaming(words("Yes."), stopped()),))
        self.sent: list[bytes] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.sent.append(await request.read())
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return await reply(request)


@asynccontextmanager
async def scripted_model(
    *replies: Reply, handler_cancellation: bool = False
) -> AsyncIterator[ScriptedModel]:
    """A running model server; give its `url` as llm_base_url."""
    model = ScriptedModel(*replies)
    app = web.Application(client_max_size=2**22)
    app.router.add_route("*", "/{path:.*}", model.answer)
    async with TestServer(app, handler_cancellation=handler_cancellation) as server:
        model.url = str(server.make_url("/"))
        yield model


ODD_TEXTS = [
    "\n\ndata: x\n\n",
    "event: done\n\n",
    "\r\n\r\n",
    "\x00\x1b[31m",
    "\u2028\u2029",
    "</script>",
    "\U0001f3b5",
    "\u202e",
    '"\\',
]
