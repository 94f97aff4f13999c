"""Facts that follow from the lists alone: decades, hours, repeats."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from lyra.listening.models import Play, Track

HOURS = 24


class Span(NamedTuple):
    """Full hours of the day (UTC) from `start` to before `end`, and the plays that are in them."""

    start: int
    end: int
    plays: int

    def __str__(self) -> str:
        """Return the span in words that say no more than was counted."""
        return f"between {self.start:02}:00 and {self.end:02}:00 UTC"


def decades(tracks: Sequence[Track]) -> tuple[tuple[int, int], ...]:
    """Return pairs of a decade's first year and its number of tracks, most tracks first."""
    counted = Counter(track.released // 10 * 10 for track in tracks if track.released)
    return tuple(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])))


def hour(play: Play) -> int | None:
    """Return the hour of the day (UTC) in which the play ended, None if that is not known."""
    try:
        ended = datetime.fromisoformat(play.played_at or "")
    except ValueError:
        return None
    return ended.hour if ended.tzinfo is UTC else ended.astimezone(UTC).hour


def plays_by_hour(plays: Sequence[Play]) -> tuple[int, ...]:
    """Return the number of plays in each of the day's 24 hours, UTC."""
    counted = Counter(map(hour, plays))
    return tuple(counted[each] for each in range(HOURS))


def busiest_window(by_hour: Sequence[int], width: int = 4) -> int | None:
    """Return the first hour of the `width` hours in a row with the most plays, if there are any."""
    if not any(by_hour):
        return None
    around = [*by_hour, *by_hour]
    spans = [sum(around[start : start + width]) for start in range(HOURS)]
    return spans.index(max(spans))


def busiest_span(by_hour: Sequence[int], width: int = 4) -> Span | None:
    """Return the busiest window without the hours at its edges in which nothing was played."""
    first = busiest_window(by_hour, width)
    if first is None:
        return None
    played = [at for at in range(first, first + width) if by_hour[at % HOURS]]
    start, end = played[0], played[-1] + 1
    plays = sum(by_hour[at % HOURS] for at in played)
    return Span(start % HOURS, end % HOURS, plays)


def most_repeated(plays: Sequence[Play]) -> tuple[Track, int] | None:
    """Return the track that comes up most in these plays and how often, if any comes twice."""
    tracks = {play.track.id or play.track.name: play.track for play in plays}
    counted = Counter(play.track.id or play.track.name for play in plays)
    for key, times in counted.most_common(1):
        return (tracks[key], times) if times > 1 else None
    return None
