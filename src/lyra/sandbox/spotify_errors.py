"""Spotify's error answers, as published or reported: status, headers and body."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import format_datetime

import orjson
from aiohttp import web
from multidict import CIMultiDict

JSON = "application/json; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"

_BAD_GATEWAY = b"""<html>
<head><title>502 Bad Gateway</title></head>
<body>
<center><h1>502 Bad Gateway</h1></center>
</body>
</html>
"""
_CHECK_SETTINGS = (
    b"Check settings on developer.spotify.com/dashboard, the user may not be registered."
)
_SIGN_IN = b"<!doctype html><html><head><title>Sign in</title></head><body>Wi-Fi</body></html>"
_NOT_PREMIUM = (
    "Active premium subscription required for the owner of the app. When the subscription status "
    "changes, it can take a few hours before requests are allowed again."
)


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer, sent as it is."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    retry_after: tuple[str, ...] = ()

    def response(self) -> web.Response:
        """A fresh response; aiohttp's can be sent once only."""
        headers = CIMultiDict({"Content-Type": self.content_type} if self.body else {})
        for value in self.retry_after:
            headers.add("Retry-After", value)
        return web.Response(status=self.status, body=self.body, headers=headers)


def refusal(status: int, message: str, reason: str | None = None) -> Reply:
    """Spotify's regular error body."""
    error: dict[str, int | str] = {"status": status, "message": message}
    if reason is not None:
        error["reason"] = reason
    return Reply(status, orjson.dumps({"error": error}))


BAD_TOKEN = refusal(401, "Missing/invalid/expired access token")
NOT_BEARER = refusal(400, "Only valid bearer authentication supported")
NOT_FOUND = refusal(404, "Resource not found")
NO_SERVICE = refusal(404, "Service not found")

FORBIDDEN = refusal(403, "Forbidden")
NO_SCOPE = refusal(403, "Insufficient client scope")

PERSONA_REPLIES = {
    "expired": BAD_TOKEN,
    "not_registered": Reply(403, b"User not registered in the Developer Dashboard", _TEXT),
    "owner_not_premium": refusal(403, _NOT_PREMIUM),
}
_TOO_MANY = refusal(429, "API rate limit exceeded")
_TOO_MANY_TEXT = Reply(429, b"Too many requests", _TEXT)
_QUOTA = refusal(429, "Too many requests", "QUOTA_EXCEEDED")

FAULT_REPLIES = {
    "scope": NO_SCOPE,
    "perm": refusal(401, "Permissions missing"),
    "401": BAD_TOKEN,
    "401old": refusal(401, "The access token expired"),
    "401missing": refusal(401, "Access token missing"),
    "403": FORBIDDEN,
    "403text": PERSONA_REPLIES["not_registered"],
    "403check": Reply(403, _CHECK_SETTINGS, _TEXT),
    "403premium": PERSONA_REPLIES["owner_not_premium"],
    "404": NOT_FOUND,
    "500": refusal(500, "Server error"),
    "502": Reply(502, _BAD_GATEWAY, "text/html"),
    "503": Reply(503),
    "504": refusal(504, "Gateway timeout"),
    "html": Reply(200, _SIGN_IN, "text/html"),
    "empty200": Reply(200),
    "429bare": _TOO_MANY,
    "429past": replace(_TOO_MANY, retry_after=("-5",)),
    "429word": replace(_TOO_MANY, retry_after=("abc",)),
    "429giant": replace(_TOO_MANY, retry_after=("99999999999999999999",)),
    "quota": replace(_QUOTA, retry_after=("48925",)),
}


def numbered_reply(name: str, numbers: tuple[int, ...], now: datetime) -> Reply | None:
    """The reply of a fault whose numbers are in it; None for all others."""
    waits = tuple(map(str, numbers))
    if name == "429":
        # Seen as plain text where the header is missing.
        return replace(_TOO_MANY, retry_after=waits) if waits else _TOO_MANY_TEXT
    if name == "429empty":
        return Reply(429, retry_after=waits)
    if name == "429two":
        return replace(_TOO_MANY, retry_after=waits)
    if name == "429date":
        then = now + timedelta(seconds=numbers[0])
        return replace(_TOO_MANY, retry_after=(format_datetime(then, usegmt=True),))
    return None


def quota_exceeded(wait_s: int) -> Reply:
    """The 429 of a used up quota, with the seconds until there is a new one."""
    return replace(_QUOTA, retry_after=(str(wait_s),))
