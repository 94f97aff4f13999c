"""What a request brings: its token, its body, what it wants back. Anything odd is refused here."""

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
_MAX_BUFFERED_BYTES = 262_144  # what the connection may hold of a body that nobody reads
# A test holds that these are the routes that read one.
BODY_ROUTES = frozenset({"/lyra/chat", "/lyra/agui", "/v1/chat/completions", "/auth/consent"})


def read_bearer(headers: MultiMapping[str]) -> Token:
    """The Spotify token of the Authorization header; no other place is looked at.

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
    """The token of whoever asks: the header's, else that of the log-in that the cookie names.

    `reads_spotify`: whether Spotify may have to be asked. A log-in's token is then a good one, and
    its listener has agreed to that.

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
    """Refuse, without any look-up, who has neither a token nor a log-in to show.

    Raises:
        TokenError: there is none, or none that could be one.
        CrossSiteError: the log-in is used from elsewhere.
    """
    if request.app[SERVICES].logins is None or "Authorization" in request.headers:
        read_bearer(request.headers)
    elif read_session_id(request) is None:
        raise MissingTokenError
    else:
        refuse_cross_site(request)


@asynccontextmanager
async def read_json_body(request: web.Request) -> AsyncIterator[bytes]:
    """The body as sent, at most 1 MiB, held for the length of the block.

    Each costs a unit of its address' rate before it is read. While it is waited for the request has
    no place among those that are worked on; its bytes are counted from here to the block's end.

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
    # What came with its head, as nearly every question does, is no matter of those that do not come.
    there = request.content.is_eof()
    with (services.arrived_bodies if there else services.awaited_bodies).reserve(address, size):
        body = await (_read_body(request) if there else _await_body(request))
        if body and not _is_json(request):
            raise UnsupportedMediaTypeError
        yield body


def count_unread_body(request: web.Request, route: str) -> AbstractContextManager[None]:
    """What of a body that this route does not read may stay with the connection meanwhile.

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
    # aiohttp's own `content_type` keeps what it has parsed with the request, in half a kilobyte.
    content_type = request.headers.get("Content-Type", "")
    return content_type.partition(";")[0].strip().lower() == "application/json"


async def _await_body(request: web.Request) -> bytes:
    """The body once it has come; until then others are worked on."""
    services = request.app[SERVICES]
    release_slot(request)
    async with services.awaited_bodies.body_deadline(services.settings.body_timeout_s):
        body = await _read_body(request)
    await reacquire_slot(request)
    return body


async def _read_body(request: web.Request) -> bytes:
    """The whole body; aiohttp's own `read` would keep it for as long as the answer takes."""
    body = bytearray()
    while piece := await request.content.readany():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLargeError
    return bytes(body)


async def handle_expect(request: web.Request) -> web.StreamResponse | None:
    """What `Expect: 100-continue` asks before the body is sent: to go on, or a refusal of this body.

    aiohttp's own answers text, and bids a body welcome that is refused right after.
    """
    rid = secrets.token_hex(8)
    request_id.set(rid)  # the edge, which gives requests their ids, comes after this
    if (request.content_length or 0) > MAX_BODY_BYTES:
        response = error_response(BodyTooLargeError(), rid)
        response.force_close()
        return response
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    # What was written is no part of the answer's own size.
    request.writer.output_size = 0
    return None


def wants_stream(headers: Mapping[str, str]) -> bool:
    """Whether the Accept header asks for server-sent events."""
    return "text/event-stream" in headers.get("Accept", "")


def wants_json(request: web.Request) -> bool:
    """Whether the Accept header asks for one JSON answer rather than a stream."""
    accept = request.headers.get("Accept", "")
    return "application/json" in accept and "text/event-stream" not in accept


def equal_in_constant_time(secret: str, expected: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell how nearly."""
    # aiohttp decodes header bytes that are no UTF-8 to surrogates, which plain encode refuses.
    return hmac.compare_digest(secret.encode("utf-8", "surrogateescape"), expected.encode())
