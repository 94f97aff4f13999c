"""The one middleware: request id, host check, load shedding, errors, access log; default headers."""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Mapping
from itertools import count

from aiohttp import web
from aiohttp.typedefs import Handler

from lyra.errors import (
    BodyTooLargeError,
    LyraError,
    MethodNotAllowedError,
    MisdirectedRequestError,
    NotFoundError,
    OverloadedError,
    RequestError,
)
from lyra.metrics import Requests
from lyra.settings import Settings
from lyra.tracing import (
    Attributes,
    NoOpTracer,
    Span,
    SpanKind,
    Tracer,
    exports,
    set_error,
    start_span,
)
from lyra.web.context import SERVICES, Services
from lyra.web.gateway.requests import count_unread_body
from lyra.web.http.access_log import AccessRecord, RequestLog
from lyra.web.http.concurrency_limit import SLOT, ConcurrencyLimiter
from lyra.web.http.responses import (
    add_cors_headers,
    add_hsts,
    add_security_headers,
    error_response,
    request_id,
)

log = logging.getLogger(__name__)

_FAULT = 500
_CLIENT_CLOSED = 499  # in the log, for a client that left before its response
_RETRY_AFTER_S = 5  # other requests have to end first
_STOP = "/lyra/chat/{run}/stop"
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_BY_STATUS: dict[int, type[RequestError]] = {
    404: NotFoundError,
    405: MethodNotAllowedError,
    413: BodyTooLargeError,
}
_HEALTH = frozenset({"/healthz", "/readyz"})  # a kubelet or balancer asks for them by address
_PROBES = _HEALTH | {"/metrics"}  # neither queued nor traced
_OPERATORS = frozenset({"/metrics", "/admin/cache"})
_FIELD_NAMES = re.compile(
    r"[!#$%&'*+.^_`|~A-Za-z0-9-]{1,64}(\s{0,8},\s{0,8}[!#$%&'*+.^_`|~A-Za-z0-9-]{1,64})*",
    re.ASCII,
)
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]{1,255}", re.ASCII)
_REFUSED_ORIGINS = 10  # that are logged
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": "authorization, content-type, last-event-id, x-request-id, x-timezone",
    "Access-Control-Max-Age": "600",
    "Vary": "Access-Control-Request-Headers",
}


