"""The ways in which a stream of the sandbox model can go wrong, whatever it has to say."""

from lyra.sandbox import connections, model_wire as wire
from lyra.sandbox.model_call import Call, Script, normal

_FEW = ["One", " two", " three"]
_GIANT_CHARS = 200_000
_MANY = 5_000
_MANY_A_WRITE = 50
_PING_S = 0.02
_SETTLE_S = 0.05


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


async def _malformed(call: Call) -> None:
    await call.begin()
    await call.say(_FEW)
    await call.send(b'event: content_block_delta\ndata: {"type":"content_block_delta",\n\n')
    await call.end("end_turn", len(_FEW))


async def _noevent(call: Call) -> None:
    for frame in call.frames():
        await call.send(frame.partition(b"\n")[2])


async def _minimal(call: Call) -> None:
    await call.play(call.frames(usage=False))


async def _unknown(call: Call) -> None:
    start, block_start, ping, *rest = call.frames()
    free = len(call.reply.blocks)
    odd = (
        wire.event("brand_new", detail=1),
        wire.event("content_block_delta", index=0, delta={"type": "hologram_delta", "z": 2}),
        wire.event("content_block_start", index=free, content_block={"type": "hologram", "z": 1}),
        wire.event("content_block_stop", index=free),
    )
    await call.play([start, block_start, ping, *odd, *rest])


async def _giant(call: Call) -> None:
    await call.begin()
    await call.say(["giant " * (_GIANT_CHARS // 6)])
    await call.end("end_turn", _GIANT_CHARS // 4)


async def _many(call: Call) -> None:
    await call.begin()
    for _ in range(_MANY // _MANY_A_WRITE):
        await call.send(wire.delta(" word") * _MANY_A_WRITE)
    await call.end("end_turn", _MANY)


async def _error_in_second_round(call: Call) -> None:
    await (_errmid if call.prompt.rounds else normal)(call)


SCRIPTS: dict[str, Script] = {
    "errmid": _errmid,
    "errfirst": _errfirst,
    "drop": _drop,
    "eof": _eof,
    "hang": _hang,
    "pings": _pings,
    "malformed": _malformed,
    "noevent": _noevent,
    "minimal": _minimal,
    "unknown": _unknown,
    "giant": _giant,
    "many": _many,
    "toolerrmid": _error_in_second_round,
}
