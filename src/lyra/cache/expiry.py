"""The expiry policy: how long an entry is fresh, when it is renewed, and when it is gone.

Until `refresh_at` an entry is served as it is; from then to `expires_at` it is served and renewed
in the background (refresh-ahead); from then to `stale_until` it is served where a renewal is slow
(stale-while-revalidate) or fails (stale-if-error).
"""

from random import Random
from typing import NamedTuple

from lyra.listening.models import Listening
from lyra.settings import Settings

PARTIAL_TTL_S = 60.0  # a gap that may be filled soon is asked for again soon
JITTER = 0.1  # downwards only, so that the TTL stays an upper bound
REFRESH_PART = 0.8  # of the time to expiry, after which it is renewed


class Life(NamedTuple):
    """The moments of an entry's life in order, and when its token was first accepted."""

    fetched_at: float
    refresh_at: float
    expires_at: float
    stale_until: float
    token_seen_at: float


def compute_expiry(
    listening: Listening,
    *,
    settings: Settings,
    now: float,
    fetched_at: float,
    token_seen_at: float,
    token_life_s: float,
    rng: Random,
) -> Life:
    """Return the life of an entry made now whose oldest part was fetched at `fetched_at`.

    It ends with the token's life, an hour after the token was first accepted, however long the TTL;
    for a log-in it ends with the session. A gap that may pass shortens the fresh part to a minute;
    the stale part stays as long.
    """
    token_dies_at = token_seen_at + token_life_s
    stops_at = fetched_at + settings.cache_ttl_s * (1 - JITTER * rng.random())
    expires_at = min(stops_at, token_dies_at)
    if has_gap(listening):
        expires_at = min(expires_at, now + PARTIAL_TTL_S)
    return Life(
        fetched_at=fetched_at,
        refresh_at=now + REFRESH_PART * (expires_at - now),
        expires_at=expires_at,
        stale_until=min(stops_at + settings.cache_stale_s, token_dies_at),
        token_seen_at=token_seen_at,
    )


def has_gap(listening: Listening) -> bool:
    """Return whether a section is missing for a reason that may pass."""
    return any(section.transient for section in listening.sections)
