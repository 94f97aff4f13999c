"""What the wire formats of a chat share: read the question, start the run, send its answer."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from aiohttp import web

from lyra.cache.lookup import Lookup
from lyra.chat.parts import Abort, Finish, MessageMetadata
from lyra.chat.request_schema import ChatInput
from lyra.chat.runs.event_log import EventLog
from lyra.chat.runs.run import Run
from lyra.errors import DrainingError
from lyra.spotify.token import Token
from lyra.web.api.listener_lookup import look_up_listener
from lyra.web.api.run_relay import relay
from lyra.web.api.wire_formats import RunFrames
from lyra.web.context import SERVICES
from lyra.web.gateway.requests import authenticate, read_json_body, require_credentials
from lyra.web.gateway.time_zone import read_request_zone
from lyra.web.http.concurrency_limit import release_slot
from lyra.web.http.event_stream import EventStream
from lyra.web.http.responses import request_id

Question = TypeVar("Question")
Recovered = TypeVar("Recovered")


async def recover_nothing(_: web.Request, __: Token) -> None:
    """Find nothing: for protocols that cannot ask for the rest of an answer."""


async def read_question(
    request: web.Request,
    parse: Callable[[bytes], Question],
    *,
    recover: Callable[[web.Request, Token], Awaitable[Recovered | None]] = recover_nothing,
) -> tuple[Token, Question | Recovered]:
    """Return the caller's token and question, or what `recover` finds in place of the question.

    A request without credentials is refused first, and both rates are spent before the body is
    parsed: a body that is refused has cost as much as one that is not. A log-in is looked up only
    now that the body is there, since it may have ended meanwhile. Nothing else keeps the body.

    Raises:
        LyraError: the caller is unknown, asks too often, or the body cannot be read.
    """
    require_credentials(request)
    services = request.app[SERVICES]
    async with read_json_body(request) as body:
        token = await authenticate(request)
        if (recovered := await recover(request, token)) is not None:
            return token, recovered
        services.chat_limit.spend(services.lyra.listeners.key(token))
        return token, parse(body)


@asynccontextmanager
async def start_run(
    request: web.Request, token: Token, question: ChatInput
) -> AsyncIterator[tuple[Run, Lookup]]:
    """Start a run that is filled with this listener's answer, whatever its wire format.

    Raises:
        LyraError: the listener may not ask now, or Spotify is known to refuse the token.
    """
    services = request.app[SERVICES]
    owner = services.lyra.listeners.key(token)
    zone = await read_request_zone(request, question.timezone)
    async with services.runs.open_run(owner, token, question) as run:
        lookup = await look_up_listener(request, token)
        answer = services.generator.generate(
            run, lookup, question, token=token, request_id=request_id.get(), zone=zone
        )
        services.runs.start(run, answer)
        release_slot(request)
        yield run, lookup


async def stream_run(request: web.Request, run: Run, frames: RunFrames) -> web.StreamResponse:
    """Send the run as a stream; a failure before its first part is raised."""
    await run.wait_begun()
    if not run.begun:
        raise (run.failure or DrainingError(retry_after_s=1)).copy()
    return await send_stream(request, run, frames)


async def send_stream(request: web.Request, log: EventLog, frames: RunFrames) -> web.StreamResponse:
    """Open an event stream, and relay the log in it up to its ending."""
    services = request.app[SERVICES]
    services.metrics.streams.inc()
    try:
        async with EventStream(
            request, services.stream_monitor, services.write_coalescer
        ) as stream:
            await stream.open(frames.headers)
            response = await relay(stream, log, frames)
            log.mark_delivered()
            return response
    finally:
        services.metrics.streams.dec()


async def wait_complete(run: Run) -> Finish:
    """Wait until the run has finished, and return how; a failure at any time is raised."""
    await run.wait_ended()
    if run.finish is not None and run.failure is None:
        return run.finish
    match run.since(0)[-2:]:
        case [MessageMetadata() as ended, Abort(reason="stopped")]:
            return Finish("other", ended.message_metadata)  # half an answer was asked for
        case _:
            raise (run.failure or DrainingError(retry_after_s=1)).copy()
