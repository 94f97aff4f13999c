"""The invented Anthropic Messages server: answers from the prompt; the model name picks faults.

Any model name answers normally, but `fault:<name>`; docs/SANDBOX.md has the table.
"""

import asyncio
from collections import OrderedDict
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from lyra.sandbox import connections, model_wire as wire
from lyra.sandbox.model_blocks import Reply
from lyra.sandbox.model_call import Call, normal
from lyra.sandbox.model_fault_replies import REPLIES, refuse
from lyra.sandbox.model_fault_streams import SCRIPTS
from lyra.sandbox.model_prompt import Prompt, Usage, measure, read_prompt
from lyra.sandbox.model_tools import decide
from lyra.sandbox.rng import hexadecimal
from lyra.sandbox.stats import Stats

PREFIXES_KEPT = 4_096
ONCE_KEPT = 1_000
EARLY = ("err", "erronce", "redirect", "hanghead", "toolrefused")  # faults before any stream


class _Fault(NamedTuple):
    """What goes wrong; without a name nothing does."""

    name: str
    argument: str


_NO_FAULT = _Fault("", "")


class ModelServer:
    """Answers `POST /v1/messages`; `token_ms` passes between two words of a stream."""

    def __init__(self, stats: Stats, stopping: asyncio.Event, token_ms: int) -> None:
        self._stats = stats
        self._stopping = stopping
        self._token_s = token_ms / 1000
        self._requests = 0
        # Both forget their oldest entry when they are full.
        self._prefixes: OrderedDict[str, None] = OrderedDict()
        self._met: OrderedDict[str, None] = OrderedDict()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one call, counted as open until it has ended."""
        try:
            with self._stats.model_call():
                return await self._answer(request)
        except ConnectionResetError:
            return web.Response()  # the reader has left; nobody sees this

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self._requests += 1
        request_id = f"req_sandbox{self._requests:06}"
        if not ("Authorization" in request.headers or "X-Api-Key" in request.headers):
            return _error(401, request_id)
        try:
            prompt = read_prompt(await request.read())
            fault = _read_fault(prompt)
        except ValueError as error:
            return _error(400, request_id, str(error))
        if (early := await self._early(request, request_id, fault)) is not None:
            return early
        if fault.argument == "once" and not self._first(f"{fault.name}-once"):
            fault = _NO_FAULT
        # The first look at the catalogue takes some time, and a time zone is in a file.
        reply = await asyncio.to_thread(_decide, prompt, fault)
        if prompt.stream:
            return await self._stream(request, prompt, request_id, reply, fault)
        return self._whole(prompt, request_id, reply)

    async def _early(
        self, request: web.Request, request_id: str, fault: _Fault
    ) -> web.Response | None:
        """The answer of a fault that strikes before any stream; None for all others."""
        name, argument = fault
        if name == "redirect":
            return web.Response(status=307, headers={"Location": "/v1/elsewhere"})
        if name == "hanghead":
            return await connections.hang(request, self._stopping)
        if name == "err" or (name == "erronce" and self._first(f"erronce-{argument}")):
            status, _, retry_after = argument.partition("-")
            if status.isdecimal() and int(status) in wire.ERROR_TYPES:
                return _error(int(status), request_id, retry_after=retry_after)
            return _error(400, request_id, f"model: no error has the status {status!r}")
        return None

    def _whole(self, prompt: Prompt, request_id: str, reply: Reply) -> web.Response:
        usage = self._usage(prompt).as_dict(reply.tokens)
        body = wire.message(request_id.replace("req", "msg"), prompt.model, usage)
        body["content"] = wire.contents(reply)
        body["stop_reason"] = reply.stop_reason
        return web.Response(
            body=orjson.dumps(body), content_type="application/json", headers=_id(request_id)
        )

    async def _stream(
        self, request: web.Request, prompt: Prompt, request_id: str, reply: Reply, fault: _Fault
    ) -> web.StreamResponse:
        headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
        call = Call(
            request=request,
            response=web.StreamResponse(headers={**headers, **_id(request_id)}),
            prompt=prompt,
            usage=self._usage(prompt),
            request_id=request_id,
            reply=reply,
            argument="" if fault.argument == "once" else fault.argument,
            token_s=self._token_s,
            stopping=self._stopping,
        )
        await SCRIPTS.get(fault.name, normal)(call)
        return call.response

    def _first(self, fault: str) -> bool:
        """Whether this server meets the fault for the first time."""
        first = fault not in self._met
        self._met[fault] = None
        if len(self._met) > ONCE_KEPT:
            self._met.popitem(last=False)
        return first

    def _usage(self, prompt: Prompt) -> Usage:
        """What the prompt costs; a marked prefix is cached from its second call on."""
        prefix = prompt.cached_prefix
        key = hexadecimal(32, prompt.model, prefix)
        usage = measure(prompt, seen=key in self._prefixes)
        if prefix is not None:
            self._prefixes[key] = None
            self._prefixes.move_to_end(key)
            if len(self._prefixes) > PREFIXES_KEPT:
                self._prefixes.popitem(last=False)
        return usage


def _read_fault(prompt: Prompt) -> _Fault:
    """Return the fault that the model name chooses.

    Raises:
        ValueError: There is none of this name, or it refuses this request.
    """
    kind, _, text = prompt.model.partition(":")
    name, _, argument = (text if kind == "fault" else "").partition("-")
    if name and name not in (*EARLY, *SCRIPTS, *REPLIES):
        raise ValueError(f"model: {text} is no fault of the sandbox")
    if reason := refuse(name, prompt):
        raise ValueError(reason)
    return _Fault(name, argument)


def _decide(prompt: Prompt, fault: _Fault) -> Reply:
    """Return what the model says under this fault, within its `max_tokens`."""
    decision = REPLIES.get(fault.name)
    reply = decision(prompt, fault.argument) if decision else decide(prompt)
    return reply.cut(prompt.max_tokens)


def _id(request_id: str) -> dict[str, str]:
    return {"request-id": request_id}


def _error(
    status: int, request_id: str, message: str | None = None, retry_after: str = ""
) -> web.Response:
    fields: dict[str, Any] = wire.error_fields(wire.ERROR_TYPES[status], request_id)
    if message is not None:
        fields["error"]["message"] = message
    headers = _id(request_id)
    if retry_after:
        headers["Retry-After"] = retry_after
    body = orjson.dumps({"type": "error", **fields})
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
