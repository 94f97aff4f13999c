"""Judge what the offline mode says, by facts that are counted anew from the listener's data.

Nothing here uses the responder: an oracle returns what a useful answer has to hold, in this
order, and what it must not hold.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

from lyra.listening.models import Artist, Listening, Play, Playlist, Track

QUESTIONS = Path(__file__).with_name("offline_questions.toml")
DECLINE = "I did not understand"
_CAVEAT = "This does not take"
Verdict = Literal["useful", "partly", "wrong", "unhelpful"]
VERDICTS: tuple[Verdict, ...] = ("useful", "partly", "wrong", "unhelpful")


class Question(NamedTuple):
    """A question of a kind, and what its answer is expected to hold."""

    text: str
    kind: str
    expect: str
    says: tuple[str, ...]
    caveat: bool


class Expected(NamedTuple):
    """Texts that have to stand in an answer, in this order, and texts that must not."""

    holds: Sequence[str]
    lacks: Sequence[str] = ()


def load_questions() -> list[Question]:
    """Return the questions of the data file."""
    tables = tomllib.loads(QUESTIONS.read_text("utf-8"))
    return [
        Question(
            text,
            kind,
            row.get("expect", ""),
            tuple(row.get("says", ())),
            row.get("caveat", False),
        )
        for kind, rows in tables.items()
        for text, row in rows.items()
    ]


def fill(text: str, listening: Listening) -> str:
    """Return the text with the listener's own names in place of {artist1} and the like."""

    def name(match: re.Match[str]) -> str:
        lists: Mapping[str, Sequence[Any]] = {
            "artist": listening.top_artists,
            "track": listening.top_tracks,
            "genre": listening.genre_analysis.genres,
            "playlist": listening.playlists,
        }
        named: str = lists[match[1]][int(match[2]) - 1].name
        return named

    return re.sub(r"\{([a-z]+)([0-9])\}", name, text)


def judge(question: Question, answer: str, listening: Listening) -> Verdict:
    """Return how useful the answer is."""
    oracle, *arguments = (question.expect or "says").split()
    expected = _ORACLES[oracle](listening, *map(int, arguments))
    said = [text in answer for text in (fill(each, listening) for each in question.says)]
    held = list(_held(expected.holds, answer))
    if any(text in answer for text in expected.lacks):
        return "wrong"
    if DECLINE in answer and oracle != "decline":
        return "unhelpful"
    if (_CAVEAT in answer) != question.caveat:
        return "wrong" if question.caveat else "partly"
    if all(said) and all(held):
        return "useful"
    return "partly" if any([*said, *held]) else "wrong"


def _held(texts: Sequence[str], answer: str) -> Iterator[bool]:
    at = 0
    for text in texts:
        found = answer.find(text, at)
        yield found >= 0
        at = max(at, found + len(text))


# The oracles: each counts for itself.


def _title(track: Track) -> str:
    return f"“{track.name}”"


def _times(play: Play) -> datetime:
    return datetime.fromisoformat(str(play.played_at)).astimezone(UTC)


def _names(listening: Listening) -> list[str]:
    """Every name that an answer about something else must not hold."""
    return [
        *(artist.name for artist in listening.top_artists),
        *(_title(track) for track in listening.top_tracks),
        *(f"“{playlist.name}”" for playlist in listening.playlists),
    ]


def _cut(names: Sequence[str], number: int) -> Expected:
    """The first so many names, and not the one behind them."""
    behind = [name for name in names[number : number + 1] if name not in "\n".join(names[:number])]
    return Expected([f"- {name}" for name in names[:number]], [f"- {name}" for name in behind])


def _top_artists(listening: Listening, number: int) -> Expected:
    return _cut([artist.name for artist in listening.top_artists], number)


def _top_tracks(listening: Listening, number: int) -> Expected:
    return _cut([_title(track) for track in listening.top_tracks], number)


def _top_genres(listening: Listening, number: int) -> Expected:
    genres = listening.genre_analysis.genres
    return Expected([f"{genre.name} ({genre.share:.0%})" for genre in genres[:number]])


