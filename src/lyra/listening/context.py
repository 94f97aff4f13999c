r"""The model's context of a listener: lines that no name can forge, the same for the same data.

    # top tracks, ranked by Spotify: title | artists | album | year of this edition
    1. Paper Lighthouse | Velmora Dusk; Ostrin | Salt Rooms | 2019
    # recent plays, newest first: UTC time of its end, title | artists, or the number of a top track
    2026-11-22 Sunday
    21:39 Paper Lighthouse | #1

Each line begins with what is written here, never with a text of Spotify: `# ` and a heading, a day,
or a row's rank, time or `- `. Fields are parted by ` | `, names in one field by `; `; empty ones at
the end are left out. Texts are escaped by `fence`.
"""

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from datetime import date
from itertools import chain
from typing import Literal

from lyra.listening.fence import FIELD, PART, escape, escape_part, unusual
from lyra.listening.insights import hour, plays_by_hour
from lyra.listening.models import Artist, Listening, Play, Playlist, SectionName, Track
from lyra.listening.sanitize import shorten
from lyra.listening.summary import summarise_without_names

Level = Literal["full", "minimal", "none"]
_TRACK_CREDITS, _PLAY_CREDITS = 4, 2
_GENRES = 3
_CAP, _SUMMARY_CAP = 100, 2000
_ALBUM_CAP, _DESCRIPTION_CAP, _PLAY_CAP = 48, 80, 80
_REFERENCE_CAP = 40  # the whole title stands among the top tracks
_WITHHELD = "The operator of this service keeps Spotify data from the language model."
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2})[0-9:.]*Z", re.ASCII)
_OWNED = {True: "own", False: "other", None: ""}


def listening_context(listening: Listening, level: Level) -> str:
    """Return lines for the prompt, the same bytes for the same listening.

    `full` names artists, tracks, albums and playlists, and describes these, `minimal` holds the summary and genres
    without any such name, `none` only says that the data is withheld. Times are UTC.
    """
    sections = {"full": _full, "minimal": _minimal, "none": _none}[level]
    return "\n".join(chain.from_iterable(sections(listening)))


def _none(_: Listening) -> Iterator[Iterable[str]]:
    yield "# withheld", f"- {_WITHHELD}"


def _full(listening: Listening) -> Iterator[Iterable[str]]:
    yield _summary(listening.summary)
    yield _genres(listening)
    if _told(listening, "top_artists"):
        yield _artists(listening.top_artists)
    if _told(listening, "top_tracks"):
        yield _tracks(listening.top_tracks)
    if _told(listening, "recently_played"):
        yield _plays(listening)
        yield _hours(listening)
    if _told(listening, "playlists"):
        yield _playlists(listening)
    yield _missing(listening)


def _minimal(listening: Listening) -> Iterator[Iterable[str]]:
    yield _summary(summarise_without_names(listening))
    yield _genres(listening)
    yield _missing(listening)


def _told(listening: Listening, name: SectionName) -> bool:
    """Return whether a list is known; one that was not read is missing, and not empty."""
    return bool(getattr(listening, name)) or listening.section(name).status == "ok"


def _summary(summary: str) -> Iterator[str]:
    if summary:
        yield "# summary"
        yield f"- {_text(summary, _SUMMARY_CAP)}"


def _genres(listening: Listening) -> Iterator[str]:
    analysis = listening.genre_analysis
    if not analysis.genres:
        if _told(listening, "top_artists"):  # of these alone it tells genres
            yield f"# genres: {'Spotify sent none' if listening.top_artists else 'none'}"
        return
    known = f"{analysis.artists_known} of {analysis.artists_considered} top artists"
    if analysis.thin:
        yield f"# genres: known for {known}, too few to tell shares"
        yield from (f"- {_text(genre.name)}" for genre in analysis.genres)
        return
    coverage = f"{analysis.coverage:.0%} of the listening by weight"
    yield f"# genres by share of the listening whose genre is known: {known}, {coverage}"
    yield from (f"{genre.share:.1%} {_text(genre.name)}" for genre in analysis.genres)


