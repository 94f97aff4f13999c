"""The routes about a listener: load, look, forget."""

import asyncio
import logging
from contextlib import aclosing

import orjson
from aiohttp import web

from lyra.cache.entry import Entry
from lyra.cache.lookup import Lookup
from lyra.errors import LyraError, NotForgottenError
from lyra.listening.models import Section
from lyra.listening.views import profile_view
from lyra.web.api.listener_lookup import look_up_listener
from lyra.web.context import SERVICES
from lyra.web.gateway.cookies import session_id
from lyra.web.gateway.prebuilt_response import prebuilt_json, respond_prebuilt
from lyra.web.gateway.requests import authenticate, refuse_nobody, wants_stream
from lyra.web.http.client_ip import client_ip
from lyra.web.http.event_stream import EventStream
from lyra.web.http.responses import json_answer, request_id

log = logging.getLogger(__name__)


async def init(request: web.Request) -> web.StreamResponse:
    """Load (or find) the listener; with `Accept: text/event-stream`, section by section."""
    visit = await look_up_listener(request, await authenticate(request))
    if wants_stream(request.headers):
        return await _init_stream(request, visit)
    if visit.done or (answer := respond_prebuilt(request)) is None:
        return prebuilt_json(request, init_body(await visit.entry(), visit))
    # A crowd may wait for one fetch: each of it is answered before anybody's task goes on.
    with visit.on_fetched(lambda entry: answer.send(init_body(entry, visit))):
        entry = await visit.entry()
    return answer if answer.sent else prebuilt_json(request, init_body(entry, visit))


def init_body(entry: Entry, visit: Lookup) -> bytes:
    """The answer to `POST /lyra/init`, as JSON."""
    return b'{"success":true,%b}' % _init_members(entry, visit)


def _init_members(entry: Entry, visit: Lookup) -> bytes:
    """The answer's members: what is ready-made, and the `cache` object of this very visit."""
    return b'%b,"cache":%b' % (entry.init_members, orjson.dumps(visit.describe()))


async def _init_stream(request: web.Request, visit: Lookup) -> web.StreamResponse:
    settings = request.app[SERVICES].settings
    try:
        async with asyncio.timeout(settings.first_byte_s):
            await visit.token_verified()
    except TimeoutError:
        pass  # the reader is not kept waiting; a rejected token is then an event
    if visit.done:
        await visit.entry()  # a failure that is known already has an HTTP status
    services = request.app[SERVICES]
    async with EventStream(request, services.ticker, services.outbox) as stream:
        await stream.open()
        async with aclosing(visit.sections()) as sections:
            async for section in sections:
                await stream.send(_section_event(section))
        await stream.send(await _outcome(visit))
        return await stream.close()


def _section_event(section: Section) -> bytes:
    told = {
        "type": "section",
        "name": section.name,
        "status": section.status,
        "count": section.count,
        "code": section.code,
        "ms": section.ms,
    }
    return orjson.dumps({name: value for name, value in told.items() if value is not None})


async def _outcome(visit: Lookup) -> bytes:
    try:
        entry = await visit.entry()
    except LyraError as failure:
        error = failure
    except Exception:
        # The headers have left, so the edge could only cut the connection.
        log.exception("a load broke: this is a fault in Lyra")
        error = LyraError()
    else:
        return b'{"type":"ready","success":true,%b}' % _init_members(entry, visit)
    told = error.to_dict(request_id.get())
    return orjson.dumps({"type": "error", "success": False, "error": told})


async def status(request: web.Request) -> web.StreamResponse:
    """What is held for this token; never fetches."""
    listeners = request.app[SERVICES].lyra.listeners
    entry = await listeners.peek(await authenticate(request, reads_spotify=False))
    if entry is None:
        return json_answer({"cache_ready": False, "cache_status": "empty", "has_user_data": False})
    age_s, expires_in_s = listeners.ages(entry)
    told = {
        "cache_ready": True,
        "cache_status": "fresh" if listeners.is_fresh(entry) else "stale",
        "has_user_data": True,
        "age_s": age_s,
        "expires_in_s": expires_in_s,
        "top_artists_count": entry.top_artists_count,
    }
    return prebuilt_json(request, orjson.dumps(told))


async def profile(request: web.Request) -> web.StreamResponse:
    """The listening data for a page; loads it if cold."""
    visit = await look_up_listener(request, await authenticate(request))
    entry = await visit.entry()
    view = profile_view(entry.listening(), request.app[SERVICES].settings.llm_context)
    return json_answer({"success": True, **view, "cache": visit.describe()})


async def forget(request: web.Request) -> web.StreamResponse:
    """Forget everything held for this token, a running fetch's result included.

    For a log-in that ends what is under way for its listener too; see Logins.forget.

    Raises:
        NotForgottenError: Redis does not take it. It is told again, but nobody can promise when.
    """
    refuse_nobody(request)
    services = request.app[SERVICES]
    services.endings.spend(client_ip(request, services.trusted))
    token = await authenticate(request, reads_spotify=False)
    given = session_id(request)
    if token.renewed and services.logins is not None and given is not None:
        await services.logins.forget(given)
        return web.Response(status=204)
    cleared = await services.lyra.listeners.clear(token)
    if not (await services.runs.forget(services.lyra.listeners.key(token)) and cleared):
        raise NotForgottenError(retry_after_s=1)
    return web.Response(status=204)
