"""The evidence (grounding facts) of an answer: counted from the listener's data, by code.

Only what the question asks or the answer names: a fact about something else is no ground for it.
"""

import re
from collections.abc import Callable, Iterator

from lyra.chat.evidence_subjects import Subjects
from lyra.chat.mentions.cards import Mention, find_mentions
from lyra.listening.genres import normalise
from lyra.listening.insights import (
    busiest_span,
    decades,
    plays_between,
    recent_rows,
    rows_sent,
)
from lyra.listening.models import Artist, Listening, Playlist, SectionName, Track
from lyra.listening.sanitize import shorten
from lyra.listening.wording import count, enumerate_parts, percent, times
from lyra.timezones import UTC_ZONE, Zone

MAX_FACTS = 6
_MAX_ASKED = 3  # of them about what is asked, so that there is room for what is named
_MAX_QUESTION = 2000  # characters that are looked at
_NAMED = 3  # artists, of those under one genre
_GREETING = re.compile(
    r"\W*(?:(?:hi+|hello|hey+|hiya|yo|good|morning|afternoon|evening|day|there|again|lyra|hola|hallo|salut"
    r"|bonjour|ciao|ol\u00e1|hej|moin|servus|thanks|thank|you|bye|\u3053\u3093\u306b\u3061\u306f|\u4f60\u597d)\W*){1,6}"
)
_DECADE = re.compile(r"\b([12]\d\d0)s\b")
_BETWEEN = re.compile(r"\b([01]\d|2[0-3]):00 (?:and|to|-) ([01]\d|2[0-3]):00\b")


def find_evidence(
    listening: Listening, mentions: list[Mention], question: str = "", zone: Zone = UTC_ZONE
) -> list[str]:
    """Return at most six short sentences with numbers: what the question asks, what is named.

    A greeting asks nothing, and its answer rests on nothing.
    """
    asked = question[:_MAX_QUESTION].strip().casefold()
    if _GREETING.fullmatch(asked):
        return []
    general = [
        fact
        for about, facts in _ASKED
        if about.search(asked)
        for fact in facts(listening, asked, zone)
    ]
    subjects = Subjects(listening)
    in_question = find_mentions(question[:_MAX_QUESTION], listening) if asked else []
    named = [*in_question, *mentions]
    special = [fact for mention in named for fact in _facts_about(subjects, mention)]
    return list(dict.fromkeys([*general[:_MAX_ASKED], *special]))[:MAX_FACTS]


def _facts_about(subjects: Subjects, mention: Mention) -> Iterator[str]:
    match mention.item:
        case Track() as track:
            yield from _facts_about_track(subjects, track)
        case Artist() as artist:
            yield from _facts_about_artist(subjects, artist)
        case Playlist(total=int(total)) as playlist:
            yield f"{subjects.quote(playlist.name)} is a playlist of {count(total, 'track')}."
        case _:
            return  # a playlist whose length Spotify does not say


def _facts_about_track(subjects: Subjects, track: Track) -> Iterator[str]:
    name = subjects.name_track(track)
    if rank := subjects.rank_of_track(track):
        yield _tell_rank(name, rank, rows_sent(subjects.listening, "top_tracks"), "top track")
    plays, rows = subjects.plays_of_track(track), recent_rows(subjects.listening)
    if plays and rows.sent == 1:
        yield f"{name} is your last play."
    elif plays:
        yield f"{name} is among your last {rows.sent} plays {times(plays)}{_bracket(rows.left_out)}."


def _facts_about_artist(subjects: Subjects, artist: Artist) -> Iterator[str]:
    name = shorten(artist.name, subjects.MAX_NAME)
    if rank := subjects.rank_of_artist(artist):
        yield _tell_rank(name, rank, rows_sent(subjects.listening, "top_artists"), "top artist")
    name = subjects.name_artist(artist)
    plays, rows = subjects.plays_of_artist(artist), recent_rows(subjects.listening)
    if plays and rows.sent == 1:
        yield f"Your last play is by {name}."
    elif plays:
        verb = "is" if plays == 1 else "are"
        of = f"{plays} of your last {rows.sent} plays"
        yield f"{of} {verb} by {name}{_bracket(rows.left_out)}."
    if artist.genres:
        yield f"Spotify files {name} under {', '.join(artist.genres[:3])}."


def _tell_rank(name: str, rank: int, rows: int, noun: str) -> str:
    if rows == 1:
        return f"{name} is your only {noun}."
    return f"{name} is number {rank} of your {rows} {noun}s."


