"""What a request brings: its token, its body, what it wants back. Anything odd is refused here."""

import asyncio
import hmac
import secrets
from collections.abc import Mapping

from aiohttp import web
from multidict import MultiMapping

from lyra.errors import (
    BodyTooLargeError,
    MalformedTokenError,
    MissingTokenError,
    RequestTimeoutError,
    UnsupportedMediaTypeError,
)
from lyra.spotify.token import Token
from lyra.web.answers import error_answer, request_id
from lyra.web.cookies import refuse_cross_site, session_id
from lyra.web.places import leave_place
from lyra.web.services import SERVICES

MAX_BODY_BYTES = 1_048_576


def bearer(headers: MultiMapping[str]) -> Token:
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


async def caller(request: web.Request, *, reads_spotify: bool = True) -> Token:
    """The token of whoever asks: the header's, else that of the log-in that the cookie names.

    `reads_spotify`: whether Spotify may have to be asked. A log-in's token is then a good one, and
    its listener has agreed to that.

    Raises:
        LyraError: there is neither, or a log-in that may not be used like this or now.
    """
    logins = request.app[SERVICES].logins
    if logins is None or "Authorization" in request.headers:
        return bearer(request.headers)
    given = session_id(request)
    if given is None:
        return bearer(request.headers)
    refuse_cross_site(request)
    return await logins.token(
        given, reads_spotify=reads_spotify, waiting=lambda: leave_place(request)
    )


async def read_json_body(request: web.Request) -> bytes:
    """The body as sent, at most 1 MiB.

    Raises:
        UnsupportedMediaTypeError: it is compressed, or says it is not JSON.
        BodyTooLargeError: it is longer.
        RequestTimeoutError: it did not arrive in time.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        # Inflating a stranger's body can freeze the event loop for seconds.
        raise UnsupportedMediaTypeError
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise BodyTooLargeError
    body = await _arrived_in_time(request)
    if body and not _is_json(request):
        raise UnsupportedMediaTypeError
    return body


def _is_json(request: web.Request) -> bool:
    # aiohttp's own `content_type` keeps what it has parsed with the request, in half a kilobyte.
    said = request.headers.get("Content-Type", "")
    return said.partition(";")[0].strip().lower() == "application/json"


async def _arrived_in_time(request: web.Request) -> bytes:
    if request.content.is_eof():  # it came with the head, as nearly every question does
        return await _arrived(request)
    try:
        async with asyncio.timeout(request.app[SERVICES].settings.body_timeout_s):
            return await _arrived(request)
    except TimeoutError:
        raise RequestTimeoutError from None


async def _arrived(request: web.Request) -> bytes:
    """The whole body; aiohttp's own `read` would keep it for as long as the answer takes."""
    body = bytearray()
    while piece := await request.content.readany():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLargeError
    return bytes(body)


async def expected(request: web.Request) -> web.StreamResponse | None:
    """What `Expect: 100-continue` asks before the body is sent: to go on, or a refusal of this body.

    aiohttp's own answers text, and bids a body welcome that is refused right after.
    """
    rid = secrets.token_hex(8)
    request_id.set(rid)  # the edge, which gives requests their ids, comes after this
    if (request.content_length or 0) > MAX_BODY_BYTES:
        answer = error_answer(BodyTooLargeError(), rid)
        answer.force_close()
        return answer
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


def same_secret(given: str, wanted: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell how nearly."""
    # aiohttp decodes header bytes that are no UTF-8 to surrogates, which plain encode refuses.
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())
