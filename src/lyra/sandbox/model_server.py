"""The invented Anthropic Messages server: answers from the prompt; the model name picks faults.

Any model name answers normally, but `fault:<name>`; docs/SANDBOX.md has the table.
"""

import asyncio
from collections import OrderedDict
from typing import Any

import orjson
from aiohttp import web

from lyra.sandbox import connections, model_wire as wire
from lyra.sandbox.model_answers import answer, pieces
from lyra.sandbox.model_call import SCRIPTS, Call, Script, normal
from lyra.sandbox.model_prompt import Prompt, Usage, measure, read_prompt
from lyra.sandbox.rng import hexadecimal
from lyra.sandbox.stats import Stats

PREFIXES_KEPT = 4_096
ONCE_KEPT = 1_000


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
        except ValueError as error:
            return _error(400, request_id, str(error))
        kind, _, fault = prompt.model.partition(":")
        name, _, argument = (fault if kind == "fault" else "").partition("-")
        if (early := await self._early(request, request_id, name, argument)) is not None:
            return early
        if name == "erronce":
            name = ""
        if name and name not in SCRIPTS:
            return _error(400, request_id, f"model: {fault} is no fault of the sandbox")
        if not prompt.stream:
            return self._whole(prompt, request_id, name)
        return await self._stream(request, prompt, request_id, name, argument)

    async def _early(
        self, request: web.Request, request_id: str, name: str, argument: str
    ) -> web.Response | None:
        """The answer of a fault that strikes before any stream; None for all others."""
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

    def _whole(self, prompt: Prompt, request_id: str, name: str) -> web.Response:
        said, stop_reason = _said(prompt)
        if name in ("refusal", "max_tokens"):
            said, stop_reason = said[: 5 if name == "max_tokens" else 0], name
        usage = self._usage(prompt).as_dict(max(1, len(said)))
        body = wire.message(request_id.replace("req", "msg"), prompt.model, usage)
        body["content"] = [{"type": "text", "text": "".join(said)}] if said else []
        body["stop_reason"] = stop_reason
        return web.Response(
            body=orjson.dumps(body), content_type="application/json", headers=_id(request_id)
        )

    async def _stream(
        self, request: web.Request, prompt: Prompt, request_id: str, name: str, argument: str
    ) -> web.StreamResponse:
        said, stop_reason = _said(prompt)
        headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
        call = Call(
            request=request,
            response=web.StreamResponse(headers={**headers, **_id(request_id)}),
            prompt=prompt,
            usage=self._usage(prompt),
            request_id=request_id,
            pieces=said,
            stop_reason=stop_reason,
            argument="" if argument == "once" else argument,
            token_s=self._token_s,
            stopping=self._stopping,
        )
        await self._script(name, argument)(call)
        return call.response

    def _script(self, name: str, argument: str) -> Script:
        again = argument == "once" and not self._first(f"{name}-once")
        return SCRIPTS[name] if name and not again else normal

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


def _said(prompt: Prompt) -> tuple[list[str], str]:
    """The words of the answer and why it ends; a word counts as one token of `max_tokens`."""
    words = pieces(answer(prompt.question, prompt.listening, prompt.asked_at))
    if len(words) > prompt.max_tokens:
        return words[: prompt.max_tokens], "max_tokens"
    return words, "end_turn"


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
