"""The one middleware: request id, host, load, errors, log line. And the headers of every answer."""

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
from lyra.web.gateway.requests import unread_body
from lyra.web.http.access_log import AccessRecord, RequestLog
from lyra.web.http.concurrency_limit import PLACE, ConcurrencyLimiter
from lyra.web.http.responses import (
    add_cors_headers,
    add_hsts,
    add_security_headers,
    error_answer,
    request_id,
)

log = logging.getLogger(__name__)

_FAULT = 500
_LEFT = 499  # what the log says of a reader who left before an answer
_SHORT_S = 5  # what is going on has to end first
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
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": "authorization, content-type, last-event-id, x-request-id",
    "Access-Control-Max-Age": "600",
    "Vary": "Access-Control-Request-Headers",
}


class Middleware:
    """Wraps every request once. Overload is refused before any work is done."""

    def __init__(
        self,
        settings: Settings,
        requests: Requests,
        tell: RequestLog,
        tracer: Tracer | None = None,
    ) -> None:
        self.places = ConcurrencyLimiter(settings)
        self._tracer = tracer or NoOpTracer()
        self._traced = exports(self._tracer)  # decided once: a span that goes nowhere takes 7 us
        self._settings = settings
        self._requests = requests
        self._tell = tell
        # Apart from other processes by chance, from each other by number: no random bytes a request.
        self._process, self._numbers = secrets.token_hex(4), count(secrets.randbelow(2**16))
        own = f"[{settings.host}]" if ":" in settings.host else settings.host
        self._hosts = {host.lower() for host in (*settings.allowed_hosts, settings.host, own)}

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer the request, whatever the handler does."""
        rid = self.id_for(request.headers)
        request_id.set(rid)
        if self._traced and request.path not in _PROBES:
            with start_span(self._tracer, _span_name(request), kind=SpanKind.SERVER) as span:
                return await self._observed(request, handler, rid, span)
        return await self._observed(request, handler, rid)

    async def _observed(
        self, request: web.Request, handler: Handler, rid: str, span: Span | None = None
    ) -> web.StreamResponse:
        """Answer, and tell the log, the metrics and the trace how it went."""
        began = time.monotonic()
        status = _LEFT
        try:
            answer = await self._answer(request, handler, rid)
            status = answer.status
        except asyncio.CancelledError as left:
            # aiohttp's task keeps it, with every frame on its way, and they know the task: a cycle.
            raise left.with_traceback(None) from None
        finally:
            self.record(request.method, _route(request), status, time.monotonic() - began, rid)
            if span is not None:
                span.set_attributes(_span_attributes(request, status, rid))
                if status >= _FAULT:
                    set_error(span, str(status))
        return answer

    async def _answer(self, request: web.Request, handler: Handler, rid: str) -> web.StreamResponse:
        place = None
        try:
            self.admit(request)
            if request.method == "OPTIONS" and "Origin" in request.headers:
                return self._preflight(request)
            if request.path not in _PROBES:
                place = request[PLACE] = self.places.take_free() or await self.places.take()
            with unread_body(request, _route(request)):
                return await handler(request)
        except LyraError as error:
            request.app[SERVICES].metrics.errors.labels(error.code).inc()
            return _refusal(request, error, rid)
        except web.HTTPException as error:
            return _translated(request, error, rid)
        except ConnectionError:
            return _ClientGone()
        except Exception:
            log.exception("a request broke: this is a fault in Lyra")
            return _refusal(request, LyraError(), rid)
        finally:
            if place is not None:
                place.release()

    def admit(self, request: web.Request) -> None:
        """Refuse what is not for this service, or more than there is room for.

        Raises:
            MisdirectedRequestError: it names a host that is not served here.
            OverloadedError: memory is short.
        """
        # The target may be a whole address: its host is `request.host` then, whatever Host says.
        # Without a Host header aiohttp would look its own name up, on the event loop.
        if request.path not in _HEALTH and not (
            self._is_own_host(request.headers.get("Host", "")) and self._is_own_host(request.host)
        ):
            raise MisdirectedRequestError
        if request.app[SERVICES].memory.under_pressure and not _costs_nothing(request):
            raise OverloadedError(retry_after_s=_SHORT_S)

    def _is_own_host(self, host: str) -> bool:
        return host in self._hosts or host_name(host) in self._hosts

    def _preflight(self, request: web.Request) -> web.StreamResponse:
        """Allow a listed origin the header fields that it asks for: kits send some of their own.

        None of them does anything here unless the service knows it.
        """
        answer = web.Response(status=204)
        if request.headers["Origin"] in self._settings.cors_origins:
            answer.headers.update(_PREFLIGHT)
            asked = ", ".join(request.headers.getall("Access-Control-Request-Headers", []))
            if _FIELD_NAMES.fullmatch(asked):
                answer.headers["Access-Control-Allow-Headers"] = asked
        return answer

    def id_for(self, headers: Mapping[str, str]) -> str:
        """The request's id: its sender's, if there is a fit one, else a new one."""
        sent = headers.get("X-Request-Id")
        if sent is not None and _CLIENT_ID.fullmatch(sent):
            return sent
        return f"{self._process}{next(self._numbers):08x}"

    def record(self, method: str, route: str, status: int, seconds: float, rid: str) -> None:
        """Tell the metrics and the log how a request of this route (its template) ended."""
        self._requests.count(route, status, seconds)
        self._tell(AccessRecord(method, route, status, seconds * 1000, rid))


class _ClientGone(web.StreamResponse):
    """The answer to a reader who has left: aiohttp closes the connection when it cannot be sent.

    The exception itself would stay with aiohttp's task, in a cycle with every frame on its way.
    """

    def __init__(self) -> None:
        super().__init__(status=_LEFT)

    async def prepare(self, request: web.BaseRequest) -> None:  # noqa: ARG002 - aiohttp's signature
        """Tell that nobody is there."""
        raise ConnectionResetError("the reader has left")


async def add_default_headers(request: web.Request, answer: web.StreamResponse) -> None:
    """An on_response_prepare signal: headers for streams and ordinary answers alike."""
    services: Services = request.app[SERVICES]
    add_security_headers(answer, request_id.get())
    add_hsts(answer, services.settings)
    add_cors_headers(answer, request.headers.get("Origin"), services.settings)
    if services.shutting_down.is_set():
        answer.force_close()
        answer.headers["Connection"] = "close"


def _route(request: web.Request) -> str:
    """The route's template: never the path itself, which a stranger chose."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


