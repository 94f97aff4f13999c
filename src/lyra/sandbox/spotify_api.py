"""The invented Web API over HTTP: who is asking, what goes wrong, and else the listener's data."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping

from aiohttp import web

from lyra.sandbox import connections
from lyra.sandbox.listeners import Listeners
from lyra.sandbox.pages import ENDPOINTS, BadQueryError, Endpoint, render
from lyra.sandbox.spotify_errors import (
    BAD_TOKEN,
    FAULT_REPLIES,
    JSON,
    NOT_BEARER,
    NOT_FOUND,
    PERSONA_REPLIES,
    Reply,
    rate_limited,
    refusal,
)
from lyra.sandbox.stats import Stats
from lyra.sandbox.tokens import TOKEN68, Fault, SandboxToken, parse_token, token_digest

Latency = tuple[int, int]

TALLIES_KEPT = 10_000

_BY_PATH = {path: endpoint for endpoint, path in ENDPOINTS.items()}


class SpotifyApi:
    """Answers the five endpoints; `recorded` bodies, if given, replace the invented listeners."""

    def __init__(
        self,
        stats: Stats,
        listeners: Listeners,
        stopping: asyncio.Event,
        latency: Latency | None = None,
        recorded: Mapping[Endpoint, bytes] | None = None,
    ) -> None:
        self._stats = stats
        self._listeners = listeners
        self._stopping = stopping
        self._latency = latency
        self._recorded = recorded
        # How often a fault was met, by token, fault and endpoint; the oldest are forgotten.
        self._tallies: OrderedDict[tuple[str, str, str], int] = OrderedDict()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request to one of the five endpoints."""
        endpoint = _BY_PATH[request.path]
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        self._stats.count(endpoint, token_digest(text) if text else None)
        if scheme and scheme.lower() != "bearer":
            return NOT_BEARER.response()
        if not TOKEN68.fullmatch(text):
            return BAD_TOKEN.response()
        if self._recorded is not None:
            return await self._replay(endpoint, self._recorded)
        try:
            token = parse_token(text)
        except ValueError:
            return BAD_TOKEN.response()
        return await self._invent(request, endpoint, token)

    async def _replay(
        self, endpoint: Endpoint, recorded: Mapping[Endpoint, bytes]
    ) -> web.StreamResponse:
        await self._delay(endpoint, ())
        if endpoint not in recorded:
            return NOT_FOUND.response()
        return Reply(200, recorded[endpoint]).response()

    async def _invent(
        self, request: web.Request, endpoint: Endpoint, token: SandboxToken
    ) -> web.StreamResponse:
        faults = [fault for fault in token.faults if fault.concerns(endpoint)]
        await self._delay(endpoint, faults)
        if token.persona in PERSONA_REPLIES:
            return PERSONA_REPLIES[token.persona].response()
        striking = [each for each in faults if self._strikes(each, token, endpoint)]
        if striking and (reply := _reply(striking[0])) is not None:
            return reply.response()
        listener = await self._listeners.get(token.seed, token.persona)
        try:
            body = render(endpoint, request.query, listener, token.regime)
        except BadQueryError as error:
            return refusal(400, str(error)).response()
        if striking:
            return await self._break(request, striking[0].name, body)
        return Reply(200, body).response()

    async def _delay(self, endpoint: Endpoint, faults: list[Fault] | tuple[()]) -> None:
        """Sleep as long as the faults say, or the server's own latency where they do not."""
        spreads = [fault.numbers for fault in faults if fault.name == "lat"]
        milliseconds = sum(fault.numbers[0] for fault in faults if fault.name == "slow")
        if spreads or self._latency:
            low, high = spreads[0] if spreads else self._latency or (0, 0)
            place = tuple(ENDPOINTS).index(endpoint)
            milliseconds += low + (high - low) * place // (len(ENDPOINTS) - 1)
        if milliseconds:
            await connections.paused(self._stopping, milliseconds / 1000)

    def _strikes(self, fault: Fault, token: SandboxToken, endpoint: Endpoint) -> bool:
        """Whether the fault answers this request; counts the request for those that count."""
        if fault.name in ("lat", "slow"):
            return False
        if fault.name in ("revoked", "down"):
            return self._tally(token.digest, fault.text, "") > fault.numbers[0]
        return not fault.once or self._tally(token.digest, fault.text, endpoint) == 1

    def _tally(self, *key: str) -> int:
        digest, fault, endpoint = key
        count = self._tallies.pop((digest, fault, endpoint), 0) + 1
        self._tallies[digest, fault, endpoint] = count
        if len(self._tallies) > TALLIES_KEPT:
            self._tallies.popitem(last=False)
        return count

    async def _break(self, request: web.Request, name: str, body: bytes) -> web.StreamResponse:
        """Answer this body in a way that no client can read to its end."""
        match name:
            case "truncated":
                return web.Response(body=body[: len(body) // 2], headers={"Content-Type": JSON})
            case "cut":
                return await connections.cut(request, body)
            case "hang":
                return await connections.hang(request, self._stopping)
            case "drip":
                return await connections.drip(request, body, self._stopping)
            case "huge":
                return await connections.huge(request)
            case _:
                return connections.reset(request)


def _reply(fault: Fault) -> Reply | None:
    """The complete answer of this fault; None for those that break the connection or the body."""
    if fault.name == "429":
        return rate_limited(fault.numbers[0] if fault.numbers else None)
    name = {"revoked": "401", "down": "503"}.get(fault.name, fault.name)
    return FAULT_REPLIES.get(name)
