"""What a warm `POST /lyra/init` is made of: each part alone, in this process, without the kernel."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from timeit import repeat
from typing import Any

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser
from msgspec.structs import replace

from bench.closed_loop import post
from bench.harness import Place, lyra_settings
from bench.report import Table
from lyra.app import create_app
from lyra.cache.lookup import Lookup
from lyra.cli.logs import BufferedHandler, TextStyle
from lyra.cli.redact import Redactor
from lyra.metrics import Requests
from lyra.settings import Settings
from lyra.spotify.token import Token
from lyra.web.api.listener import init_body
from lyra.web.context import SERVICES
from lyra.web.gateway.middleware import Middleware
from lyra.web.gateway.prebuilt_response import prebuilt_bytes
from lyra.web.gateway.requests import read_bearer
from lyra.web.gateway.server import Runner
from lyra.web.gateway.timed_protocol import MAX_HEAD_BYTES
from lyra.web.http.framing import Framing

TIMES, REPEATS = 2_000, 15
QUICK_TIMES, QUICK_REPEATS = 200, 3

Part = Callable[[], object]


async def measure(place: Place) -> list[Table]:
    """Best of many, in microseconds: what others do meanwhile is not in them."""
    times, repeats = (QUICK_TIMES, QUICK_REPEATS) if place.quick else (TIMES, REPEATS)
    async with _parts(place) as parts:
        rows = [
            (name, f"{min(repeat(part, number=times, repeat=repeats)) / times * 1e6:.2f}")
            for name, part in parts.items()
        ]
    note = "What `warm` finds beyond these is aiohttp's connection, the event loop and the kernel."
    head = (f"best of {repeats}", "us")
    return [Table("A warm POST /lyra/init, part by part", head, rows, notes=[note])]


@asynccontextmanager
async def _parts(place: Place) -> AsyncIterator[dict[str, Part]]:
    # Timing keeps the loop from turning, which the watchdog would report.
    settings = replace(Settings.from_environ(lyra_settings(place.upstream.url)), stall_s=600)
    text = place.token()
    with Path(os.devnull).open("w") as nowhere:  # noqa: ASYNC230 - waits for nothing
        lines = BufferedHandler(nowhere, TextStyle(Redactor(())))
        runner = Runner(create_app(settings, request_log=lines.log_request), settings)
        await runner.setup()
        try:
            await (await runner.app[SERVICES].lyra.listeners.lookup(Token(text))).entry()
            yield _of(runner, Middleware(settings, Requests(), lines.log_request), text)
        finally:
            await runner.cleanup()
            lines.close()


def _of(runner: Runner, edge: Middleware, text: str) -> dict[str, Part]:
    """The parts of what Lyra does for one, in order."""
    listeners, head = runner.app[SERVICES].lyra.listeners, runner.app[SERVICES].static_head
    loop = asyncio.get_running_loop()
    parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16)
    request, token = post("/lyra/init", text), Token(text)

    def parsed() -> object:
        ((message, _),), *_ = parser.feed_data(request)
        parser.message_consumed()
        return message

    asked = parser.feed_data(request)[0][0][0]
    parser.message_consumed()
    visit = _at_once(listeners.lookup(token))
    if visit.cached is None:
        raise RuntimeError("the listener is not at hand")
    entry = visit.cached
    body = init_body(entry, visit)
    return {
        "aiohttp's parser: the request's head": parsed,
        "framing: what is a head, what waits": lambda: _framed(request),
        "the token out of its header": lambda: read_bearer(asked.headers),
        "the key that it is kept under": lambda: listeners.key(token),
        "the look-up, with that key": lambda: _at_once(listeners.lookup(token)),
        "the body, with its `cache` object": lambda: init_body(entry, visit),
        "head and body in one": lambda: prebuilt_bytes(head, body, "-"),
        "the request's id": lambda: edge.request_id_for(asked.headers),
        "metrics and log line": lambda: edge.record("POST", "/lyra/init", 200, 0.0, "-"),
    }


def _framed(request: bytes) -> None:
    framing = Framing(MAX_HEAD_BYTES)
    framing.feed(request)
    framing.next_piece()
    framing.begin_request(0)
    framing.end_response()


def _at_once(visiting: Coroutine[Any, Any, Lookup]) -> Lookup:
    """What this gives, if it waits for nothing."""
    try:
        visiting.send(None)
    except StopIteration as ended:
        found: Lookup = ended.value
        return found
    raise RuntimeError("the listener is not at hand")
