"""Request parsing: credentials, body and Accept header. Anything odd is refused here."""

import hmac
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

from aiohttp import web
from multidict import MultiMapping

from lyra.errors import (
    BodyTooLargeError,
    MalformedTokenError,
    MissingTokenError,
    UnsupportedMediaTypeError,
)
from lyra.spotify.token import Token
from lyra.web.context import SERVICES
from lyra.web.gateway.cookies import read_session_id, refuse_cross_site
from lyra.web.http.client_ip import client_ip
from lyra.web.http.concurrency_limit import reacquire_slot, release_slot
from lyra.web.http.responses import error_response, request_id

MAX_BODY_BYTES = 1_048_576
_MAX_BUFFERED_BYTES = 262_144  # that the connection may hold of a body that no handler reads
# A test holds this against the table of routes.
BODY_ROUTES = frozenset(
    {
        "/lyra/chat",
        "/lyra/agui",
        "/v1/chat/completions",
        "/auth/consent",
        "/lyra/playlists/{playlist}",
    }
)


def read_bearer(headers: MultiMapping[str]) -> Token:
    """Return the Spotify token of the Authorization header; no other place is looked at.

    Raises:
        MissingTokenError: there is no such header.
        MalformedTokenError: there are two, or it holds something else.
    """
    sent = headers.getall("Authorization", [])
    if not sent:
        raise MissingTokenError
    scheme, _, text = sent[0].partition(" ")
    if len(sent) > 1 or scheme.lower() != "bearer":
        raise MalformedTokenError
    try:
        return Token(text.strip(" "))
    except ValueError:
        raise MalformedTokenError from None


async def authenticate(request: web.Request, *, reads_spotify: bool = True) -> Token:
    """Return the caller's token: the header's, else that of the log-in that the cookie names.

    `reads_spotify`: whether Spotify may have to be read. A log-in's token is then renewed if need be,
    and its listener has consented.

    Raises:
        LyraError: there is neither, or a log-in that may not be used like this or now.
    """
    logins = request.app[SERVICES].logins
    if logins is None or "Authorization" in request.headers:
        return read_bearer(request.headers)
    session_id = read_session_id(request)
    if session_id is None:
        return read_bearer(request.headers)
    refuse_cross_site(request)
    return await logins.token(
        session_id, reads_spotify=reads_spotify, on_wait=lambda: release_slot(request)
    )


def require_credentials(request: web.Request) -> None:
    """Refuse, without any look-up, a request with neither a token nor a log-in.

    Raises:
        TokenError: there is none, or none that could be one.
        CrossSiteError: the log-in is used from another site.
    """
    if request.app[SERVICES].logins is None or "Authorization" in request.headers:
        read_bearer(request.headers)
    elif read_session_id(request) is None:
        raise MissingTokenError
    else:
        refuse_cross_site(request)


@asynccontextmanager
async def read_json_body(request: web.Request) -> AsyncIterator[bytes]:
    """Read the body as sent, at most 1 MiB, and hold it for the length of the block.

    It spends the rate of its address before it is read. While it is waited for the request has no
    concurrency slot; its bytes are counted from here to the end of the block.

    Raises:
        TooManyRequestsError: this address sends too many, or has too many under way.
        OverloadedError: there is no room for it, or there is none any more.
        UnsupportedMediaTypeError: it is compressed, or says it is not JSON.
        BodyTooLargeError: it is longer.
        RequestTimeoutError: it did not arrive in time.
    """
    services = request.app[SERVICES]
    address = client_ip(request, services.trusted)
    services.address_limit.spend(address)
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        # Inflating a stranger's body can freeze the event loop for seconds.
        raise UnsupportedMediaTypeError
    size = MAX_BODY_BYTES if request.content_length is None else request.content_length
    if size > MAX_BODY_BYTES:
        raise BodyTooLargeError
    # A body that came with its head, as nearly all do, is counted apart from those still to come.
    there = request.content.is_eof()
    with (services.arrived_bodies if there else services.awaited_bodies).reserve(address, size):
        body = await (_read_body(request) if there else _await_body(request))
        if body and not _is_json(request):
            raise UnsupportedMediaTypeError
        yield body


def count_unread_body(request: web.Request, route: str) -> AbstractContextManager[None]:
    """Count, for the length of the block, the request's body if its route does not read it.

    Raises, on entering:
        TooManyRequestsError: this address has too much under way.
        OverloadedError: there is no room for it.
    """
    if route in BODY_ROUTES or not request.body_exists:
        return nullcontext()
    if request.content.is_eof():
        request.content.read_nowait()
        return nullcontext()
    services = request.app[SERVICES]
    size = MAX_BODY_BYTES if request.content_length is None else request.content_length
    address = client_ip(request, services.trusted)
    return services.awaited_bodies.reserve(address, min(size, _MAX_BUFFERED_BYTES))


def _is_json(request: web.Request) -> bool:
    # aiohttp's own `content_type` keeps half a kilobyte of parse results with the request.
    content_type = request.headers.get("Content-Type", "")
    return content_type.partition(";")[0].strip().lower() == "application/json"


async def _await_body(request: web.Request) -> bytes:
    """Return the body once it has come; until then the slot is free for other requests."""
    services = request.app[SERVICES]
    release_slot(request)
    async with services.awaited_bodies.body_deadline(services.settings.body_timeout_s):
        body = await _read_body(request)
    await reacquire_slot(request)
    return body


async def _read_body(request: web.Request) -> bytes:
    """Return the whole body; aiohttp's own `read` would keep it for as long as the response takes."""
    body = bytearray()
    while piece := await request.content.readany():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLargeError
    return bytes(body)


async def handle_expect(request: web.Request) -> web.StreamResponse | None:
    """Answer `Expect: 100-continue`: send 100, or return a refusal of this body.

    aiohttp's own handler answers with text, and asks for a body that is refused right after.
    """
    rid = secrets.token_hex(8)
    request_id.set(rid)  # the middleware, which gives requests their ids, runs after this
    if (request.content_length or 0) > MAX_BODY_BYTES:
        response = error_response(BodyTooLargeError(), rid)
        response.force_close()
        return response
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    # The interim response is no part of the response's own size.
    request.writer.output_size = 0
    return None


def wants_stream(headers: Mapping[str, str]) -> bool:
    """Return whether the Accept header asks for server-sent events."""
    return "text/event-stream" in headers.get("Accept", "")


def wants_json(request: web.Request) -> bool:
    """Return whether the Accept header asks for one JSON document rather than a stream."""
    accept = request.headers.get("Accept", "")
    return "application/json" in accept and "text/event-stream" not in accept


def equal_in_constant_time(secret: str, expected: str) -> bool:
    """Return whether two secrets are equal, in a time that does not tell how nearly."""
    # aiohttp decodes header bytes that are no UTF-8 to surrogates, which plain encode refuses.
    return hmac.compare_digest(secret.encode("utf-8", "surrogateescape"), expected.encode())
