"""A model server that says what a picture or a measurement needs, piece by piece."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import orjson
from aiohttp import web

RICH = """\
Your nights and your mornings are **two rooms**. The late plays are *slow and wide*; the rest of the
day is songs with words.

- **After dark:** {track}, played to its end
- **On the way:** {artist}, always before nine
- **In both:** [one address that is safe](https://example.org/) and `one word of code`

| When | What | Share |
|---|---|---|
| 21 to 01 | long pieces | 50 % |
| 07 to 09 | songs | 16 % |

> If the night room had a name on its door, it would be {artist}.

### What to try next

1. The neighbours of {track}.
2. Anything that you have played twice and no more.
"""


class Model:
    """Says `pieces`, `gap_s` apart; from piece `hold` on it waits until `go` is set."""

    def __init__(self) -> None:
        self.url = ""
        self.text = ""
        self.pieces: Sequence[str] = ()
        self.gap_s = 0.0
        self.hold: int | None = None
        self.broken = False
        self.go = asyncio.Event()

    def say(
        self,
        text: str,
        *,
        size: int | None = None,
        gap_s: float = 0,
        hold: int | None = None,
        broken: bool = False,
    ) -> None:
        """Answer with this text from now on, in words or in pieces of so many letters.

        `broken` ends it with an error of the model's.
        """
        self.text = text
        self.pieces = re.findall(r"\s*\S+\s*", text) if size is None else _cut(text, size)
        self.gap_s, self.hold, self.broken = gap_s, hold, broken
        self.go.clear()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Stream what was set."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(_event("message_start", message={"usage": {"input_tokens": 900}}))
        for place, piece in enumerate(self.pieces):
            if place == self.hold:
                await self.go.wait()
            delta = {"type": "text_delta", "text": piece}
            await response.write(_event("content_block_delta", index=0, delta=delta))
            if self.gap_s:
                await asyncio.sleep(self.gap_s)
        if self.broken:
            error = {"type": "overloaded_error", "message": "busy"}
            await response.write(_event("error", error=error))
            return response
        usage = {"output_tokens": len(self.pieces)}
        end = _event("message_delta", delta={"stop_reason": "end_turn"}, usage=usage)
        await response.write(end + _event("message_stop"))
        return response


@asynccontextmanager
async def open_model() -> AsyncIterator[Model]:
    """A running model on a free port."""
    model = Model()
    app = web.Application(client_max_size=2**22)
    app.router.add_post("/v1/messages", model.answer)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        model.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield model
    finally:
        model.go.set()
        await runner.cleanup()


def _cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _event(kind: str, **fields: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))
