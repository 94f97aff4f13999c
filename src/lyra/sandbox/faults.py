"""What goes wrong for whom, and at which of their requests."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from lyra.sandbox import connections
from lyra.sandbox.clock import Clock
from lyra.sandbox.pages import ENDPOINTS
from lyra.sandbox.spotify_errors import (
    FAULT_REPLIES,
    JSON,
    Reply,
    numbered_reply,
    quota_exceeded,
)
from lyra.sandbox.tokens import Fault, SandboxToken

Latency = tuple[int, int]

TALLIES_KEPT = 10_000
DAY_S = 86_400

_DELAYS = ("lat", "slow")
_QUIET = (*_DELAYS, "late", "ungranted")  # the request is answered all the same
_HTML = "text/html; charset=utf-8"


@dataclass(slots=True)
class _Tally:
    """How often a fault was met since this time, in seconds since the epoch."""

    since: float
    count: int = 0


@dataclass(frozen=True, slots=True)
class Struck:
    """What strikes a request; without a `name` it is answered as if nothing did.

    `reply` is the fault's complete answer, None where it does something to the real one. `extent` is
    that of the fault, and a write takes effect so many seconds later as `late_s` says.
    """

    name: str = ""
    reply: Reply | None = None
    extent: str = ""
    late_s: int = 0

    @property
    def writes(self) -> bool:
        """Whether a write happens, if only half of it."""
        return self.extent in ("done", "half") or (self.reply is None and self.extent != "undone")


class Faults:
    """Finds the fault that strikes a request, and answers in its way.

    Args:
        stopping: Set when the server stops; ends every wait.
        clock: Quotas are counted by it.
        latency: As the fault `lat`, for tokens without one of their own.
    """

    def __init__(self, stopping: asyncio.Event, clock: Clock, latency: Latency | None) -> None:
        self._stopping = stopping
        self._clock = clock
        self._latency = latency
        # By token, fault and endpoint; the oldest are forgotten.
        self._tallies: OrderedDict[tuple[str, str, str], _Tally] = OrderedDict()

    async def meet(self, endpoint: str, token: SandboxToken) -> Struck:
        """Wait as long as the token says, and return what strikes this request.

        Counts the request: ask once for each.
        """
        # All of them are asked, since each has its own count.
        due = [fault for fault in token.faults if self._due(fault, endpoint, token.digest)]
        striking = next((fault for fault in due if fault.name not in _QUIET), None)
        reply = self._reply(striking, endpoint, token.digest) if striking else None
        await self.delay(endpoint, due)
        late_s = sum(fault.numbers[0] for fault in due if fault.name == "late")
        if striking is None:
            return Struck(late_s=late_s)
        return Struck(striking.name, reply, striking.extent, late_s)

    async def delay(self, endpoint: str, due: Sequence[Fault] = ()) -> None:
        """Sleep as long as these faults say, or the server's own latency where they do not."""
        spreads = [fault.numbers for fault in due if fault.name == "lat"]
        milliseconds = sum(fault.numbers[0] for fault in due if fault.name == "slow")
        if endpoint != "token" and (spreads or self._latency):
            low, high = spreads[0] if spreads else self._latency or (0, 0)
            milliseconds += low + (high - low) * _place(endpoint) // (len(ENDPOINTS) - 1)
        if milliseconds:
            await connections.paused(self._stopping, milliseconds / 1000)

    def revoked(self, token: SandboxToken) -> bool:
        """Whether a `revoked` fault of this token is in force by now."""
        for fault in token.faults:
            if fault.name == "revoked":
                tally = self._tallies.get((token.digest, fault.text, ""))
                return (tally.count if tally else 0) >= fault.numbers[0]
        return False

    async def spoil(self, request: web.Request, name: str, body: bytes) -> web.StreamResponse:
        """Answer this body in the way of the fault of this name; the status is always 200."""
        match name:
            case "truncated" | "mislabelled" | "gzip" | "nulls":
                return _altered(name, body)
            case "bomb":
                return await connections.bomb()
            case "huge":
                return await connections.huge(request)
            case "redirect":
                return connections.elsewhere(request)
            case _:
                return await self._break(request, name, body)

    async def _break(self, request: web.Request, name: str, body: bytes) -> web.StreamResponse:
        match name:
            case "cut":
                return await connections.cut(request, body)
            case "hang":
                return await connections.hang(request, self._stopping)
            case "drip":
                return await connections.drip(request, body, self._stopping)
            case _:
                return connections.reset(request)

    def _due(self, fault: Fault, endpoint: str, digest: str) -> bool:
        """Whether the fault is in force at this request; counts the request where that matters."""
        if not fault.concerns(endpoint):
            return False
        if fault.name in ("revoked", "down"):
            return self._met(digest, fault, "") > fault.numbers[0]
        if fault.name == "quota" and fault.numbers:
            return self._met(digest, fault, endpoint) > fault.numbers[0]
        return fault.always or fault.strikes(self._met(digest, fault, endpoint))

    def _met(self, digest: str, fault: Fault, endpoint: str) -> int:
        key = (digest, fault.text, endpoint)
        now = self._clock.now.timestamp()
        tally = self._tallies.pop(key, None) or _Tally(now)
        if fault.name == "quota" and fault.numbers and now - tally.since >= DAY_S:
            tally = _Tally(now)
        tally.count += 1
        self._tallies[key] = tally
        if len(self._tallies) > TALLIES_KEPT:
            self._tallies.popitem(last=False)
        return tally.count

    def _reply(self, fault: Fault, endpoint: str, digest: str) -> Reply | None:
        """The complete answer of this fault; None for those that need the body."""
        if fault.name == "quota" and fault.numbers:
            since = self._tallies[digest, fault.text, endpoint].since
            return quota_exceeded(DAY_S - int(self._clock.now.timestamp() - since))
        name = {"revoked": "401", "down": "503"}.get(fault.name, fault.name)
        return numbered_reply(name, fault.numbers, self._clock.now) or FAULT_REPLIES.get(name)


def _altered(name: str, body: bytes) -> web.Response:
    """The body as it ends too soon, under a wrong name, with null items, or packed."""
    match name:
        case "truncated":
            return web.Response(body=body[: len(body) // 2], headers={"Content-Type": JSON})
        case "mislabelled":
            return web.Response(body=body, headers={"Content-Type": _HTML})
        case "nulls":
            nulled = orjson.dumps(_with_nulls(orjson.loads(body)))
            return web.Response(body=nulled, headers={"Content-Type": JSON})
        case _:
            return connections.gzipped(body)


def _with_nulls(value: Any) -> Any:
    """The same answer with null in place of every item of its pages."""
    if not isinstance(value, dict):
        return value
    return {
        name: [None] * len(each)
        if name == "items" and isinstance(each, list)
        else _with_nulls(each)
        for name, each in value.items()
    }


def _place(endpoint: str) -> int:
    """Where in the spread this endpoint is; what is not among the five is the slowest."""
    places = tuple(ENDPOINTS)
    return places.index(endpoint) if endpoint in places else len(places) - 1
