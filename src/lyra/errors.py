"""Every failure that a caller can get, for people and for programs.

    LyraError                      code, status, a message that says what to do
    |- RequestError                the caller must change the request: most of 4xx
    |- TokenError                  a new Spotify token is needed: 401
    |- SpotifyForbiddenError       the Spotify app's owner must act: 403
    |- ConsentRequiredError        the listener has to agree first: 403
    |- TryLaterError               the same request may succeed later: 429, 503, 504
    `- ServerFaultError            the operator must act: 500

Every class has one stable `code`; docs/API.md lists them. A message never holds a token, a
body, or anybody's text: it is written here, not copied from a vendor.
"""

from typing import Any, ClassVar


class LyraError(Exception):
    """A failure with a stable code, an HTTP status and a message that a person can act on."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    action: ClassVar[str | None] = None
    default_message: ClassVar[str] = (
        "Something broke on our side. Try again; if it stays, tell the operator."
    )

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after_s: float | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message or self.default_message)
        self.retry_after_s = retry_after_s
        self.reason = reason

    def to_dict(self, request_id: str) -> dict[str, Any]:
        """Return the `error` object of an answer, without absent fields."""
        fields = {
            "code": self.code,
            "message": str(self),
            "retryable": self.retryable,
            "action": self.action,
            "reason": self.reason,
            "retry_after_s": self.whole_seconds,
            "request_id": request_id,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def copy(self) -> "LyraError":
        """Return an equal error: callers that share one failure each raise their own."""
        return type(self)(str(self), retry_after_s=self.retry_after_s, reason=self.reason)

    @property
    def whole_seconds(self) -> int | None:
        """`retry_after_s` rounded up, for the Retry-After header."""
        return None if self.retry_after_s is None else max(1, -int(-self.retry_after_s // 1))


class RequestError(LyraError):
    """The caller has to change the request."""

    code, status = "invalid_request", 400
    default_message = "The request is not valid."


class InvalidJsonError(RequestError):
    code = "invalid_json"
    default_message = "The body is not valid JSON. Send one UTF-8 JSON object."


class CrossSiteError(RequestError):
    code, status = "cross_site", 403
    default_message = "A log-in is used from this service's own page only. Elsewhere, send a token."


class NotFoundError(RequestError):
    code, status = "not_found", 404
    default_message = "There is nothing at this address. See / for the routes."


class MethodNotAllowedError(RequestError):
    code, status = "method_not_allowed", 405
    default_message = (
        "This route does not answer that method. The Allow header lists those it does."
    )


class RequestTimeoutError(RequestError):
    code, status, retryable = "request_timeout", 408, True
    default_message = "The request's body did not arrive in time. Send it again in one go."


class AnswerGoneError(RequestError):
    """A question was sent again to be read on; it is not asked a second time."""

    code, status = "answer_gone", 409
    default_message = (
        "The answer that Last-Event-ID names is not kept, or not yours. Ask without that header."
    )


class BodyTooLargeError(RequestError):
    code, status = "body_too_large", 413
    default_message = "The body is larger than this route takes. Send fewer or shorter messages."


class ConversationTooLongError(BodyTooLargeError):
    default_message = (
        "The conversation is longer than the model can read. Shorten it or start anew."
    )


class UnsupportedMediaTypeError(RequestError):
    code, status = "unsupported_media_type", 415
    default_message = "Send the body uncompressed, with Content-Type: application/json."


class MisdirectedRequestError(RequestError):
    code, status = "misdirected_request", 421
    default_message = (
        "This host name is not served here. The operator can allow it in LYRA_ALLOWED_HOSTS."
    )


class HeadTooLargeError(RequestError):
    code, status = "head_too_large", 431
    default_message = "The request's headers are too long together. Send fewer or shorter cookies."


class TokenError(LyraError):
    """The caller needs a (new) Spotify access token."""

    code, status, action = "missing_token", 401, "reauthorize"
    default_message = "Send a Spotify access token in the header 'Authorization: Bearer <token>'."


class MissingTokenError(TokenError):
    """No Authorization header came."""


class MalformedTokenError(TokenError):
    code = "malformed_token"
    default_message = "The Authorization header is not 'Bearer <token>' with one well-formed token."


class SpotifyTokenRejectedError(TokenError):
    code = "spotify_token_rejected"
    default_message = (
        "Spotify does not accept this token: it has expired or was revoked. Log in again."
    )


class SessionEndedError(TokenError):
    code = "session_ended"
    default_message = "The connection to Spotify has ended. Connect again."


class ConsentRequiredError(LyraError):
    """The listener has not yet agreed that these data go to this model."""

    code, status, action = "consent_required", 403, "consent"
    default_message = "Agree first to what is read from Spotify and which model it goes to."


class SpotifyForbiddenError(LyraError):
    """Spotify refuses this listener or this app; `reason` says which."""

    code, status = "spotify_forbidden", 403
    default_message = "Spotify refuses access to this listener's data."


class PlaylistScopeError(SpotifyForbiddenError):
    """The token may read, but not make a playlist."""

    action = "grant_playlists"
    default_message = (
        "Spotify has not yet been asked to let Lyra make playlists. Allow it, then save again."
    )


class PublicPlaylistScopeError(SpotifyForbiddenError):
    """The token may not change this playlist of the listener's, which may be on the profile."""

    action = "grant_public_playlists"
    default_message = "Spotify has not yet been asked to let Lyra change your playlists. Allow it, then save again."


