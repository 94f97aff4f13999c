"""How a log-in may end, and what the page says of it."""

from collections.abc import Iterable
from typing import Literal

from lyra.spotify.oauth import WRITING_SCOPES
from lyra.web.login.token_renewal import UNAVAILABLE

_TRANSIENT = frozenset({"server_error", "temporarily_unavailable"})

FailureReason = Literal[
    "denied",
    "expired",
    "refused",
    "not_listed",
    "owner",
    "forbidden",
    "misconfigured",
    "unavailable",
    "busy",
    "address",
]
# How a log-in ends that was to bring further scopes.
FurtherScopes = Literal["playlists", "not_granted"]
# What the page says at `/?login=`.
OUTCOME_MESSAGES: dict[str, str] = {
    "denied": "You cancelled at Spotify. Nothing was read or changed.",
    "expired": "That log-in was too old, or used already. Connect once more.",
    "refused": "Spotify did not accept that log-in. Connect once more.",
    "not_listed": "This app's owner has not added your account in Spotify's developer dashboard.",
    "owner": "Spotify answers this app only while its owner has Premium. The owner must act.",
    "forbidden": "Spotify refuses this app your data.",
    "misconfigured": "Spotify does not know this app as it is set up. Tell the operator.",
    "unavailable": UNAVAILABLE,
    "busy": "Lyra cannot log anybody in right now. Try again in a moment.",
    "address": "Nobody can log in at this address. The operator has to set LYRA_PUBLIC_URL.",
    "playlists": "Spotify lets Lyra save playlists for you now. Nothing is saved before you say so.",
    "not_granted": "Spotify does not let Lyra save playlists for you. All else works as before.",
}
BY_GRANT: dict[str, FailureReason] = {
    "refused": "refused",
    "misconfigured": "misconfigured",
    "unavailable": "unavailable",
}
BY_FAILURE: dict[str, FailureReason] = {
    "not_registered": "not_listed",
    "owner_not_premium": "owner",
    "forbidden": "forbidden",
    "token_rejected": "refused",
}


class LoginError(Exception):
    """A log-in has failed; `reason` says why, and OUTCOME_MESSAGES says it to people."""

    def __init__(self, reason: FailureReason) -> None:
        super().__init__(reason)
        self.reason = reason


def compare_scopes(requested: Iterable[str], granted: Iterable[str]) -> FurtherScopes | None:
    """Return whether all further scopes that were requested were granted; None if none was requested."""
    further = WRITING_SCOPES.intersection(requested)
    if not further:
        return None
    return "playlists" if further.issubset(granted) else "not_granted"


def classify_error(error: str) -> FailureReason:
    """Return the failure behind an error that Spotify redirects with (RFC 6749, 4.1.2.1)."""
    if error == "access_denied":
        return "denied"
    return "unavailable" if error in _TRANSIENT else "misconfigured"