def _genres(listening: Listening, asked: str, _: Zone) -> Iterator[str]:
    analysis = listening.genre_analysis
    yield from _gap(listening, "top_artists")
    named = [each for each in analysis.genres if _stands_in(each.name, asked)]
    for genre in named[:1]:
        yield from _artists_under(listening, genre.name)
    known = f"{analysis.artists_known} of {count(analysis.artists_considered, 'top artist')}"
    if analysis.genres and analysis.thin:
        yield f"Genres are known for only {known}."
        return
    part = f"{percent(analysis.coverage)} of the listening by weight"
    for genre in named[:1] or analysis.genres[:2]:
        share = percent(genre.share)
        yield f"{genre.name} is {share} of the listening whose genre is known ({known}, {part})."


def _stands_in(name: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def _artists_under(listening: Listening, genre: str) -> Iterator[str]:
    form = normalise(genre)
    artists = [
        shorten(artist.name, Subjects.MAX_NAME)
        for artist in listening.top_artists
        if form in map(normalise, artist.genres or ())
    ]
    if artists:
        names = enumerate_parts(artists[:_NAMED])
        among = "" if len(artists) <= _NAMED else "among them "
        of = f"{len(artists)} of your {count(rows_sent(listening, 'top_artists'), 'top artist')}"
        yield f"Spotify files {of} under {genre}, {among}{names}."


def _decades(listening: Listening, asked: str, _: Zone) -> Iterator[str]:
    yield from _gap(listening, "top_tracks")
    counted = decades(listening.top_tracks)
    dated = count(sum(number for _, number in counted), "top track")
    named = [int(first) for first in _DECADE.findall(asked)]
    for decade in dict.fromkeys(named or [first for first, _ in counted[:2]]):
        number = dict(counted).get(decade, 0)
        verb = "is" if number == 1 else "are"
        yield f"{number} of {dated} with a known year {verb} on editions from the {decade}s."


def _hours(listening: Listening, asked: str, zone: Zone) -> Iterator[str]:
    yield from _gap(listening, "recently_played")
    rows, plays = recent_rows(listening), listening.recently_played
    named = _BETWEEN.search(asked)
    span = (
        plays_between(plays, int(named[1]), int(named[2]), zone)
        if named
        else busiest_span(plays, zone)
    )
    if span is None:
        return
    if rows.music == 1 and span.plays:
        yield f"Your {rows.music_plays} ended {span}."
    else:
        yield f"{span.plays} of your {rows.music_plays} ended {span}."


def _recent(listening: Listening, _: str, __: Zone) -> Iterator[str]:
    yield from _gap(listening, "recently_played")
    rows = recent_rows(listening)
    if rows.episodes and rows.sent > 1:
        were = "was an episode" if rows.episodes == 1 else "were episodes"
        yield f"{rows.episodes} of your last {rows.sent} plays {were}."


def _playlists(listening: Listening, _: str, __: Zone) -> Iterator[str]:
    yield from _gap(listening, "playlists")
    total, read = listening.section("playlists").total, len(listening.playlists)
    if total is not None and total > read:
        yield f"{read} of your {count(total, 'playlist')} {'was' if read == 1 else 'were'} read."
    elif read:
        yield f"{count(read, 'playlist')} {'was' if read == 1 else 'were'} read."


def _gaps(listening: Listening, _: str, __: Zone) -> Iterator[str]:
    for section in listening.sections:
        yield from _gap(listening, section.name)


def _gap(listening: Listening, name: SectionName) -> Iterator[str]:
    if listening.section(name).status != "ok":
        yield f"Not read from Spotify: {name.replace('_', ' ')}."


def _bracket(text: str) -> str:
    return f" ({text})" if text else ""


_ASKED: tuple[tuple[re.Pattern[str], Callable[[Listening, str, Zone], Iterator[str]]], ...] = (
    (re.compile(r"\bgenres?\b|\bstyles?\b|\bkinds? of music\b|\btaste\b|\bwhere in my\b"), _genres),
    (re.compile(rf"\bdecades?\b|\bwhich years?\b|{_DECADE.pattern}"), _decades),
    (
        re.compile(rf"\bwhen\b|\bhours?\b|\btimes? of (?:the )?day\b|{_BETWEEN.pattern}"),
        _hours,
    ),
    (
        re.compile(r"\brecent(?:ly)?\b|\blately\b|\blatest\b|\blast\b|\btoday\b|\bpodcasts?\b"),
        _recent,
    ),
    (re.compile(r"\bplaylists?\b"), _playlists),
    (re.compile(r"\bmissing\b|\bcan you (?:see|read)\b|\bdo you (?:see|know about me)\b"), _gaps),
)