def _artists(artists: Iterable[Artist]) -> Iterator[str]:
    yield "# top artists, ranked by Spotify: name | genres"
    for place, artist in enumerate(artists, 1):
        yield _row(
            f"{artist.rank or place}. ", _text(artist.name), _parts(artist.genres or (), _GENRES)
        )


def _tracks(tracks: Iterable[Track]) -> Iterator[str]:
    yield "# top tracks, ranked by Spotify: title | artists | album | year of this edition"
    for place, track in enumerate(tracks, 1):
        yield _row(
            f"{track.rank or place}. ",
            _text(track.name),
            _parts(track.artists, _TRACK_CREDITS),
            _text(track.album or "", _ALBUM_CAP),
            str(track.released or ""),
        )


def _plays(listening: Listening) -> Iterator[str]:
    ranks: dict[Hashable, int] = {}
    for place, track in enumerate(listening.top_tracks, 1):
        ranks.setdefault(_identity(track), track.rank or place)
    episodes = listening.section("recently_played").episodes
    without = f" without {episodes} of podcasts" if episodes else ""
    yield (
        f"# recent plays, newest first{without}: UTC time of its end, title | artists, or the "
        "number of a top track"
    )
    before: str | None = None
    for play in listening.recently_played:
        day, time = _moment(play)
        if day != before:
            yield f"{day} {_weekday(day)}" if day else "day unknown"
            before = day
        yield _play(time, play.track, ranks.get(_identity(play.track)))


def _play(time: str, track: Track, rank: int | None) -> str:
    if rank:
        return f"{time} {_text(track.name, _REFERENCE_CAP)}{FIELD}#{rank}"
    return _row(f"{time} ", _text(track.name, _PLAY_CAP), _parts(track.artists, _PLAY_CREDITS))


def _moment(play: Play) -> tuple[str, str]:
    """Return the day and the time in UTC at which the play ended, an empty day if that is not known."""
    match = _MOMENT.match(play.played_at or "")
    return (match[1], match[2]) if match and hour(play) is not None else ("", "--:--")


def _weekday(day: str) -> str:
    return _DAYS[date.fromisoformat(day).weekday()]


def _identity(track: Track) -> Hashable:
    return track.id or (track.name, track.artists)


def _hours(listening: Listening) -> Iterator[str]:
    counts = enumerate(plays_by_hour(listening.recently_played))
    if told := ", ".join(f"{hour:02}h {count}" for hour, count in counts if count):
        yield "# plays by hour, UTC"
        yield f"- {told}"


def _playlists(listening: Listening) -> Iterator[str]:
    shown, total = len(listening.playlists), listening.section("playlists").total
    many = f"{shown} of {total}" if total is not None else f"{shown} read"
    yield f"# playlists, {many}, in Spotify's order: name | tracks | own or other's | description"
    yield from map(_playlist, listening.playlists)


def _playlist(playlist: Playlist) -> str:
    return _row(
        "- ",
        _text(playlist.name),
        "" if playlist.total is None else str(playlist.total),
        _OWNED[playlist.owned],
        _text(playlist.description or "", _DESCRIPTION_CAP),
    )


def _missing(listening: Listening) -> Iterator[str]:
    gaps = [section for section in listening.sections if section.status != "ok"]
    if gaps:
        yield "# missing"
    for section in gaps:
        yield f"- {section.name}: {_text(section.message or section.status, _SUMMARY_CAP)}"


def _row(start: str, *fields: str) -> str:
    """Return a row; neither its fields nor their separator end in what is taken off here."""
    return start + FIELD.join(fields).rstrip(FIELD)


def _text(text: str, limit: int = _CAP) -> str:
    if len(text) <= limit and not unusual(text):
        return text
    return escape(shorten(text, limit))


def _parts(names: Sequence[str], most: int) -> str:
    return PART.join(map(_part, names[:most]))


def _part(name: str) -> str:
    if len(name) <= _CAP and not unusual(name):
        return name
    return escape_part(shorten(name, _CAP))