def _artists_genres(listening: Listening, number: int) -> Expected:
    artists, genres = _top_artists(listening, number), _top_genres(listening, number)
    return Expected([*artists.holds, *genres.holds])


def _artist_at(listening: Listening, place: int) -> Expected:
    name = listening.top_artists[place - 1].name
    others = [one.name for one in listening.top_artists if one.name not in name]
    return Expected([name], others)


def _artist_last(listening: Listening) -> Expected:
    return Expected([listening.top_artists[-1].name], [f"- {listening.top_artists[0].name}"])


def _track_at(listening: Listening, place: int) -> Expected:
    track = listening.top_tracks[place - 1]
    others = [_title(one) for one in listening.top_tracks if one.name != track.name]
    return Expected([_title(track)], others)


def _artist_genres(listening: Listening, number: int) -> Expected:
    with_genres = [one for one in listening.top_artists if one.genres]
    return Expected([f"{one.name}: {', '.join(one.genres or ())}" for one in with_genres[:number]])


def _albums(listening: Listening) -> Expected:
    counts = Counter((one.album, one.artists[:1]) for one in listening.top_tracks if one.album)
    (album, _), most = counts.most_common(1)[0]
    return Expected([f"“{album}”", f"{most} top track"])


def _busiest_artist(listening: Listening) -> Expected:
    counts = Counter(id_ for track in listening.top_tracks for id_ in track.artist_ids)
    id_, most = counts.most_common(1)[0]
    name = next(
        name
        for track in listening.top_tracks
        for name, each in zip(track.artists, track.artist_ids, strict=True)
        if each == id_
    )
    return Expected([f"{name}: {most}"])


