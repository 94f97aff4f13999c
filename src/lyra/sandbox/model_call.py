"""One streamed answer of the sandbox model, and the ways in which a stream can go wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from lyra.sandbox import connections, model_wire as wire
from lyra.sandbox.model_prompt import Prompt, Usage

_FEW = ["One", " two", " three"]
_MAX_TOKENS_PIECES = 5
_GIANT_CHARS = 200_000
_MANY = 5_000
_MANY_A_WRITE = 50
_PING_S = 0.02
_SETTLE_S = 0.05


@dataclass(frozen=True, slots=True)
class Call:
    """One call: `pieces` is what the model would say; `argument` is the fault's, often empty."""

    request: web.Request
    response: web.StreamResponse
    prompt: Prompt
    usage: Usage
    request_id: str
    pieces: Sequence[str]
    stop_reason: str
    argument: str
    token_s: float
    stopping: asyncio.Event

    async def send(self, *frames: bytes) -> None:
        """Write these frames at once, after the headers if they were not sent yet."""
        if not self.response.prepared:
            await self.response.prepare(self.request)
        await self.response.write(b"".join(frames))

    async def begin(self) -> None:
        """Send all that comes before the first word."""
        usage = self.usage.as_dict(1)
        await self.send(
            wire.event("message_start", message=self.message(usage)), wire.BLOCK_START, wire.PING
        )

    async def say(self, pieces: Sequence[str]) -> None:
        """Send these pieces, one delta each, at the model's pace."""
        for piece in pieces:
            await self.send(wire.delta(piece))
            if self.token_s:
                await asyncio.sleep(self.token_s)

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
    await call.begin()
    await call.say(call.pieces)
    await call.end(call.stop_reason, len(call.pieces))


async def _errmid(call: Call) -> None:
    await call.begin()
    await call.say(_FEW)
    await call.fail(call.argument or "overloaded_error")


async def _errfirst(call: Call) -> None:
    await call.begin()
    await call.fail(call.argument or "overloaded_error")


async def _drop(call: Call) -> None:
    await call.begin()
    await call.say(_FEW)
    # A reset overtakes data that the client has not read yet.
    await connections.paused(call.stopping, _SETTLE_S)
    connections.reset(call.request)


async def _eof(call: Call) -> None:
    await call.begin()
    await call.say(_FEW)


async def _hang(call: Call) -> None:
    await call.begin()
    await call.say(_FEW[:1])
    await call.silence()


async def _pings(call: Call) -> None:
    await call.send(wire.PING)
    while not await connections.paused(call.stopping, max(call.token_s, _PING_S)):
        await call.send(wire.PING)
    connections.reset(call.request)


async def _refusal(call: Call) -> None:
    await call.begin()
    await call.end("refusal", 1)


async def _max_tokens(call: Call) -> None:
    await call.begin()
    await call.say(call.pieces[:_MAX_TOKENS_PIECES])
    await call.end("max_tokens", _MAX_TOKENS_PIECES)


async def _malformed(call: Call) -> None:
    await call.begin()
    await call.say(_FEW)
    await call.send(b'event: content_block_delta\ndata: {"type":"content_block_delta",\n\n')
    await call.end("end_turn", len(_FEW))


async def _noevent(call: Call) -> None:
    frames = [
        wire.event("message_start", message=call.message(call.usage.as_dict(1))),
        wire.BLOCK_START,
        *map(wire.delta, call.pieces),
        wire.BLOCK_STOP,
        wire.ending(call.stop_reason, call.usage.as_dict(len(call.pieces))),
        wire.MESSAGE_STOP,
    ]
    for frame in frames:
        await call.send(frame.partition(b"\n")[2])


async def _minimal(call: Call) -> None:
    start = wire.event("message_start", message=call.message(None))
    await call.send(start, wire.BLOCK_START)
    await call.say(call.pieces)
    await call.send(wire.BLOCK_STOP, wire.ending(call.stop_reason, None), wire.MESSAGE_STOP)


async def _unknown(call: Call) -> None:
    await call.begin()
    await call.send(
        wire.event("brand_new", detail=1),
        wire.event("content_block_delta", index=0, delta={"type": "hologram_delta", "z": 2}),
        wire.event("content_block_start", index=1, content_block={"type": "hologram", "z": 1}),
        wire.event("content_block_stop", index=1),
    )
    await call.say(call.pieces)
    await call.end(call.stop_reason, len(call.pieces))


async def _giant(call: Call) -> None:
    await call.begin()
    await call.say(["giant " * (_GIANT_CHARS // 6)])
    await call.end("end_turn", _GIANT_CHARS // 4)


async def _many(call: Call) -> None:
    await call.begin()
    for _ in range(_MANY // _MANY_A_WRITE):
        await call.send(wire.delta(" word") * _MANY_A_WRITE)
    await call.end("end_turn", _MANY)


Script = Callable[[Call], Awaitable[None]]

SCRIPTS: dict[str, Script] = {
    "errmid": _errmid,
    "errfirst": _errfirst,
    "drop": _drop,
    "eof": _eof,
    "hang": _hang,
    "pings": _pings,
    "refusal": _refusal,
    "max_tokens": _max_tokens,
    "malformed": _malformed,
    "noevent": _noevent,
    "minimal": _minimal,
    "unknown": _unknown,
    "giant": _giant,
    "many": _many,
}
