"""What follows from the lists without asking anybody: decades, hours, repeats."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from lyra.listening.models import Play, Track

HOURS = 24


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


def repeated(plays: Sequence[Play]) -> tuple[Track, int] | None:
    """Return the track that comes up most in these plays and how often, if any comes twice."""
    tracks = {play.track.id or play.track.name: play.track for play in plays}
    counted = Counter(play.track.id or play.track.name for play in plays)
    for key, times in counted.most_common(1):
        return (tracks[key], times) if times > 1 else None
    return None
