"""The routes about a listener: load the listening data, show them, forget them."""

import asyncio
import logging
from contextlib import aclosing

import orjson
from aiohttp import web

from lyra.cache.entry import Entry
from lyra.cache.lookup import Lookup
from lyra.errors import LyraError, NotForgottenError
from lyra.listening.models import Section
from lyra.listening.views import init_view, profile_view
from lyra.timezones import UTC_ZONE, Zone
from lyra.web.api.listener_lookup import look_up_listener
from lyra.web.context import SERVICES
from lyra.web.gateway.cookies import read_session_id
from lyra.web.gateway.prebuilt_response import prebuilt_json, respond_prebuilt
from lyra.web.gateway.requests import authenticate, require_credentials, wants_stream
from lyra.web.gateway.time_zone import read_request_zone
from lyra.web.http.client_ip import client_ip
from lyra.web.http.event_stream import EventStream
from lyra.web.http.responses import json_response, request_id

log = logging.getLogger(__name__)


async def init(request: web.Request) -> web.StreamResponse:
    """Load (or find) the listener; with `Accept: text/event-stream`, section by section."""
    token, zone = await authenticate(request), await read_request_zone(request)
    lookup = await look_up_listener(request, token)
    if wants_stream(request.headers):
        return await _stream_init(request, lookup, zone)
    if zone is not UTC_ZONE:
        return prebuilt_json(request, init_body(await lookup.entry(), lookup, zone))
    if lookup.done or (response := respond_prebuilt(request)) is None:
        return prebuilt_json(request, init_body(await lookup.entry(), lookup))
    # Many requests may wait for one fetch: all are answered before any of their tasks goes on.
    with lookup.on_fetched(lambda entry: response.send(init_body(entry, lookup))):
        entry = await lookup.entry()
    return response if response.sent else prebuilt_json(request, init_body(entry, lookup))


def init_body(entry: Entry, lookup: Lookup, zone: Zone = UTC_ZONE) -> bytes:
    """Return the response to `POST /lyra/init`, as JSON."""
    return b'{"success":true,%b}' % _init_members(entry, lookup, zone)


def _init_members(entry: Entry, lookup: Lookup, zone: Zone) -> bytes:
    """Return the response's members, and the `cache` object of this look-up.

    They are prebuilt in the hours of UTC; for another zone they are made now, in a millisecond.
    """
    members = entry.init_members
    if zone is not UTC_ZONE:
        members = orjson.dumps(init_view(entry.listening(), zone))[1:-1]
    return b'%b,"cache":%b' % (members, orjson.dumps(lookup.describe()))


async def _stream_init(request: web.Request, lookup: Lookup, zone: Zone) -> web.StreamResponse:
    settings = request.app[SERVICES].settings
    try:
        async with asyncio.timeout(settings.first_byte_s):
            await lookup.token_verified()
    except TimeoutError:
        pass  # the client is not kept waiting; a rejected token is then an event
    if lookup.done:
        await lookup.entry()  # a failure that is known already has an HTTP status
    services = request.app[SERVICES]
    async with EventStream(request, services.stream_monitor, services.write_coalescer) as stream:
        await stream.open()
        async with aclosing(lookup.sections()) as sections:
            async for section in sections:
                await stream.send(_section_event(section))
        await stream.send(await _final_event(lookup, zone))
        return await stream.close()


def _section_event(section: Section) -> bytes:
    members = {
        "type": "section",
        "name": section.name,
        "status": section.status,
        "count": section.count,
        "code": section.code,
        "ms": section.ms,
    }
    return orjson.dumps({name: value for name, value in members.items() if value is not None})


async def _final_event(lookup: Lookup, zone: Zone) -> bytes:
    try:
        entry = await lookup.entry()
    except LyraError as failure:
        error = failure
    except Exception:
        # The headers have left, so the middleware could only cut the connection.
        log.exception("a load broke: this is a fault in Lyra")
        error = LyraError()
    else:
        return b'{"type":"ready","success":true,%b}' % _init_members(entry, lookup, zone)
    payload = error.to_dict(request_id.get())
    return orjson.dumps({"type": "error", "success": False, "error": payload})


async def status(request: web.Request) -> web.StreamResponse:
    """Respond with what is cached for this token; never fetches."""
    listeners = request.app[SERVICES].lyra.listeners
    entry = await listeners.peek(await authenticate(request, reads_spotify=False))
    if entry is None:
        return json_response(
            {"cache_ready": False, "cache_status": "empty", "has_user_data": False}
        )
    age_s, expires_in_s = listeners.ages(entry)
    payload = {
        "cache_ready": True,
        "cache_status": "fresh" if listeners.is_fresh(entry) else "stale",
        "has_user_data": True,
        "age_s": age_s,
        "expires_in_s": expires_in_s,
        "top_artists_count": entry.top_artists_count,
    }
    return prebuilt_json(request, orjson.dumps(payload))


async def profile(request: web.Request) -> web.StreamResponse:
    """Respond with the listening data for a page; loads them if need be."""
    token, zone = await authenticate(request), await read_request_zone(request)
    lookup = await look_up_listener(request, token)
    entry = await lookup.entry()
    services = request.app[SERVICES]
    view = profile_view(
        entry.listening(),
        services.settings.llm_context,
        finds_music=services.generator.toolbox.offered,
        zone=zone,
    )
    return json_response({"success": True, **view, "cache": lookup.describe()})


async def forget(request: web.Request) -> web.StreamResponse:
    """Forget everything held for this token, the result of a running fetch included.

    For a log-in it ends the listener's running answers too; see LoginService.forget.

    Raises:
        NotForgottenError: Redis does not take it. It is tried again, at no promised time.
    """
    require_credentials(request)
    services = request.app[SERVICES]
    services.ending_limit.spend(client_ip(request, services.trusted))
    token = await authenticate(request, reads_spotify=False)
    session_id = read_session_id(request)
    if token.renewed and services.logins is not None and session_id is not None:
        await services.logins.forget(session_id)
        return web.Response(status=204)
    cleared = await services.lyra.forget(token)
    if not (await services.runs.forget(services.lyra.listeners.key(token)) and cleared):
        raise NotForgottenError(retry_after_s=1)
    return web.Response(status=204)
