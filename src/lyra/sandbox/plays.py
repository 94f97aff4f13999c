"""A listener's year of plays, from which every answer about the listener is derived."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from lyra.sandbox.catalogue import ODD_INDEXES, TrackKey, artist, families
from lyra.sandbox.names import GENRES
from lyra.sandbox.rng import Rng, cumulative

SANDBOX_NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_WEEKEND = (5, 6)
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday

Play = tuple[int, TrackKey]


@dataclass(frozen=True, slots=True)
class Habits:
    """How a persona listens: plays a day on average, for how many days, how many tracks."""

    plays_a_day: int
    days: int
    library: int


_USUAL = Habits(14, 365, 400)

HABITS = {
    "typical": _USUAL,
    "heavy": Habits(60, 365, 400),
    "new": Habits(4, 6, 60),
    "empty": Habits(0, 0, 0),
    "one_artist": Habits(6, 365, 60),
    "odd": Habits(10, 365, 200),
    "classical": Habits(8, 365, 400),
    "podcast": _USUAL,
    "local_files": _USUAL,
    "private_session": _USUAL,
    "huge_library": _USUAL,
    "no_scope_top": _USUAL,
    "no_scope_recent": _USUAL,
    "no_scope_playlists": _USUAL,
    "revoked_midway": _USUAL,
}

_CLASSICAL = tuple(GENRES).index("classical")
_RANKS = cumulative([1_000_000 // rank for rank in range(1, 401)])
_MORNING = (20, 10, 5, 5, 10, 30, 70, 120, 150, 130, 110, 100)
_EVENING = (110, 100, 100, 110, 130, 160, 170, 160, 140, 110, 80, 40)
_HOURS = cumulative([*_MORNING, *_EVENING])
# Five in six sessions go on after each track: six tracks on average.
_SESSIONS = cumulative([5**length * 6 ** (24 - length) for length in range(24)])


def play_log(seed: int, persona: str, now: datetime = SANDBOX_NOW) -> tuple[Play, ...]:
    """Every play as (end in milliseconds since the epoch, track), newest first."""
    habits = HABITS[persona]
    rng = Rng("plays", seed, persona)
    tracks = library(seed, persona)
    now_ms = int(now.timestamp()) * 1000
    today = now_ms - now_ms % DAY_MS
    plays: dict[int, TrackKey] = {}
    for day in range(habits.days if tracks else 0):
        plays.update(_day_of_plays(rng, habits, tracks, today - day * DAY_MS, day // 30 * 7))
    return tuple(sorted(((at, key) for at, key in plays.items() if at <= now_ms), reverse=True))


def library(seed: int, persona: str) -> tuple[TrackKey, ...]:
    """The tracks that the listener knows, best loved first."""
    rng = Rng("library", seed, persona)
    wanted = HABITS[persona].library
    one = rng.below(200)
    tastes = cumulative([1 + rng.below(1000) ** 6 // 10**9 for _ in families()])
    known: dict[TrackKey, None] = {}
    for _ in range(wanted):
        index = one if persona == "one_artist" else _an_artist(rng, persona, tastes)
        count = artist(index).tracks
        known[index, rng.below(count) * rng.below(count) // count] = None
    return tuple(known)


def _an_artist(rng: Rng, persona: str, tastes: tuple[int, ...]) -> int:
    if persona == "odd":
        return rng.pick(ODD_INDEXES)
    if persona == "classical":
        # Evenly, and not by fame: such a listener knows many composers.
        return rng.pick(families()[_CLASSICAL].artists)
    family = families()[rng.weighted(tastes)]
    return family.artists[rng.weighted(family.fame)]


def _day_of_plays(
    rng: Rng, habits: Habits, tracks: tuple[TrackKey, ...], midnight: int, drift: int
) -> Iterator[Play]:
    """The plays of one day; the drift of the taste over months makes the ranges differ."""
    weekend = (midnight // DAY_MS + _EPOCH_WEEKDAY) % 7 in _WEEKEND
    left = rng.below(habits.plays_a_day * (25 if weekend else 18) // 10 + 1)
    while left > 0:
        at = midnight + rng.weighted(_HOURS) * _HOUR_MS + rng.below(_HOUR_MS)
        length = min(left, 1 + rng.weighted(_SESSIONS))
        left -= length
        for _ in range(length):
            at += 140_000 + rng.below(180_000)
            yield at, tracks[(rng.weighted(_RANKS, len(tracks)) + drift) % len(tracks)]
