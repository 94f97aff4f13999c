"""The pause that Spotify asked for, kept for the whole process."""

from collections.abc import Callable

from lyra.spotify.endpoints import Endpoint
from lyra.spotify.failures import SpotifyFailure

# Spotify counts calls over 30 s and sometimes leaves the header out.
RATE_PAUSE_S = 1.0
QUOTA_PAUSE_S = 60.0


class Gate:
    """Remembers until when Spotify wants no calls: calling during the pause lengthens it.

    A rate limit is the app's, so it closes every endpoint. A quota is one endpoint's alone.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rate_until = 0.0
        self._quota_until: dict[Endpoint, float] = {}  # at most the five endpoints

    def close(self, endpoint: Endpoint, failure: SpotifyFailure) -> None:
        """Take note of a 429; other failures and shorter pauses change nothing."""
        if failure.code == "quota_exceeded":
            pause = QUOTA_PAUSE_S if failure.retry_after_s is None else failure.retry_after_s
            until = max(self._clock() + pause, self._quota_until.get(endpoint, 0.0))
            self._quota_until[endpoint] = until
        elif failure.code == "rate_limited":
            pause = RATE_PAUSE_S if failure.retry_after_s is None else failure.retry_after_s
            self._rate_until = max(self._clock() + pause, self._rate_until)

    def check(self, endpoint: Endpoint) -> SpotifyFailure | None:
        """Return the failure that stands for a call made now, with the seconds left; or None."""
        now = self._clock()
        quota_s = self._quota_until.get(endpoint, 0.0) - now
        if quota_s > 0:
            return SpotifyFailure("quota_exceeded", retry_after_s=quota_s)
        rate_s = self._rate_until - now
        return SpotifyFailure("rate_limited", retry_after_s=rate_s) if rate_s > 0 else None
