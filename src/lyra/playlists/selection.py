"""Which of the wanted tracks are proposed: each recording once, and as long as was asked for. Pure."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lyra.catalogue.editions import take_apart
from lyra.catalogue.folding import fold_artist
from lyra.playlists.proposal import MAX_TRACKS, ProposedTrack

Reason = Literal["duplicate", "in_playlist", "known", "length_unknown", "over_the_length"]
_TOLERANCE = 1 / 6  # of the minutes that were asked for: 25 to 35 of 30
_MINUTE_MS = 60_000
Recording = tuple[str, str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the listener asked of the list: how many tracks, how many minutes, none that is known."""

    count: int | None = None
    minutes: int | None = None
    only_new: bool = False


@dataclass(slots=True)
class Selection:
    """The tracks that are proposed, those that are not with the reason, and sentences about both."""

    tracks: list[ProposedTrack] = field(default_factory=list)
    left_out: list[tuple[str, Reason]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def minutes(self) -> int | None:
        """The length in whole minutes; None where a track's is not known."""
        return whole_minutes(self.tracks)


def select(
    wanted: Iterable[ProposedTrack], wish: Wish, held: Collection[ProposedTrack] = ()
) -> Selection:
    """Return the wanted tracks as they are proposed, in their order.

    `held` are the tracks that the playlist has already, where one is extended.
    """
    selection = Selection()
    suitable = _leave_out(wanted, wish, held, selection)
    most = min(wish.count or MAX_TRACKS, MAX_TRACKS)
    longest_ms = (wish.minutes or 0) * _MINUTE_MS * (1 + _TOLERANCE)
    length_ms = 0
    for track in suitable:
        full = wish.minutes is not None and length_ms >= wish.minutes * _MINUTE_MS
        over = wish.minutes is not None and length_ms + (track.duration_ms or 0) > longest_ms
        if full or over or len(selection.tracks) == most:
            selection.left_out.append((track.uri, "over_the_length"))
            continue
        length_ms += track.duration_ms or 0
        selection.tracks.append(track)
    selection.notes.extend(_note(wish, selection))
    return selection


def _leave_out(
    wanted: Iterable[ProposedTrack],
    wish: Wish,
    held: Collection[ProposedTrack],
    selection: Selection,
) -> Iterator[ProposedTrack]:
    """Yield the tracks that may be proposed, whatever the length; note why others may not."""
    in_playlist: set[str | Recording] = {track.uri for track in held}
    in_playlist |= {recording(track) for track in held}
    seen: set[str | Recording] = set()
    for track in wanted:
        names: set[str | Recording] = {track.uri, recording(track)}
        reason: Reason | None = None
        if names & in_playlist:
            reason = "in_playlist"
        elif names & seen:
            reason = "duplicate"
        elif wish.only_new and not track.new:
            reason = "known"
        elif wish.minutes is not None and track.duration_ms is None:
            reason = "length_unknown"
        if reason is not None:
            selection.left_out.append((track.uri, reason))
            continue
        seen |= names
        yield track


def recording(track: ProposedTrack) -> Recording:
    """Return what is the same of all issues of one recording: single, album, remaster."""
    title = take_apart(track.name)
    artist = fold_artist(track.artists[0]) if track.artists else track.uri
    return artist, title.song, title.performances


def whole_minutes(tracks: Sequence[ProposedTrack]) -> int | None:
    """Return the length of the tracks, rounded to minutes; None where one's is not known."""
    lengths = [track.duration_ms for track in tracks if track.duration_ms is not None]
    return round(sum(lengths) / _MINUTE_MS) if lengths and len(lengths) == len(tracks) else None


def _note(wish: Wish, selection: Selection) -> Iterator[str]:
    """Yield a sentence for all that was left out unasked, and for what could not be kept."""
    counts = {reason: 0 for _, reason in selection.left_out}
    for _, reason in selection.left_out:
        counts[reason] += 1
    for reason, words in _LEFT_OUT.items():
        if number := counts.get(reason):
            yield f"{_songs(number)} left out: {words}."
    if wish.count and len(selection.tracks) < wish.count:
        yield f"These are {len(selection.tracks)} of the {wish.count} songs that were asked for."
    if wish.minutes:
        length_ms = sum(track.duration_ms or 0 for track in selection.tracks)
        if length_ms < wish.minutes * _MINUTE_MS * (1 - _TOLERANCE):
            minutes = round(length_ms / _MINUTE_MS)
            yield f"They come to {minutes} of the {wish.minutes} minutes that were asked for."


_LEFT_OUT: dict[Reason, str] = {
    "duplicate": "the same recording was there already",
    "in_playlist": "the playlist has the same recording",
    "known": "your data hold what is not new",
    "length_unknown": "how long it is, is not known",
}


def _songs(number: int) -> str:
    return "1 song was" if number == 1 else f"{number} songs were"