class Middleware:
    """Wrap every request once. Overload is refused before any work is done."""

    def __init__(
        self,
        settings: Settings,
        requests: Requests,
        log_request: RequestLog,
        tracer: Tracer | None = None,
    ) -> None:
        self.limiter = ConcurrencyLimiter(settings)
        self._tracer = tracer or NoOpTracer()
        self._traced = exports(self._tracer)  # decided once: a span that goes nowhere takes 7 us
        self._settings = settings
        self._requests = requests
        self._log_request = log_request
        self._refused_origins: set[str] = set()
        # Unique among processes by chance, within one by number: no random bytes a request.
        self._process, self._numbers = secrets.token_hex(4), count(secrets.randbelow(2**16))
        own = f"[{settings.host}]" if ":" in settings.host else settings.host
        self._hosts = {host.lower() for host in (*settings.allowed_hosts, settings.host, own)}

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Respond to the request, whatever the handler does."""
        rid, route = self.request_id_for(request.headers), _route(request)
        request_id.set(rid)
        if self._traced and request.path not in _PROBES:
            name = f"{request.method} {route}"
            with start_span(self._tracer, name, kind=SpanKind.SERVER) as span:
                return await self._observe(request, handler, route, rid, span)
        return await self._observe(request, handler, route, rid)

    async def _observe(
        self,
        request: web.Request,
        handler: Handler,
        route: str,
        rid: str,
        span: Span | None = None,
    ) -> web.StreamResponse:
        """Respond, and record in log, metrics and trace how it went."""
        began = time.monotonic()
        status = _CLIENT_CLOSED
        try:
            response = await self._respond(request, handler, route, rid)
            status = response.status
        except asyncio.CancelledError as left:
            # The task holds the exception, its frames hold the task: a cycle that waits for the GC.
            raise left.with_traceback(None) from None
        finally:
            self.record(request.method, route, status, time.monotonic() - began, rid)
            if span is not None:
                span.set_attributes(_span_attributes(request, route, status, rid))
                if status >= _FAULT:
                    set_error(span, str(status))
        return response

    async def _respond(
        self, request: web.Request, handler: Handler, route: str, rid: str
    ) -> web.StreamResponse:
        slot = None
        try:
            self.admit(request)
            if request.method == "OPTIONS" and "Origin" in request.headers:
                return self._preflight(request)
            if request.path not in _PROBES:
                slot = request[SLOT] = (
                    self.limiter.try_take_slot() or await self.limiter.take_slot()
                )
            with count_unread_body(request, route):
                return await handler(request)
        except LyraError as error:
            request.app[SERVICES].metrics.errors.labels(error.code).inc()
            return _error_response(request, error, rid)
        except web.HTTPException as error:
            return _convert(request, error, rid)
        except ConnectionError:
            return _ClientGone()
        except Exception:
            log.exception("a request broke: this is a fault in Lyra")
            return _error_response(request, LyraError(), rid)
        finally:
            if slot is not None:
                slot.release()

    def admit(self, request: web.Request) -> None:
        """Refuse a request that is not for this service, or that there is no memory for.

        Raises:
            MisdirectedRequestError: it names a host that is not served here.
            OverloadedError: memory is short.
        """
        # The target may be a whole URL: its host is `request.host` then, whatever Host says.
        # Without a Host header aiohttp would look its own name up, on the event loop.
        if request.path not in _HEALTH and not (
            self._is_own_host(request.headers.get("Host", "")) and self._is_own_host(request.host)
        ):
            raise MisdirectedRequestError
        if request.app[SERVICES].memory_guard.under_pressure and not _is_cheap(request):
            raise OverloadedError(retry_after_s=_RETRY_AFTER_S)

    def _is_own_host(self, host: str) -> bool:
        return host in self._hosts or host_name(host) in self._hosts

    def _preflight(self, request: web.Request) -> web.StreamResponse:
        """Allow a listed origin the header fields that it asks for: client libraries send their own.

        Fields that the service does not know have no effect.
        """
        response = web.Response(status=204)
        origin = request.headers["Origin"]
        if origin not in self._settings.cors_origins:
            self._note_refused_origin(origin)
        else:
            response.headers.update(_PREFLIGHT)
            requested = ", ".join(request.headers.getall("Access-Control-Request-Headers", []))
            if _FIELD_NAMES.fullmatch(requested):
                response.headers["Access-Control-Allow-Headers"] = requested
        return response

    def _note_refused_origin(self, origin: str) -> None:
        """Log what the browser only tells its own console; once each, for strangers can send any."""
        if origin in self._refused_origins or len(self._refused_origins) >= _REFUSED_ORIGINS:
            return
        if _ORIGIN.fullmatch(origin):
            self._refused_origins.add(origin)
            log.warning(
                "a page of %s was refused: LYRA_CORS_ORIGINS names the origins that may ask", origin
            )

    def request_id_for(self, headers: Mapping[str, str]) -> str:
        """Return the request's id: the client's own if it has the right form, else a new one."""
        sent = headers.get("X-Request-Id")
        if sent is not None and _CLIENT_ID.fullmatch(sent):
            return sent
        return f"{self._process}{next(self._numbers):08x}"

    def record(self, method: str, route: str, status: int, seconds: float, rid: str) -> None:
        """Record in metrics and log how a request of this route (its template) ended."""
        self._requests.count(route, status, seconds)
        self._log_request(AccessRecord(method, route, status, seconds * 1000, rid))


class _ClientGone(web.StreamResponse):
    """The response to a client that has left: aiohttp closes the connection when it cannot be sent.

    The exception itself would stay with aiohttp's task, in a cycle with all its frames.
    """

    def __init__(self) -> None:
        super().__init__(status=_CLIENT_CLOSED)

    async def prepare(self, request: web.BaseRequest) -> None:  # noqa: ARG002 - aiohttp's signature
        """Raise: nothing can be sent."""
        raise ConnectionResetError("the reader has left")


async def add_default_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers of every response, streamed or not (a handler of on_response_prepare)."""
    services: Services = request.app[SERVICES]
    add_security_headers(response, request_id.get())
    add_hsts(response, services.settings)
    add_cors_headers(response, request.headers.get("Origin"), services.settings)
    if services.shutting_down.is_set():
        response.force_close()
        response.headers["Connection"] = "close"


def _route(request: web.Request) -> str:
    """Return the route's template: never the path itself, which a stranger chose."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


def _span_attributes(request: web.Request, route: str, status: int, rid: str) -> Attributes:
    return {
        "http.request.method": request.method,
        "http.route": route,
        "http.response.status_code": status,
        "lyra.request_id": rid,
    }


def _is_cheap(request: web.Request) -> bool:
    """Return whether the request takes no memory to speak of, or frees some."""
    return request.path in _PROBES or request.method == "DELETE" or _route(request) == _STOP


def host_name(host: str) -> str:
    """Return the Host header without its port; an IPv6 address keeps its brackets."""
    name, _, port = host.rpartition(":")
    return (name if port.isdigit() and name else host).lower()


def _error_response(request: web.Request, error: LyraError, rid: str) -> web.StreamResponse:
    """Return the error as a response; if another one has begun, cut the connection instead."""
    if request.writer.output_size > 0:
        # A second response inside the first would leave the client waiting for the end.
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the answer had already begun")
    return error_response(error, rid)


def _convert(request: web.Request, error: web.HTTPException, rid: str) -> web.StreamResponse:
    """Convert an error of aiohttp's own into the one shape of all errors."""
    if error.status < 400:  # noqa: PLR2004 - redirects are no errors
        raise error
    if request.path in _OPERATORS:
        return error_response(
            NotFoundError(), rid
        )  # which methods it knows would tell that it exists
    response = error_response(_BY_STATUS.get(error.status, RequestError)(), rid)
    if isinstance(error, web.HTTPMethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
    return response