def _span_name(request: web.Request) -> str:
    return f"{request.method} {_route(request)}"


def _span_attributes(request: web.Request, status: int, rid: str) -> Attributes:
    return {
        "http.request.method": request.method,
        "http.route": _route(request),
        "http.response.status_code": status,
        "lyra.request_id": rid,
    }


def _costs_nothing(request: web.Request) -> bool:
    """Whether the request takes no memory to speak of, or frees some."""
    return request.path in _PROBES or request.method == "DELETE" or _route(request) == _STOP


def host_name(host: str) -> str:
    """The Host header without its port; an IPv6 address keeps its brackets."""
    name, _, port = host.rpartition(":")
    return (name if port.isdigit() and name else host).lower()


def _refusal(request: web.Request, error: LyraError, rid: str) -> web.StreamResponse:
    """The error's own answer; where another one has begun, that one is cut instead."""
    if request.writer.output_size > 0:
        # A second answer inside the first would leave its reader waiting for the end.
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the answer had already begun")
    return error_answer(error, rid)


def _translated(request: web.Request, error: web.HTTPException, rid: str) -> web.StreamResponse:
    """Aiohttp's own refusals in our shape."""
    if error.status < 400:  # noqa: PLR2004 - redirects are no errors
        raise error
    if request.path in _OPERATORS:
        return error_answer(
            NotFoundError(), rid
        )  # which methods it knows would tell that it exists
    answer = error_answer(_BY_STATUS.get(error.status, RequestError)(), rid)
    if isinstance(error, web.HTTPMethodNotAllowed):
        answer.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
    return answer
