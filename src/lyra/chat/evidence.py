"""Why an answer says what it says: facts of the listener's data, counted by code, not by a model."""

from collections.abc import Iterator

from lyra.chat.mentions import Mentions
from lyra.listening.insights import busiest_span, plays_by_hour
from lyra.listening.models import Artist, Listening, Playlist, Track
from lyra.listening.sanitize import shorten

MOST = 6
_NAME = 80


def facts(listening: Listening, named: list[Mentions]) -> list[str]:
    """At most six short sentences with their numbers, about what the answer names first."""
    found = [fact for each in named for fact in _about(listening, each)]
    if len(found) < MOST:
        found += _in_general(listening)
    return list(dict.fromkeys(found))[:MOST]


def _about(listening: Listening, named: Mentions) -> Iterator[str]:
    match named.item:
        case Track() as track:
            yield from _about_track(listening, track)
        case Artist() as artist:
            yield from _about_artist(listening, artist)
        case Playlist(total=int(total)) as playlist:
            yield f"{_quoted(playlist.name)} is a playlist of {total} tracks."
        case _:
            return  # a playlist of which Spotify does not tell the length


def _about_track(listening: Listening, track: Track) -> Iterator[str]:
    name = _quoted(track.name)
    uris = [each.uri for each in listening.top_tracks]
    if track.uri in uris:
        yield f"{name} is number {uris.index(track.uri) + 1} of your {len(uris)} top tracks."
    plays = listening.recently_played
    count = sum(play.track.uri == track.uri for play in plays)
    if count:
        yield f"{name} is among your last {len(plays)} plays {_times(count)}."


def _about_artist(listening: Listening, artist: Artist) -> Iterator[str]:
    uris = [each.uri for each in listening.top_artists]
    name = shorten(artist.name, _NAME)
    if artist.uri in uris:
        yield f"{name} is number {uris.index(artist.uri) + 1} of your {len(uris)} top artists."
    plays = listening.recently_played
    count = sum(artist.name in play.track.artists for play in plays)
    if count:
        yield f"{count} of your last {len(plays)} plays are by {name}."
    if artist.genres:
        yield f"Spotify files {name} under {', '.join(artist.genres[:3])}."


def _in_general(listening: Listening) -> Iterator[str]:
    genres = listening.genre_analysis
    for genre in genres.genres[:2]:
        yield (
            f"{genre.name} is {genre.share:.0%} of the listening whose genre is known "
            f"({genres.artists_known} of {genres.artists_considered} artists)."
        )
    span = busiest_span(plays_by_hour(listening.recently_played))
    if span is not None:
        count = len(listening.recently_played)
        yield f"{span.plays} of your last {count} plays ended {span}."
    for section in listening.sections:
        if section.status != "ok":
            yield f"Not read from Spotify: {section.name.replace('_', ' ')}."


def _quoted(name: str) -> str:
    return f"\u201c{shorten(name, _NAME)}\u201d"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
