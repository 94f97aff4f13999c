"""`POST /lyra/chat`: one question, one answer, streamed or whole; and the ways to stop and resume it."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeVar

from aiohttp import web

from lyra.cache.keys import Key
from lyra.cache.lookup import Lookup
from lyra.chat.parts import Abort, Finish, MessageMetadata, TrackCard
from lyra.chat.request_schema import ChatInput, parse_question
from lyra.chat.runs.event_log import EventLog
from lyra.chat.runs.registry import FoundRun
from lyra.chat.runs.run import Run
from lyra.errors import AnswerGoneError, DrainingError, NotFoundError
from lyra.spotify.token import Token
from lyra.web.api.listener import look_up_listener
from lyra.web.context import SERVICES
from lyra.web.gateway.requests import authenticate, json_body, refuse_nobody, wants_json
from lyra.web.http.client_ip import client_ip
from lyra.web.http.concurrency_limit import release_slot
from lyra.web.http.event_stream import AdaptedFrames, EventStream, UiMessageFrames
from lyra.web.http.responses import json_answer, request_id

_PLACE = re.compile(r"(run_[0-9a-f]{16})\.(\d{1,9})", re.ASCII)


class _Rest(NamedTuple):
    """Of an answer that was begun, what is behind this position."""

    run: FoundRun
    position: int


async def chat(request: web.Request) -> web.StreamResponse:
    """Answer in the AI SDK UI message stream, or as JSON where that is asked for."""
    token, question = await asked_by(request, parse_question, lost=_lost)
    if isinstance(question, _Rest):
        return await _resumed(request, question.run, question.position)
    async with start_run(request, token, question) as (run, visit):
        if question.stream and not wants_json(request):
            return await stream_run(request, run, UiMessageFrames(run))
        finish = await wait_complete(run)
        told = {
            "success": True,
            "response": run.text() if run.text().strip() else finish.notice or "",
            "tracks": [part.data for part in run.parts_of(TrackCard)],
            "model": request.app[SERVICES].speaker.model.name,
            "usage": finish.message_metadata["usage"],
            "finish_reason": finish.finish_reason,
            "cache": visit.describe(),
        }
        return json_answer(told | ({"notice": finish.notice} if finish.notice else {}))


Asked = TypeVar("Asked")
Lost = TypeVar("Lost")


async def nothing_lost(_: web.Request, __: Token) -> None:
    """For protocols that cannot ask for the rest of an answer."""


async def asked_by(
    request: web.Request,
    parse: Callable[[bytes], Asked],
    *,
    lost: Callable[[web.Request, Token], Awaitable[Lost | None]] = nothing_lost,
) -> tuple[Token, Asked | Lost]:
    """Who asks, and what, or what `lost` finds in its place. Nothing of the body is kept beside.

    Who has nothing to show is refused first, and both rates are spent before the body is parsed: a
    body that is refused has cost as much as one that is not. A log-in is looked up only now that
    the body is there, since it may have ended meanwhile.

    Raises:
        LyraError: nobody asks, too often, or nothing that can be read.
    """
    refuse_nobody(request)
    services = request.app[SERVICES]
    async with json_body(request) as body:
        token = await authenticate(request)
        if (found := await lost(request, token)) is not None:
            return token, found
        services.chats.spend(services.lyra.listeners.key(token))
        return token, parse(body)


async def stop(request: web.Request) -> web.StreamResponse:
    """End a running answer of this listener, in whatever phase it is."""
    refuse_nobody(request)
    services = request.app[SERVICES]
    services.endings.spend(client_ip(request, services.trusted))
    owner = services.lyra.listeners.key(await authenticate(request, reads_spotify=False))
    if not await services.runs.stop(owner, request.match_info["run"]):
        raise NotFoundError("There is no such answer of this listener.")
    return web.Response(status=204)


async def resume(request: web.Request) -> web.StreamResponse:
    """The rest of an answer after `Last-Event-ID`, else all of it; 204 when there is nothing."""
    token = await authenticate(request, reads_spotify=False)
    name = request.match_info["run"]
    run = await _found(request, token, name)
    if run is None:
        return web.Response(status=204)
    log = run.log
    run_id, position = _last_event_id(request) or ("", 0)
    if run_id != log.id:
        position = 0
        if name != log.id and log.delivered:
            return web.Response(status=204)  # a chat that nothing was lost of
    if log.ended and not log.lines(position):
        return web.Response(status=204)
    return await _resumed(request, run, position)


def _last_event_id(request: web.Request) -> tuple[str, int] | None:
    """The run and the number of parts that a reader has had of it, as its last event id says."""
    match = _PLACE.fullmatch(request.headers.get("Last-Event-ID", ""))
    return (match[1], int(match[2])) if match else None


async def _found(request: web.Request, token: Token, name: str) -> FoundRun | None:
    """The answer of this name, if it is this listener's.

    Raises:
        TooManyRequestsError: this listener has asked too often, or too many read.
    """
    services = request.app[SERVICES]
    owner = services.lyra.listeners.key(token)
    services.resumes.spend(owner)
    return await services.runs.find(owner, token, name)


async def _lost(request: web.Request, token: Token) -> _Rest | None:
    """What a reader who lost the connection asks for again: the rest of that answer, no other one.

    Raises:
        AnswerGoneError: there is no such answer. Another one would be paid for, unasked.
    """
    if not request.headers.get("Last-Event-ID"):
        return None
    place = _last_event_id(request)
    run = await _found(request, token, place[0]) if place is not None else None
    if place is None or run is None:
        raise AnswerGoneError
    return _Rest(run, place[1])


async def _resumed(request: web.Request, run: FoundRun, position: int) -> web.StreamResponse:
    request.app[SERVICES].metrics.resumes.inc()
    release_slot(request)
    with run.read():
        return await _relayed(request, run.log, UiMessageFrames(run.log, position))


@asynccontextmanager
async def start_run(
    request: web.Request, token: Token, question: ChatInput
) -> AsyncIterator[tuple[Run, Lookup]]:
    """A run that is being filled with this listener's answer, whatever wire it leaves on.

    Raises:
        LyraError: the listener may not ask now, or Spotify is known to refuse the token.
    """
    services = request.app[SERVICES]
    owner: Key = services.lyra.listeners.key(token)
    async with services.runs.open_run(owner, token, question) as run:
        visit = await look_up_listener(request, token)
        generate = services.speaker.generate
        services.runs.start(run, generate(run, visit, question.turns, request_id=request_id.get()))
        release_slot(request)
        yield run, visit


async def stream_run(
    request: web.Request, run: Run, frames: UiMessageFrames | AdaptedFrames
) -> web.StreamResponse:
    """The run as a stream; a failure before its first part is raised."""
    await run.wait_begun()
    if not run.begun:
        raise run.failure or DrainingError(retry_after_s=1)
    return await _relayed(request, run, frames)


async def _relayed(
    request: web.Request, log: EventLog, frames: UiMessageFrames | AdaptedFrames
) -> web.StreamResponse:
    services = request.app[SERVICES]
    services.metrics.streams.inc()
    try:
        async with EventStream(request, services.ticker, services.outbox) as stream:
            await stream.open(frames.headers)
            answer = await stream.relay(log, frames)
            log.mark_delivered()
            return answer
    finally:
        services.metrics.streams.dec()


async def wait_complete(run: Run) -> Finish:
    """How the run finished, waited for; a failure at any time is raised."""
    await run.wait_ended()
    if run.finish is not None and run.failure is None:
        return run.finish
    match run.since(0)[-2:]:
        case [MessageMetadata() as told, Abort(reason="stopped")]:
            return Finish("other", told.message_metadata)  # half an answer was asked for
        case _:
            raise run.failure or DrainingError(retry_after_s=1)
