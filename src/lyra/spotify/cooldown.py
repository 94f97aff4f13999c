"""Cool-downs: the pauses that Spotify asked for with Retry-After, for each app."""

from collections import OrderedDict
from collections.abc import Callable

from lyra.spotify.endpoints import Endpoint
from lyra.spotify.failures import SpotifyFailure

# Spotify counts calls over 30 s and sometimes leaves the header out.
RATE_PAUSE_S = 1.0
QUOTA_PAUSE_S = 60.0
OUR_APP = "our app"  # no bearer token's name: those are hexadecimal digits
MAX_APPS = 10_000


class _Pauses:
    """Until when one app is not to call. A quota is an endpoint's, a rate limit the app's."""

    __slots__ = ("_quota_until", "_rate_until")

    def __init__(self) -> None:
        self._rate_until = 0.0
        self._quota_until: dict[Endpoint, float] = {}  # at most all endpoints

    def note(self, now: float, endpoint: Endpoint, failure: SpotifyFailure) -> None:
        """Remember a 429; a shorter pause changes nothing."""
        if failure.code == "quota_exceeded":
            pause = QUOTA_PAUSE_S if failure.retry_after_s is None else failure.retry_after_s
            until = max(now + pause, self._quota_until.get(endpoint, 0.0))
            self._quota_until[endpoint] = until
        else:
            pause = RATE_PAUSE_S if failure.retry_after_s is None else failure.retry_after_s
            self._rate_until = max(now + pause, self._rate_until)

    def remaining(self, now: float, endpoint: Endpoint) -> SpotifyFailure | None:
        """Return the failure that stands for a call made now, with the seconds left; or None."""
        quota_s = self._quota_until.get(endpoint, 0.0) - now
        if quota_s > 0:
            return SpotifyFailure("quota_exceeded", retry_after_s=quota_s)
        rate_s = self._rate_until - now
        return SpotifyFailure("rate_limited", retry_after_s=rate_s) if rate_s > 0 else None

    def over(self, now: float) -> bool:
        """Return whether every pause has passed."""
        return max(self._rate_until, *self._quota_until.values(), 0.0) <= now


class Cooldown:
    """Remembers until when Spotify wants no calls: calling during the pause lengthens it.

    A limit is an app's, and `app` names tokens that are sure to share one. All log-ins are OUR_APP.
    A bearer token may be of any app, even of one that its sender has used up on purpose: it counts
    as an app by itself, so that no number of such pauses holds another token back.
    Of more than MAX_APPS that pause, the oldest is dropped, which costs one call in vain.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ours = _Pauses()
        self._others: OrderedDict[str, _Pauses] = OrderedDict()

    def __len__(self) -> int:
        """Return how many bearer tokens are remembered."""
        return len(self._others)

    def start(self, app: str, endpoint: Endpoint, failure: SpotifyFailure) -> None:
        """Start a pause after a 429; other failures change nothing."""
        if failure.kind != "rate_limited":
            return
        pauses = self._ours if app == OUR_APP else self._others.setdefault(app, _Pauses())
        pauses.note(self._clock(), endpoint, failure)
        self._purge(app)

    def blocking(self, app: str, endpoint: Endpoint) -> SpotifyFailure | None:
        """Return the failure that stands for a call made now, with the seconds left; or None."""
        pauses = self._ours if app == OUR_APP else self._others.get(app)
        return None if pauses is None else pauses.remaining(self._clock(), endpoint)

    def _purge(self, latest: str) -> None:
        """Drop pauses that are over, and the oldest of too many."""
        if latest in self._others:
            self._others.move_to_end(latest)
        now = self._clock()
        while self._others:
            oldest, pauses = next(iter(self._others.items()))
            if len(self._others) <= MAX_APPS and not pauses.over(now):
                return
            del self._others[oldest]
