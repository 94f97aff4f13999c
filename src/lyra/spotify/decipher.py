"""Classify a response of Spotify: to its body or its failure. The one place that reads a status."""

from collections.abc import Mapping

import msgspec

from lyra.spotify.failures import FailureCode, SpotifyFailure
from lyra.upstream import pause

_SUCCESS, _TOO_MANY, _REDIRECTS = (200, 201), 429, range(300, 400)
_EMPTY = range(200, 300)
_BY_STATUS: tuple[tuple[int, FailureCode], ...] = (
    (400, "bad_request"),
    (401, "token_rejected"),
    (403, "forbidden"),
    (404, "not_found"),
    (408, "timeout"),
    (500, "server_error"),
    (502, "server_error"),
    (503, "server_error"),
    (504, "server_error"),
)
# Only where the status says too little. These texts were published by Spotify or reported by
# its users; the plain-text ones come without JSON around them.
_BY_TEXT: tuple[tuple[str, FailureCode], ...] = (
    ("insufficient client scope", "missing_scope"),
    ("permissions missing", "missing_scope"),
    ("not registered", "not_registered"),
    ("may not be registered", "not_registered"),
    ("subscription required for the owner", "owner_not_premium"),
)
# Spotify's gateway answers 400, not 401, to some tokens that it cannot read; nothing else of these
# five requests depends on the token (spotipy-dev/spotipy#429, #687).
_BAD_TOKEN = ("bearer authentication", "access token", "invalid_token", "no token provided")


class _Error(msgspec.Struct):
    message: str = ""
    reason: str = ""


class _ErrorBody(msgspec.Struct):
    error: _Error


def decipher(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> bytes:
    """Return the body of a 200 or 201.

    `now` is seconds since the epoch; a Retry-After that is a date is measured against it.

    Raises:
        SpotifyFailure: any other status, or a 2xx without content.
    """
    if status in _SUCCESS and body.strip():
        return body
    raise SpotifyFailure(_code(status, body), retry_after_s=retry_after(headers, now))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds of Retry-After, from 0 to a day; None when it is absent or rubbish."""
    header = next((text for name, text in headers.items() if name.lower() == "retry-after"), "")
    return pause(header, now)


def _code(status: int, body: bytes) -> FailureCode:
    if status in _EMPTY:
        return "empty"
    if status in _REDIRECTS:
        return "redirected"
    if status == _TOO_MANY:
        return "quota_exceeded" if _error(body).reason == "QUOTA_EXCEEDED" else "rate_limited"
    code = dict(_BY_STATUS).get(status, "unexpected_status")
    if code == "bad_request":
        return "token_rejected" if _is_about_the_token(body) else code
    return _code_by_text(body, code) if code in {"token_rejected", "forbidden"} else code


def _is_about_the_token(body: bytes) -> bool:
    text = _text(body)
    return any(words in text for words in _BAD_TOKEN)


def _code_by_text(body: bytes, otherwise: FailureCode) -> FailureCode:
    text = _text(body)
    return next((code for words, code in _BY_TEXT if words in text), otherwise)


def _text(body: bytes) -> str:
    """Return the body's message, to be searched for words."""
    return (_error(body).message or body.decode(errors="replace")).casefold()


def _error(body: bytes) -> _Error:
    try:
        return msgspec.json.decode(body, type=_ErrorBody).error
    except (ValueError, RecursionError):
        return _Error()
