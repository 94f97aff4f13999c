"""The failures of one call to Spotify, in fixed words.

A failure carries a code and what follows from it, and nothing of the request or of the response:
no token, no body, no text of Spotify's. It is raised outside `except` blocks, so that no cause
hangs on it either: the reprs of aiohttp's errors show the Authorization header.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

FailureKind = Literal[
    "rejected", "forbidden", "rate_limited", "unavailable", "timeout", "invalid", "not_found"
]
FailureCode = Literal[
    "token_rejected",
    "missing_scope",
    "not_registered",
    "owner_not_premium",
    "forbidden",
    "rate_limited",
    "quota_exceeded",
    "server_error",
    "unexpected_status",
    "redirected",
    "connection",
    "circuit_open",
    "tls",
    "truncated",
    "too_large",
    "timeout",
    "bad_request",
    "empty",
    "unexpected_shape",
    "not_found",
]


class _Meaning(NamedTuple):
    kind: FailureKind
    retryable: bool
    sentence: str


MEANINGS: Mapping[FailureCode, _Meaning] = MappingProxyType(
    {
        "token_rejected": _Meaning("rejected", False, "Spotify does not accept this token."),
        "missing_scope": _Meaning(
            "forbidden", False, "The token lacks the scope that this part needs."
        ),
        "not_registered": _Meaning(
            "forbidden",
            False,
            "This listener is not on the Spotify app's list of users."
            " The app's owner can add them in Spotify's developer dashboard.",
        ),
        "owner_not_premium": _Meaning(
            "forbidden",
            False,
            "Spotify answers this app only while the app's owner has Premium."
            " The owner must act, not the listener.",
        ),
        "forbidden": _Meaning(
            "forbidden",
            False,
            "Spotify refuses this part. Nothing can be done here; the rest does not need it.",
        ),
        "rate_limited": _Meaning(
            "rate_limited", True, "Spotify asks for a pause. Try again later."
        ),
        "quota_exceeded": _Meaning(
            "rate_limited", False, "The Spotify app's daily quota is used up. Try again later."
        ),
        "server_error": _Meaning(
            "unavailable", True, "Spotify has a fault right now. Try again in a moment."
        ),
        "unexpected_status": _Meaning(
            "unavailable", False, "Spotify answered in an unknown way. Try again later."
        ),
        "redirected": _Meaning(
            "unavailable",
            False,
            "Spotify's address answered with a redirect, which is refused. Tell the operator.",
        ),
        "connection": _Meaning(
            "unavailable", True, "The connection to Spotify failed. Try again in a moment."
        ),
        "circuit_open": _Meaning(
            "unavailable",
            False,
            "Spotify has failed too often a moment ago and is given a rest. Try again in a moment.",
        ),
        "tls": _Meaning(
            "unavailable",
            False,
            "No trusted connection to Spotify could be made. Tell the operator.",
        ),
        "truncated": _Meaning(
            "unavailable", True, "Spotify's answer broke off. Try again in a moment."
        ),
        "too_large": _Meaning(
            "invalid", False, "Spotify's answer is larger than Lyra reads. Tell the operator."
        ),
        "timeout": _Meaning(
            "timeout", True, "Spotify did not answer in time. Try again in a moment."
        ),
        "bad_request": _Meaning(
            "invalid", False, "Spotify did not understand the request. Tell the operator."
        ),
        "empty": _Meaning("invalid", False, "Spotify's answer has no content. Try again later."),
        "unexpected_shape": _Meaning(
            "invalid",
            False,
            "Spotify's answer has a form that Lyra does not know. Tell the operator.",
        ),
        "not_found": _Meaning("not_found", False, "Spotify does not offer this part."),
    }
)


_REFUSALS: frozenset[FailureKind] = frozenset(
    {"rejected", "forbidden", "rate_limited", "not_found"}
)
_NEVER_DONE: frozenset[FailureCode] = frozenset({"bad_request", "circuit_open", "tls"})


class SpotifyFailure(Exception):  # noqa: N818  # a finding about one call, not a LyraError
    """One call's failure; its text is a fixed sentence for people."""

    def __init__(self, code: FailureCode, *, retry_after_s: float | None = None) -> None:
        meaning = MEANINGS[code]
        super().__init__(meaning.sentence)
        self.code = code
        self.kind = meaning.kind
        self.retryable = meaning.retryable
        self.retry_after_s = retry_after_s

    @property
    def may_be_done(self) -> bool:
        """Whether Spotify may have done all the same what it was asked to write, or a part of it."""
        return self.kind not in _REFUSALS and self.code not in _NEVER_DONE

    def copy(self) -> "SpotifyFailure":
        """Return an equal failure: callers that share one each raise their own."""
        return type(self)(self.code, retry_after_s=self.retry_after_s)
