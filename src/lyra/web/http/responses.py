"""Responses: JSON bodies, errors in their one shape, and the default headers of all."""

import contextvars
import secrets
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

from lyra.errors import LyraError, TokenError
from lyra.settings import Settings

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")

EXPOSED_HEADERS = "X-Request-Id, Retry-After, x-vercel-ai-ui-message-stream"
_ALWAYS = {
    "Server": "lyra",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Permitted-Cross-Domain-Policies": "none",
}
_UNLESS_SET = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
API_HEADERS = {**_ALWAYS, **_UNLESS_SET}


def json_bytes(body: bytes, status: int = 200) -> web.Response:
    """Return a response whose JSON is already encoded."""
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")


def json_response(body: Any, status: int = 200) -> web.Response:
    return json_bytes(orjson.dumps(body), status)


def error_response(error: LyraError, rid: str) -> web.Response:
    """Return the error in the one shape of all errors, with the headers of its status."""
    response = json_response({"success": False, "error": error.to_dict(rid)}, error.status)
    if error.whole_seconds is not None:
        response.headers["Retry-After"] = str(error.whole_seconds)
    if isinstance(error, TokenError):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def raw_error_response(error: LyraError) -> bytes:
    """Return a whole HTTP response as bytes, for a connection that has no request and is closed."""
    rid = secrets.token_hex(8)
    body = orjson.dumps({"success": False, "error": error.to_dict(rid)})
    headers = {
        **API_HEADERS,
        "X-Request-Id": rid,
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    phrase = HTTPStatus(error.status).phrase
    return f"HTTP/1.1 {error.status} {phrase}\r\n{lines}\r\n".encode() + body


def add_security_headers(response: web.StreamResponse, rid: str) -> None:
    """Add the headers that every response carries, also CSP and caching where it has none."""
    response.headers.update(_ALWAYS)
    response.headers["X-Request-Id"] = rid
    for name, value in _UNLESS_SET.items():
        response.headers.setdefault(name, value)


def add_hsts(response: web.StreamResponse, settings: Settings) -> None:
    """Add HSTS, where browsers reach this service by https."""
    if settings.public_url is not None and settings.public_url.startswith("https:"):
        subdomains = "; includeSubDomains" if settings.hsts_subdomains else ""
        response.headers["Strict-Transport-Security"] = f"max-age=63072000{subdomains}"


def add_cors_headers(response: web.StreamResponse, origin: str | None, settings: Settings) -> bool:
    """Add the CORS headers if this very origin is on the list, and return whether it is."""
    if not settings.cors_origins:
        return False
    response.headers.add("Vary", "Origin")
    if origin is None or origin not in settings.cors_origins:
        return False
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    return True
