"""Spotify's error answers, as published or reported: status, headers and body."""

from dataclasses import dataclass

import orjson
from aiohttp import web

JSON = "application/json; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"

_BAD_GATEWAY = b"""<html>
<head><title>502 Bad Gateway</title></head>
<body>
<center><h1>502 Bad Gateway</h1></center>
</body>
</html>
"""
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
    retry_after: str | None = None

    def response(self) -> web.Response:
        """A fresh response; aiohttp's can be sent once only."""
        headers = {"Content-Type": self.content_type} if self.body else {}
        if self.retry_after is not None:
            headers["Retry-After"] = self.retry_after
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

PERSONA_REPLIES = {
    "expired": BAD_TOKEN,
    "not_registered": Reply(403, b"User not registered in the Developer Dashboard", _TEXT),
    "owner_not_premium": refusal(403, _NOT_PREMIUM),
}

FAULT_REPLIES = {
    "scope": refusal(403, "Insufficient client scope"),
    "perm": refusal(401, "Permissions missing"),
    "401": BAD_TOKEN,
    "404": NOT_FOUND,
    "500": refusal(500, "Server error"),
    "502": Reply(502, _BAD_GATEWAY, "text/html"),
    "503": Reply(503),
    "504": refusal(504, "Gateway timeout"),
    "html": Reply(200, _SIGN_IN, "text/html"),
    "empty200": Reply(200),
    "quota": Reply(
        429,
        orjson.dumps(
            {"error": {"status": 429, "message": "Too many requests", "reason": "QUOTA_EXCEEDED"}}
        ),
        retry_after="48925",
    ),
}


def rate_limited(retry_after: int | None) -> Reply:
    """A 429 as JSON with `Retry-After`, or, as also seen, as plain text without."""
    if retry_after is None:
        return Reply(429, b"Too many requests", _TEXT)
    body = refusal(429, "API rate limit exceeded").body
    return Reply(429, body, retry_after=str(retry_after))