def _longest(listening: Listening, number: int) -> Expected:
    known = [track for track in listening.top_tracks if track.duration_ms is not None]
    ordered = sorted(known, key=lambda track: -(track.duration_ms or 0) // 1000)
    return Expected([_title(track) for track in ordered[:number]])


def _explicit(listening: Listening) -> Expected:
    marked = [track for track in listening.top_tracks if track.explicit]
    clean = [track for track in listening.top_tracks if track.explicit is False]
    names = {track.name for track in marked}
    return Expected(
        [f"{len(marked)} of ", *(_title(track) for track in marked[:5])],
        [_title(track) for track in clean if track.name not in names],
    )


def _recent(listening: Listening, number: int) -> Expected:
    return Expected([_title(play.track) for play in listening.recently_played[:number]])


def _recent_artists(listening: Listening) -> Expected:
    counts = Counter(id_ for play in listening.recently_played for id_ in play.track.artist_ids)
    most = counts.most_common(1)[0][1]
    return Expected([f"{most} plays"])


def _about_plays(listening: Listening, plays: Sequence[Play]) -> Expected:
    others = {play.track.name for play in listening.recently_played}
    others -= {play.track.name for play in plays}
    others.discard(listening.recently_played[0].track.name)
    known = {track.name for track in listening.top_tracks} | others
    number = f"Of the last {len(listening.recently_played)} plays, {len(plays) or 'none'} ended"
    return Expected([number], [f"| {name} |" for name in others & known])


def _day(listening: Listening, ago: int) -> Expected:
    return _about_plays(listening, _plays_of_day(listening, ago))


def _plays_of_day(listening: Listening, ago: int) -> list[Play]:
    day = (datetime.fromtimestamp(listening.fetched_at, UTC) - timedelta(ago)).date()
    return [play for play in listening.recently_played if _times(play).date() == day]


def _day_artists(listening: Listening, ago: int) -> Expected:
    plays = _plays_of_day(listening, ago)
    counts = Counter(id_ for play in plays for id_ in play.track.artist_ids)
    most = max(counts.values(), default=0)
    busiest = [f": {_plural(most, 'play')}"] if len(plays) > 1 else []
    return Expected([*_about_plays(listening, plays).holds, *busiest])


def _first_of_day(listening: Listening, ago: int) -> Expected:
    plays = _plays_of_day(listening, ago)
    first = [_title(plays[-1].track)] if plays else []
    return Expected([*_about_plays(listening, plays).holds, *first])


def _hours(listening: Listening, start: int, end: int) -> Expected:
    wanted = {(start + step) % 24 for step in range((end - start) % 24)}
    plays = [play for play in listening.recently_played if _times(play).hour in wanted]
    expected = _about_plays(listening, plays)
    return Expected([*expected.holds, f"between {start:02}:00 and {end:02}:00 UTC"], expected.lacks)


def _two_hours(listening: Listening, one: int, end: int, other: int, last: int) -> Expected:
    first, second = _hours(listening, one, end), _hours(listening, other, last)
    numbers = [each.holds[0].rpartition(", ")[2] for each in (first, second)]
    spans = [each.holds[1] for each in (first, second)]
    return Expected([f"{number} {span}" for number, span in zip(numbers, spans, strict=True)])


def _hours_of_day(listening: Listening, start: int, end: int, ago: int) -> Expected:
    day = (datetime.fromtimestamp(listening.fetched_at, UTC) - timedelta(ago)).date()
    plays = [
        play
        for play in listening.recently_played
        if _times(play).date() == day and start <= _times(play).hour < end
    ]
    return _about_plays(listening, plays)


def _heard_artists(listening: Listening) -> Expected:
    ids = {id_ for play in listening.recently_played for id_ in play.track.artist_ids}
    return Expected([f"{len(ids)} artists"])


def _tracks_by(listening: Listening, place: int) -> Expected:
    artist = listening.top_artists[place - 1]
    by = [track for track in listening.top_tracks if artist.id in track.artist_ids]
    names = {track.name for track in by}
    others = [_title(track) for track in listening.top_tracks if track.name not in names]
    return Expected([f"{len(by) or 'None'} of the ", *map(_title, by[:5])], others)


def _genre_tracks(listening: Listening, place: int) -> Expected:
    genre = listening.genre_analysis.genres[place - 1].name
    ids = {one.id for one in listening.top_artists if genre in map(str.casefold, one.genres or ())}
    of = [track for track in listening.top_tracks if ids.intersection(track.artist_ids)]
    names = {track.name for track in of}
    others = [_title(track) for track in listening.top_tracks if track.name not in names]
    return Expected([f"{len(of)} of the ", *map(_title, of[:5])], others)


def _busiest_hours(listening: Listening) -> Expected:
    hours = [_times(play).hour for play in listening.recently_played]
    best = max(sum((hour - start) % 24 < 4 for hour in hours) for start in range(24))
    return Expected([f"Of the last {len(hours)} plays, {best} ended between"])


def _repeated(listening: Listening) -> Expected:
    counts = Counter(play.track.uri for play in listening.recently_played)
    uri, most = counts.most_common(1)[0]
    track = next(play.track for play in listening.recently_played if play.track.uri == uri)
    often = "twice" if most == 2 else f"{most} times"
    return Expected([_title(track), often] if most > 1 else ["Nothing comes up more than once"])


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _artist(listening: Listening, place: int) -> Expected:
    artist: Artist = listening.top_artists[place - 1]
    tracks = sum(artist.id in track.artist_ids for track in listening.top_tracks)
    plays = sum(artist.id in play.track.artist_ids for play in listening.recently_played)
    return Expected(
        [
            f"{artist.name} is number {place} of your {len(listening.top_artists)} top artists",
            f"{tracks or 'None'} of your {len(listening.top_tracks)} top tracks",
            f"{plays or 'None'} of the last {len(listening.recently_played)} plays",
        ]
    )


def _track(listening: Listening, place: int) -> Expected:
    track = listening.top_tracks[place - 1]
    plays = sum(play.track.uri == track.uri for play in listening.recently_played)
    return Expected(
        [
            f"{_title(track)} by {track.artists[0]}",
            f"number {place} of your {len(listening.top_tracks)} top tracks",
            f"{plays or 'None'} of the last {len(listening.recently_played)} plays",
        ]
    )


def _common(listening: Listening, one: int, other: int) -> Expected:
    first, second = listening.top_artists[one - 1], listening.top_artists[other - 1]
    both = [genre for genre in first.genres or () if genre in (second.genres or ())]
    genres = f"files both under {both[0]}" if both else " genre"
    return Expected(
        [
            f"{first.name} is number {one} of your",
            f"{second.name} is number {other} of your",
            genres,
        ],
        [] if both else ["files both under"],
    )


def _similar(listening: Listening, place: int) -> Expected:
    artist = listening.top_artists[place - 1]
    genres = set(artist.genres or ())
    others = [
        one for one in listening.top_artists if one != artist and genres & set(one.genres or ())
    ]
    strangers = [one for one in listening.top_artists if one != artist and one not in others]
    return Expected(
        [f"- {one.name}" for one in others[:5]] or ["Without a language model I know no artists"],
        [f"- {one.name}\n" for one in strangers],
    )


def _playlist(listening: Listening, place: int) -> Expected:
    playlist = listening.playlists[place - 1]
    return Expected([f"“{playlist.name}” is a playlist of {_plural(playlist.total or 0, 'track')}"])


def _genre(listening: Listening, place: int) -> Expected:
    genre = listening.genre_analysis.genres[place - 1]
    return Expected([f"{genre.name} is {genre.share:.0%} of the listening", f"number {place} "])


def _two_genres(listening: Listening, one: int, other: int) -> Expected:
    return Expected([*_genre(listening, one).holds, *_genre(listening, other).holds])


def _years(listening: Listening, first: int, last: int) -> Expected:
    dated = [track for track in listening.top_tracks if track.released]
    found = [track for track in dated if first <= (track.released or 0) <= last]
    names = {track.name for track in found}
    return Expected(
        [f"{len(found) or 'None'} of the {len(dated)} top tracks", *map(_title, found[:5])],
        [_title(track) for track in listening.top_tracks if track.name not in names],
    )


def _oldest(listening: Listening) -> Expected:
    dated = [track for track in listening.top_tracks if track.released]
    oldest = min(dated, key=lambda track: track.released or 0)
    return Expected([_title(oldest), f"({oldest.released})"])


def _decades(listening: Listening) -> Expected:
    counts = Counter(track.released // 10 for track in listening.top_tracks if track.released)
    return Expected(
        [
            f"{number} {'is' if number == 1 else 'are'} from the {decade}0s"
            for decade, number in sorted(counts.items())
        ]
    )


def _playlists(listening: Listening, number: int) -> Expected:
    return _cut([f"“{playlist.name}”" for playlist in listening.playlists], number)


def _playlist_count(listening: Listening) -> Expected:
    total = listening.section("playlists").total or 0
    read = len(listening.playlists)
    return Expected([f"{total} playlists"] if total > read else [_plural(read, "playlist")])


def _largest_playlist(listening: Listening) -> Expected:
    largest: Playlist = max(listening.playlists, key=lambda playlist: playlist.total or 0)
    return Expected([f"“{largest.name}” ({largest.total or 0:,} track"])


def _own_playlists(listening: Listening) -> Expected:
    own = [playlist for playlist in listening.playlists if playlist.owned]
    others = {playlist.name for playlist in listening.playlists if not playlist.owned}
    lacks = others - {playlist.name for playlist in own}
    return Expected([f"{len(own)} ", f"“{own[0].name}”"], [f"“{name}”" for name in lacks])


def _others_playlists(listening: Listening) -> Expected:
    others = [playlist for playlist in listening.playlists if playlist.owned is False]
    own = {playlist.name for playlist in listening.playlists if playlist.owned}
    lacks = own - {playlist.name for playlist in others}
    return Expected([f"{len(others)} ", f"“{others[0].name}”"], [f"“{name}”" for name in lacks])


def _fitting(listening: Listening) -> Expected:
    words = re.compile(
        r"\b(quiet|evening|night|late|calm|slow|rain[y]?|sunday[s]?)\b", re.IGNORECASE
    )
    found = [one for one in listening.playlists if words.search(f"{one.name} {one.description}")]
    others = {one.name for one in listening.playlists} - {one.name for one in found}
    return Expected(
        ["I can only go by the names and descriptions"],
        [f"“{name}”" for name in others] if found else [],
    )


def _playlist_songs(listening: Listening) -> Expected:
    return Expected([f"{sum(one.total or 0 for one in listening.playlists):,} tracks"])


def _not_played(listening: Listening) -> list[Track]:
    played = {play.track.uri for play in listening.recently_played}
    return [track for track in listening.top_tracks if track.uri not in played]


def _forgotten(listening: Listening, number: int = 5) -> Expected:
    left = _not_played(listening)
    names = {track.name for track in left[:number]}
    return Expected(
        [f"{len(left)} are not among", *map(_title, left[:number])],
        [_title(track) for track in listening.top_tracks if track.name not in names],
    )


def _forgotten_artists(listening: Listening) -> Expected:
    played = {id_ for play in listening.recently_played for id_ in play.track.artist_ids}
    left = [artist for artist in listening.top_artists if artist.id not in played]
    return Expected([f"{len(left)} are not among", *(f"- {one.name}" for one in left[:5])])


def _forgotten_genre(listening: Listening, place: int) -> Expected:
    genre = listening.genre_analysis.genres[place - 1].name
    ids = {one.id for one in listening.top_artists if genre in map(str.casefold, one.genres or ())}
    left = [track for track in _not_played(listening) if ids.intersection(track.artist_ids)]
    others = [track for track in _not_played(listening) if not ids.intersection(track.artist_ids)]
    names = {track.name for track in left}
    return Expected(
        [_title(track) for track in left[:5]] or ["None", "All"][:1],
        [_title(track) for track in others if track.name not in names],
    )


def _summary(listening: Listening) -> Expected:
    artists = [artist.name for artist in listening.top_artists[:3]]
    return Expected([*artists, _title(listening.top_tracks[0]), _top_genres(listening, 1).holds[0]])


def _sections(listening: Listening) -> Expected:
    return Expected(
        [
            f"{len(listening.top_artists)} top artists",
            f"{len(listening.top_tracks)} top tracks",
            f"the last {len(listening.recently_played)} plays",
            f"{len(listening.playlists)} playlists",
        ]
    )


def _no_names(listening: Listening) -> Expected:
    return Expected((), _names(listening))


def _decline(listening: Listening) -> Expected:
    return Expected([DECLINE, "in English about your top artists"], _names(listening))


def _only_says(_: Listening) -> Expected:
    return Expected(())


_ORACLES: Mapping[str, Callable[..., Expected]] = {
    "artists": _top_artists,
    "tracks": _top_tracks,
    "genres": _top_genres,
    "artists_genres": _artists_genres,
    "artist_at": _artist_at,
    "artist_last": _artist_last,
    "track_at": _track_at,
    "artist_genres": _artist_genres,
    "albums": _albums,
    "busiest_artist": _busiest_artist,
    "longest": _longest,
    "explicit": _explicit,
    "recent": _recent,
    "recent_artists": _recent_artists,
    "day": _day,
    "hours": _hours,
    "day_artists": _day_artists,
    "first_of_day": _first_of_day,
    "two_hours": _two_hours,
    "hours_of_day": _hours_of_day,
    "heard_artists": _heard_artists,
    "tracks_by": _tracks_by,
    "genre_tracks": _genre_tracks,
    "busiest_hours": _busiest_hours,
    "repeated": _repeated,
    "artist": _artist,
    "track": _track,
    "common": _common,
    "similar": _similar,
    "playlist": _playlist,
    "genre": _genre,
    "two_genres": _two_genres,
    "years": _years,
    "oldest": _oldest,
    "decades": _decades,
    "playlists": _playlists,
    "playlist_count": _playlist_count,
    "largest_playlist": _largest_playlist,
    "own_playlists": _own_playlists,
    "others_playlists": _others_playlists,
    "fitting": _fitting,
    "playlist_songs": _playlist_songs,
    "forgotten": _forgotten,
    "forgotten_artists": _forgotten_artists,
    "forgotten_genre": _forgotten_genre,
    "summary": _summary,
    "sections": _sections,
    "no_names": _no_names,
    "decline": _decline,
    "says": _only_says,
}
