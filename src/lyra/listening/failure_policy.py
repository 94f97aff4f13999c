"""The failure policy: whether failed sections make a partial answer or an error."""

from collections.abc import Collection, Mapping

from lyra.errors import (
    LyraError,
    SpotifyForbiddenError,
    SpotifyQuotaExceededError,
    SpotifyRateLimitedError,
    SpotifyTimeoutError,
    SpotifyTokenRejectedError,
    SpotifyUnavailableError,
)
from lyra.listening.models import SECTIONS, SectionName
from lyra.spotify.failures import SpotifyFailure

# Reasons that hold for the whole app or listener, so one answer of /me settles them.
_FOR_GOOD = ("not_registered", "owner_not_premium")
_NO_SCOPES = "The token lacks every scope that Lyra needs. Log in again and grant them."


def refusal(failures: Mapping[SectionName, SpotifyFailure]) -> LyraError | None:
    """Return the error that ends the whole fetch, or None when the rest is an answer."""
    profile = failures.get("profile")
    if profile and profile.kind == "rejected":
        return SpotifyTokenRejectedError()
    if profile and profile.code in _FOR_GOOD:
        return SpotifyForbiddenError(str(profile), reason=profile.code)
    return _total_failure(failures.values()) if len(failures) == len(SECTIONS) else None


def _total_failure(failures: Collection[SpotifyFailure]) -> LyraError:
    kinds = {failure.kind for failure in failures}
    if kinds == {"forbidden"}:
        return _forbidden_error(failures)
    if kinds == {"timeout"}:
        return SpotifyTimeoutError()
    if "rate_limited" in kinds:
        return _rate_limit_error(
            [failure for failure in failures if failure.kind == "rate_limited"]
        )
    return SpotifyUnavailableError(retry_after_s=_soonest_retry_s(failures))


def _forbidden_error(failures: Collection[SpotifyFailure]) -> LyraError:
    if any(failure.code == "missing_scope" for failure in failures):
        return SpotifyForbiddenError(_NO_SCOPES, reason="missing_scope")
    return SpotifyForbiddenError()


def _rate_limit_error(failures: Collection[SpotifyFailure]) -> LyraError:
    quota = all(failure.code == "quota_exceeded" for failure in failures)
    error = SpotifyQuotaExceededError if quota else SpotifyRateLimitedError
    return error(retry_after_s=_soonest_retry_s(failures))


def _soonest_retry_s(failures: Collection[SpotifyFailure]) -> float | None:
    return min(
        (one.retry_after_s for one in failures if one.retry_after_s is not None), default=None
    )
