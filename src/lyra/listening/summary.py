"""A summary of the listener in a few sentences, which claim nothing that the data does not say."""

from collections.abc import Sequence

from lyra.listening.insights import HOURS, busiest_window, decades, most_repeated, plays_by_hour
from lyra.listening.models import SECTIONS, Listening, Track
from lyra.listening.sanitize import shorten

_ARTISTS, _TRACKS, _GENRES, _DECADES = 5, 3, 5, 2
_NAME_CAP = 60
_WINDOW = 4


def summarise(listening: Listening) -> str:
    """Return a few sentences for people; top items are named in Spotify's order."""
    return " ".join([*_names(listening), *_facts(listening)])


def summarise_without_names(listening: Listening) -> str:
    """Return the same sentences without the ones that name artists and tracks."""
    return " ".join(_facts(listening))


def _names(listening: Listening) -> list[str]:
    artists = [shorten(artist.name, _NAME_CAP) for artist in listening.top_artists[:_ARTISTS]]
    tracks = [_track(track) for track in listening.top_tracks[:_TRACKS]]
    plays = listening.recently_played
    sentences = []
    if artists:
        sentences.append(f"Among the top artists of the last months: {_enumerate(artists)}.")
    if tracks:
        sentences.append(f"Among the top tracks: {_enumerate(tracks)}.")
    if again := most_repeated(plays):
        sentences.append(
            f"{_track(again[0])} comes up {again[1]} times in the last {len(plays)} plays."
        )
    return sentences


def _facts(listening: Listening) -> list[str]:
    sentences = (
        _genres(listening),
        _decades(listening),
        _hours(listening),
        _playlists(listening),
        _nothing(listening),
        _missing(listening),
    )
    return [sentence for sentence in sentences if sentence]


def _track(track: Track) -> str:
    by = f" by {shorten(track.artists[0], _NAME_CAP)}" if track.artists else ""
    return f"“{shorten(track.name, _NAME_CAP)}”{by}"


def _genres(listening: Listening) -> str:
    analysis = listening.genre_analysis
    if not analysis.artists_considered:
        return ""
    if not analysis.genres:
        return "Spotify tells no genres for these artists."
    names = _enumerate([genre.name for genre in analysis.genres[:_GENRES]])
    known = f"known for {analysis.artists_known} of {analysis.artists_considered} artists"
    return f"Genres by weight ({known}): {names}."


def _decades(listening: Listening) -> str:
    tracks = listening.top_tracks
    dated = sum(track.released is not None for track in tracks)
    top = decades(tracks)[:_DECADES]
    if not top:
        return ""
    counts = _enumerate([f"{count} from the {decade}s" for decade, count in top])
    return f"Of the {dated} top tracks with a known year, {counts}."


def _hours(listening: Listening) -> str:
    by_hour = plays_by_hour(listening.recently_played)
    start = busiest_window(by_hour, _WINDOW)
    if start is None:
        return ""
    end = (start + _WINDOW) % HOURS
    among = sum(by_hour[(start + step) % HOURS] for step in range(_WINDOW))
    return (
        f"Of the last {sum(by_hour)} plays, {among} ended"
        f" between {start:02}:00 and {end:02}:00 UTC."
    )


def _playlists(listening: Listening) -> str:
    lists = listening.playlists
    if not lists:
        return ""
    owned = sum(bool(each.owned) for each in lists)
    followed = sum(each.owned is False for each in lists)
    if not owned + followed:
        return f"{len(lists)} playlists were read."
    return f"Of the {len(lists)} playlists read, the listener owns {owned} and follows {followed}."


def _nothing(listening: Listening) -> str:
    empty = [
        _words(section.name)
        for section in listening.sections
        if section.status == "ok" and section.count == 0
    ]
    return f"Spotify has nothing yet under {_enumerate(empty)}." if empty else ""


def _missing(listening: Listening) -> str:
    gaps = {each.name: each for each in listening.sections if each.status != "ok"}
    reasons = [f"{_words(name)} ({_reason(gaps[name].code)})" for name in SECTIONS if name in gaps]
    return f"Missing: {_enumerate(reasons)}." if reasons else ""


def _reason(code: str | None) -> str:
    return _words(code or "unknown")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _enumerate(parts: Sequence[str]) -> str:
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
