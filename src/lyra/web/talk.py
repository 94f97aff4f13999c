"""`POST /lyra/chat`: one question, one answer, streamed or whole."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from lyra.cache.visit import Visit
from lyra.chat.bodies import Turn, parse_question
from lyra.chat.parts import Finish
from lyra.chat.run import Run
from lyra.errors import DrainingError
from lyra.spotify.token import Token
from lyra.web.answers import json_answer, request_id
from lyra.web.intake import bearer, read_json_body, wants_json
from lyra.web.services import SERVICES
from lyra.web.sse import EventStream, Face, UiMessages


async def chat(request: web.Request) -> web.StreamResponse:
    """Answer in the AI SDK UI message stream, or as JSON where that is asked for."""
    token = bearer(request)
    question = parse_question(await read_json_body(request))
    async with answering(request, token, question.turns) as (run, visit):
        if question.stream and not wants_json(request):
            return await streamed(request, run, UiMessages())
        finish = await whole(run)
        return json_answer(
            {
                "success": True,
                "response": run.text(),
                "tracks": [],
                "model": request.app[SERVICES].speaker.model.name,
                "usage": finish.message_metadata["usage"],
                "finish_reason": finish.finish_reason,
                "cache": visit.describe(),
            }
        )


@asynccontextmanager
async def answering(
    request: web.Request, token: Token, turns: tuple[Turn, ...]
) -> AsyncIterator[tuple[Run, Visit]]:
    """A run that is being filled with this listener's answer, whatever wire it leaves on.

    Raises:
        LyraError: the listener may not ask now, or Spotify is known to refuse the token.
    """
    services = request.app[SERVICES]
    owner = services.lyra.listeners.key(token)
    services.chats.spend(owner)
    async with services.runs.running(owner) as run:
        visit = await services.lyra.listeners.visit(token)
        run.fill(services.speaker.answer(run, visit, turns, request_id.get()))
        yield run, visit


async def streamed(request: web.Request, run: Run, face: Face) -> web.StreamResponse:
    """The run as a stream in this face's frames; a failure before its first part is raised."""
    services = request.app[SERVICES]
    await run.ready()
    if not run.begun:
        raise run.failure or DrainingError(retry_after_s=1)
    stream = EventStream(request, services.settings)
    services.metrics.streams.inc()
    try:
        await stream.open(face.headers)
        return await stream.relay(run, face)
    finally:
        services.metrics.streams.dec()


async def whole(run: Run) -> Finish:
    """How the run finished, waited for; a failure at any time is raised."""
    await run.finished()
    if run.failure is not None or run.finish is None:
        raise run.failure or DrainingError(retry_after_s=1)
    return run.finish
