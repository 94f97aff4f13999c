"""`POST /lyra/chat`: one question, one answer, streamed or whole; and how to stop and resume it."""

import re
from typing import Any, NamedTuple

from aiohttp import web

from lyra.chat.parts import PlaylistPart, TrackCard
from lyra.chat.request_schema import parse_question
from lyra.chat.runs.registry import FoundRun
from lyra.errors import AnswerGoneError, NotFoundError
from lyra.spotify.token import Token
from lyra.web.api.chat_session import (
    read_question,
    send_stream,
    start_run,
    stream_run,
    wait_complete,
)
from lyra.web.api.wire_formats import UiMessageFrames
from lyra.web.context import SERVICES
from lyra.web.gateway.requests import authenticate, require_credentials, wants_json
from lyra.web.http.client_ip import client_ip
from lyra.web.http.concurrency_limit import release_slot
from lyra.web.http.responses import json_response

_EVENT_ID = re.compile(r"(run_[0-9a-f]{16})\.(\d{1,9})", re.ASCII)


class _Rest(NamedTuple):
    """The parts of a begun answer that are behind this position."""

    run: FoundRun
    position: int


async def chat(request: web.Request) -> web.StreamResponse:
    """Answer in the AI SDK UI message stream, or as JSON where that is asked for."""
    token, question = await read_question(request, parse_question, recover=_recover_rest)
    if isinstance(question, _Rest):
        return await _resume(request, question.run, question.position)
    async with start_run(request, token, question) as (run, lookup):
        if question.stream and not wants_json(request):
            return await stream_run(request, run, UiMessageFrames(run))
        finish = await wait_complete(run)
        payload: dict[str, Any] = {
            "success": True,
            "response": run.text() if run.text().strip() else finish.notice or "",
            "tracks": [part.data for part in run.parts_of(TrackCard)],
            "model": request.app[SERVICES].generator.model.name,
            "usage": finish.message_metadata["usage"],
            "finish_reason": finish.finish_reason,
            "cache": lookup.describe(),
        }
        if proposed := run.parts_of(PlaylistPart):
            payload["playlist"] = proposed[-1].data
        for name in ("notice", "tools"):
            if name in finish.message_metadata:
                payload[name] = finish.message_metadata[name]
        return json_response(payload)


async def stop(request: web.Request) -> web.StreamResponse:
    """End a running answer of this listener, in whatever phase it is."""
    require_credentials(request)
    services = request.app[SERVICES]
    services.ending_limit.spend(client_ip(request, services.trusted))
    owner = services.lyra.listeners.key(await authenticate(request, reads_spotify=False))
    if not await services.runs.stop(owner, request.match_info["run"]):
        raise NotFoundError("There is no such answer of this listener.")
    return web.Response(status=204)


async def resume(request: web.Request) -> web.StreamResponse:
    """Send the rest of an answer after `Last-Event-ID`, else all of it; 204 if nothing is left."""
    token = await authenticate(request, reads_spotify=False)
    name = request.match_info["run"]
    run = await _find_run(request, token, name)
    if run is None:
        return web.Response(status=204)
    log = run.log
    run_id, position = _last_event_id(request) or ("", 0)
    if run_id != log.id:
        position = 0
        if name != log.id and log.delivered:
            return web.Response(status=204)  # a chat of which nothing was lost
    if log.ended and not log.lines(position):
        return web.Response(status=204)
    return await _resume(request, run, position)


def _last_event_id(request: web.Request) -> tuple[str, int] | None:
    """Return the run and the number of its parts that the reader has, by its last event id."""
    match = _EVENT_ID.fullmatch(request.headers.get("Last-Event-ID", ""))
    return (match[1], int(match[2])) if match else None


async def _find_run(request: web.Request, token: Token, name: str) -> FoundRun | None:
    """Return the answer of this name, if it is this listener's.

    Raises:
        TooManyRequestsError: this listener has asked too often, or has too many readers.
    """
    services = request.app[SERVICES]
    owner = services.lyra.listeners.key(token)
    services.resume_limit.spend(owner)
    return await services.runs.find(owner, token, name)


async def _recover_rest(request: web.Request, token: Token) -> _Rest | None:
    """Return what a reader that lost its connection asks for again: the rest of that very answer.

    Raises:
        AnswerGoneError: there is no such answer. Another one would be paid for, unasked.
    """
    if not request.headers.get("Last-Event-ID"):
        return None
    event_id = _last_event_id(request)
    run = await _find_run(request, token, event_id[0]) if event_id is not None else None
    if event_id is None or run is None:
        raise AnswerGoneError
    return _Rest(run, event_id[1])


async def _resume(request: web.Request, run: FoundRun, position: int) -> web.StreamResponse:
    request.app[SERVICES].metrics.resumes.inc()
    release_slot(request)
    with run.read():
        return await send_stream(request, run.log, UiMessageFrames(run.log, position))