class TryLaterError(LyraError):
    """The same request may succeed later, after `retry_after_s` where it is known."""

    code, status, retryable = "overloaded", 503, True
    default_message = "Lyra is busy. Try again in a moment."


class OverloadedError(TryLaterError):
    """More requests are in flight than this process accepts."""


class TooManyRequestsError(TryLaterError):
    code, status = "too_many_requests", 429
    default_message = "Too many requests from this listener. Wait a moment, then try again."


class DrainingError(TryLaterError):
    code = "draining"
    default_message = "This server is shutting down. Try again; another one will answer."


class SessionsUnavailableError(TryLaterError):
    code = "sessions_unavailable"
    default_message = "Log-ins cannot be looked up right now. Try again in a moment."


class ProposalsUnavailableError(TryLaterError):
    """Proposed playlists are where all servers share them, and that does not answer."""

    code = "proposals_unavailable"
    default_message = "Proposed playlists cannot be looked up right now. Try again in a moment."


class NotForgottenError(TryLaterError):
    code = "forget_unfinished"
    default_message = (
        "It is forgotten here, but not yet where all servers share it: that does not answer. Try "
        "again in a moment."
    )


class ForgottenError(TryLaterError):
    """The listener was forgotten while this request was under way."""

    code = "forgotten"
    default_message = "What was held of this listener has been forgotten meanwhile. Ask again."


class SpotifyRateLimitedError(TryLaterError):
    code = "spotify_rate_limited"
    default_message = "Spotify asks for a pause. Try again later."


class SpotifyQuotaExceededError(TryLaterError):
    code = "spotify_quota_exceeded"
    default_message = "The Spotify app's daily quota is used up. Try again later."


class SpotifyUnavailableError(TryLaterError):
    code = "spotify_unavailable"
    default_message = "Spotify does not answer properly right now. Try again in a moment."


class SpotifyTimeoutError(TryLaterError):
    code, status = "spotify_timeout", 504
    default_message = "Spotify did not answer in time. Try again in a moment."


class LlmUnavailableError(TryLaterError):
    code = "llm_unavailable"
    default_message = "The language model is not available right now. Try again in a moment."


class LlmRateLimitedError(TryLaterError):
    code = "llm_rate_limited"
    default_message = "The language model is receiving too many requests. Try again later."


class LlmTimeoutError(TryLaterError):
    code, status = "llm_timeout", 504
    default_message = "The language model did not answer in time. Try again in a moment."


class LlmInterruptedError(TryLaterError):
    code = "llm_interrupted"
    default_message = (
        "The connection to the language model was lost. What you see may be incomplete."
    )


class LlmTruncatedError(TryLaterError):
    code = "llm_truncated"
    default_message = "The answer ended without its end mark. What you see may be incomplete."


class ServerFaultError(LyraError):
    """The caller can change nothing; the operator finds the cause in the log."""


class LlmMisconfiguredError(ServerFaultError):
    code = "llm_misconfigured"
    default_message = (
        "The language model refused this server's settings. The operator must mend them."
    )
