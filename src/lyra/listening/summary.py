"""A summary of the listener in a few sentences, which claim nothing that the data does not say."""

from collections.abc import Sequence

from lyra.listening.identity import tell_apart
from lyra.listening.insights import (
    busiest_span,
    decades,
    most_repeated,
    recent_rows,
    rows_sent,
)
from lyra.listening.models import SECTIONS, Listening, Track
from lyra.listening.sanitize import shorten
from lyra.listening.wording import count, enumerate_parts, times
from lyra.timezones import UTC_ZONE, Zone

_ARTISTS, _TRACKS, _GENRES, _REPEATED = 5, 3, 5, 3
_MAX_DECADES = 4
_NAME_CAP = 60


def summarise(listening: Listening, zone: Zone = UTC_ZONE) -> str:
    """Return a few sentences for people; top items are named in Spotify's order."""
    return " ".join([*_names(listening), *_facts(listening, zone)])


def summarise_without_names(listening: Listening) -> str:
    """Return the same sentences without the ones that name artists and tracks."""
    return " ".join(_facts(listening, UTC_ZONE))


def _names(listening: Listening) -> list[str]:
    artists = [shorten(artist.name, _NAME_CAP) for artist in listening.top_artists[:_ARTISTS]]
    tracks = [_track(track) for track in listening.top_tracks[:_TRACKS]]
    sentences = []
    if artists:
        names = enumerate_parts(tell_apart(artists))
        sentences.append(f"Among the top artists of the last months: {names}.")
    if tracks:
        sentences.append(f"Among the top tracks: {enumerate_parts(tell_apart(tracks))}.")
    return [*sentences, *_repeats(listening)]


def _repeats(listening: Listening) -> list[str]:
    tracks, most = most_repeated(listening.recently_played)
    if not tracks:
        return []
    plays = f"in the last {rows_sent(listening, 'recently_played')} plays"
    if len(tracks) == 1:
        return [f"{_track(tracks[0])} comes up {times(most)} {plays}."]
    names = tell_apart([_track(track) for track in tracks[:_REPEATED]])
    if len(tracks) > _REPEATED:
        names.append(count(len(tracks) - _REPEATED, "other track"))
    return [f"{enumerate_parts(names)} come up {times(most)} each {plays}."]


def _facts(listening: Listening, zone: Zone) -> list[str]:
    sentences = (
        _genres(listening),
        _decades(listening),
        _episodes(listening),
        _hours(listening, zone),
        _playlists(listening),
        _nothing(listening),
        _left_out(listening),
        _missing(listening),
    )
    return [sentence for sentence in sentences if sentence]


def _track(track: Track) -> str:
    by = f" by {shorten(track.artists[0], _NAME_CAP)}" if track.artists else ""
    return f"“{shorten(track.name, _NAME_CAP)}”{by}"


def _genres(listening: Listening) -> str:
    analysis = listening.genre_analysis
    if listening.section("top_artists").status != "ok":
        return "Genres are not known, since the top artists could not be read."
    if not analysis.artists_considered:
        return ""
    if not analysis.genres:
        return "Spotify tells no genres for these artists."
    names = enumerate_parts([genre.name for genre in analysis.genres[:_GENRES]])
    known = f"{analysis.artists_known} of {count(analysis.artists_considered, 'top artist')}"
    if analysis.thin:
        return f"Genres are known for only {known}, too little to weigh them: {names}."
    part = f"{analysis.coverage:.0%} of the listening by weight"
    return f"Genres by weight (known for {known}, {part}): {names}."


def _decades(listening: Listening) -> str:
    dated = sum(track.released is not None for track in listening.top_tracks)
    ranked = decades(listening.top_tracks)
    if not ranked:
        return ""
    tracks = f"{count(dated, 'top track')} with a known year"
    told = _leading(ranked)
    if not told:
        return f"By the year of the edition, {tracks} are spread over {len(ranked)} decades."
    (first, number), *others = told
    parts = [f"{number} of {tracks} {'is' if number == 1 else 'are'} from the {first}s"]
    parts += [f"{number} from the {decade}s" for decade, number in others]
    return f"By the year of the edition, {enumerate_parts(parts)}."


def _leading(ranked: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """Return the first two decades and all as large as the second; if these are many, the larger."""
    second = ranked[:2][-1][1]
    leading = [each for each in ranked if each[1] >= second]
    if len(leading) <= _MAX_DECADES:
        return leading
    return [each for each in ranked if each[1] > second]


def _episodes(listening: Listening) -> str:
    rows = recent_rows(listening)
    if not rows.episodes:
        return ""
    if rows.sent == 1:
        return "The last play was an episode."
    were = "1 was an episode" if rows.episodes == 1 else f"{rows.episodes} were episodes"
    return f"Of the last {rows.sent} plays, {were}."


def _hours(listening: Listening, zone: Zone) -> str:
    span = busiest_span(listening.recently_played, zone)
    rows = recent_rows(listening)
    if span is None:
        return ""
    if rows.music == 1:
        return f"The {rows.music_plays} ended {span}."
    return f"Of the {rows.music_plays}, {span.plays} ended {span}."


def _playlists(listening: Listening) -> str:
    lists = listening.playlists
    if not lists:
        return ""
    total = listening.section("playlists").total
    were = "was" if len(lists) == 1 else "were"
    if total is None or total == len(lists):
        read = f"{count(len(lists), 'playlist')} {were} read"
    else:
        read = f"Spotify lists {count(total, 'playlist')}, of which {len(lists)} {were} read"
    owned = sum(bool(each.owned) for each in lists)
    followed = sum(each.owned is False for each in lists)
    unknown = len(lists) - owned - followed
    parts = [f"{owned} the listener's own", f"{followed} followed"] * (owned + followed > 0)
    parts += [f"{unknown} of an unknown owner"] * (unknown > 0)
    return f"{read}: {enumerate_parts(parts)}."


def _nothing(listening: Listening) -> str:
    empty = [
        _words(section.name)
        for section in listening.sections
        if section.status == "ok" and section.count == 0 and not section.skipped
    ]
    return f"Spotify lists nothing under {enumerate_parts(empty)}." if empty else ""


def _left_out(listening: Listening) -> str:
    """Name the rows that were left out, the episodes apart, which are told as such."""
    parts = [
        f"{section.skipped - section.episodes} of {rows_sent(listening, section.name)}"
        f" under {_words(section.name)}"
        for section in listening.sections
        if section.status == "ok" and section.skipped > section.episodes
        if section.name != "profile"  # no list
    ]
    if not parts:
        return ""
    return f"Left out as nameless, empty or listed twice: {enumerate_parts(parts)}."


def _missing(listening: Listening) -> str:
    gaps = {each.name: each for each in listening.sections if each.status != "ok"}
    reasons = [f"{_words(name)} ({_reason(gaps[name].code)})" for name in SECTIONS if name in gaps]
    return f"Missing: {enumerate_parts(reasons)}." if reasons else ""


def _reason(code: str | None) -> str:
    return _words(code or "unknown")


def _words(name: str) -> str:
    return name.replace("_", " ")
