"""Facts that follow from the lists alone: decades, hours, repeats, what was left out."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from lyra.listening.identity import track_key
from lyra.listening.models import Listening, Play, SectionName, Track
from lyra.listening.wording import count
from lyra.timezones import UTC_ZONE, Zone

HOURS = 24
_WINDOW = 4  # hours in a row


class Span(NamedTuple):
    """Full hours of the zone's day from `start` to before `end`, and the plays that ended in them."""

    start: int
    end: int
    plays: int
    zone: Zone = UTC_ZONE

    def __str__(self) -> str:
        """Return the span in words that say no more than was counted."""
        return f"between {self.start:02}:00 and {self.end:02}:00{self.zone.suffix}"


class RecentRows(NamedTuple):
    """The rows of the last plays that Spotify sent: how many are music, how many are episodes."""

    sent: int
    music: int
    episodes: int

    @property
    def music_plays(self) -> str:
        """The plays of music, in words that follow "the" or "your"."""
        if self.music == self.sent:
            return "last play" if self.sent == 1 else f"last {self.sent} plays"
        return f"{count(self.music, 'music play')} among the last {self.sent}"

    @property
    def left_out(self) -> str:
        """What else is among the plays, for a bracket; empty if nothing is."""
        unread = self.sent - self.music - self.episodes
        spoken = "1 was an episode" if self.episodes == 1 else f"{self.episodes} were episodes"
        parts = [spoken] * (self.episodes > 0) + [f"{unread} could not be read"] * (unread > 0)
        return ", ".join(parts)


def rows_sent(listening: Listening, name: SectionName) -> int:
    """Return how many rows of a list Spotify sent, those that were left out among them."""
    kept: Sequence[object] = getattr(listening, name)
    return len(kept) + listening.section(name).skipped


def recent_rows(listening: Listening) -> RecentRows:
    """Return what the rows of the last plays are."""
    return RecentRows(
        sent=rows_sent(listening, "recently_played"),
        music=len(listening.recently_played),
        episodes=listening.section("recently_played").episodes,
    )


def decades(tracks: Sequence[Track]) -> tuple[tuple[int, int], ...]:
    """Return pairs of a decade's first year and its number of tracks, most tracks first.

    The decades are those of the editions: an old song on a new reissue counts for the new one.
    """
    counted = Counter(track.released // 10 * 10 for track in tracks if track.released)
    return tuple(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])))


def hour(play: Play, zone: Zone = UTC_ZONE) -> int | None:
    """Return the hour of the zone's day in which the play ended, None if that is not known."""
    try:
        ended = datetime.fromisoformat(play.played_at or "")
        return ended.hour if ended.tzinfo is zone.tz else zone.local(ended).hour
    except (ValueError, OverflowError):  # no moment, or one at the end of all years
        return None


def plays_by_hour(plays: Sequence[Play], zone: Zone = UTC_ZONE) -> tuple[int, ...]:
    """Return the number of plays in each of the 24 hours of the zone's day."""
    counted = Counter(hour(play, zone) for play in plays)
    return tuple(counted[each] for each in range(HOURS))


def busiest_span(plays: Sequence[Play], zone: Zone = UTC_ZONE) -> Span | None:
    """Return the four hours in a row with the most plays, without empty ones at their edges."""
    by_hour = plays_by_hour(plays, zone)
    if not any(by_hour):
        return None
    around = [*by_hour, *by_hour]
    windows = [sum(around[start : start + _WINDOW]) for start in range(HOURS)]
    first = windows.index(max(windows))
    played = [at for at in range(first, first + _WINDOW) if by_hour[at % HOURS]]
    start, end = played[0], played[-1] + 1
    number = sum(by_hour[at % HOURS] for at in played)
    return Span(start % HOURS, end % HOURS, number, zone)


def plays_between(plays: Sequence[Play], start: int, end: int, zone: Zone = UTC_ZONE) -> Span:
    """Return the span from one full hour to another, and the plays in it."""
    by_hour = plays_by_hour(plays, zone)
    hours = (end - start) % HOURS or HOURS
    number = sum(by_hour[(start + step) % HOURS] for step in range(hours))
    return Span(start, end, number, zone)


def most_repeated(plays: Sequence[Play]) -> tuple[Sequence[Track], int]:
    """Return the tracks that come up most in these plays, and how often; none if none comes twice."""
    tracks = {track_key(play.track): play.track for play in plays}
    counted = Counter(track_key(play.track) for play in plays)
    most = max(counted.values(), default=0)
    if most <= 1:
        return (), 0
    return [tracks[key] for key, number in counted.items() if number == most], most
