"""`POST /lyra/chat`: one question, one answer, streamed or whole."""

from typing import Any

from aiohttp import web

from lyra.cache.visit import Visit
from lyra.chat.bodies import parse_question
from lyra.chat.run import Run
from lyra.errors import DrainingError
from lyra.web.answers import json_answer
from lyra.web.intake import bearer, read_json_body, wants_json
from lyra.web.services import SERVICES, Services
from lyra.web.sse import UI_MESSAGE_STREAM, EventStream


async def chat(request: web.Request) -> web.StreamResponse:
    """Answer in the AI SDK UI message stream, or as JSON where that is asked for."""
    services = request.app[SERVICES]
    token = bearer(request)
    body = await read_json_body(request, within_s=services.settings.body_timeout_s)
    question = parse_question(body)
    owner = services.lyra.listeners.key(token)
    services.chats.spend(owner)
    visit = await services.lyra.listeners.visit(token)

    def produce(run: Run) -> Any:
        return services.speaker.answer(run, visit, question)

    async with services.runs.running(owner, produce) as run:
        if wants_json(request) or not question.stream:
            return await _whole(services, run, visit)
        return await _streamed(request, services, run)


async def _streamed(request: web.Request, services: Services, run: Run) -> web.StreamResponse:
    await run.ready()
    if not run.begun:
        raise run.failure or DrainingError(retry_after_s=1)
    stream = EventStream(request, services.settings)
    services.metrics.streams.inc()
    try:
        await stream.open(**UI_MESSAGE_STREAM)
        return await stream.relay(run)
    finally:
        services.metrics.streams.dec()


async def _whole(services: Services, run: Run, visit: Visit) -> web.StreamResponse:
    await run.finished()
    if run.failure is not None or run.finish is None:
        raise run.failure or DrainingError(retry_after_s=1)
    return json_answer(
        {
            "success": True,
            "response": run.text(),
            "tracks": [],
            "model": services.speaker.model.name,
            "usage": run.finish.message_metadata["usage"],
            "finish_reason": run.finish.finish_reason,
            "cache": visit.describe(),
        }
    )
