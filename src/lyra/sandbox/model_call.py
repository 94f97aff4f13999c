"""One streamed answer of the sandbox model."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from aiohttp import web

from lyra.sandbox import connections, model_wire as wire
from lyra.sandbox.model_blocks import Reply
from lyra.sandbox.model_prompt import Prompt, Usage


@dataclass(frozen=True, slots=True)
class Call:
    """One call: `reply` is what the model would say; `argument` is the fault's, often empty."""

    request: web.Request
    response: web.StreamResponse
    prompt: Prompt
    usage: Usage
    request_id: str
    reply: Reply
    argument: str
    token_s: float
    stopping: asyncio.Event

    async def send(self, *frames: bytes) -> None:
        """Write these frames at once, after the headers if they were not sent yet."""
        if not self.response.prepared:
            await self.response.prepare(self.request)
        await self.response.write(b"".join(frames))

    def frames(self, *, usage: bool = True) -> Iterator[bytes]:
        """The events of the whole reply; without `usage` none of them has any."""
        start, end = (
            self.usage.as_dict(each) if usage else None for each in (1, self.reply.tokens)
        )
        return wire.frames(self.reply, self.message(start), end)

    async def play(self, frames: Iterable[bytes]) -> None:
        """Send these events, the deltas among them at the model's pace."""
        for frame in frames:
            await self.send(frame)
            if self.token_s and frame.startswith(wire.DELTA):
                await asyncio.sleep(self.token_s)

    async def begin(self) -> None:
        """Send all that comes before the first word."""
        usage = self.usage.as_dict(1)
        await self.send(
            wire.event("message_start", message=self.message(usage)), wire.BLOCK_START, wire.PING
        )

    async def say(self, pieces: Sequence[str]) -> None:
        """Send these pieces, one delta each, at the model's pace."""
        await self.play(map(wire.delta, pieces))

    async def end(self, stop_reason: str, output: int) -> None:
        """Send all that comes after the last word."""
        usage = self.usage.as_dict(output)
        await self.send(wire.BLOCK_STOP, wire.ending(stop_reason, usage), wire.MESSAGE_STOP)

    async def fail(self, kind: str) -> None:
        """Send an error event."""
        await self.send(wire.event("error", **wire.error_fields(kind, self.request_id)))

    async def silence(self) -> None:
        """Send nothing more; returns, with the connection broken, when the server stops."""
        await connections.paused(self.stopping)
        connections.reset(self.request)

    def message(self, usage: dict[str, int] | None) -> dict[str, object]:
        """The message as it begins; without its usage where that is None."""
        return wire.message(self.request_id.replace("req", "msg"), self.prompt.model, usage)


async def normal(call: Call) -> None:
    """The whole answer."""
    await call.play(call.frames())


Script = Callable[[Call], Awaitable[None]]
