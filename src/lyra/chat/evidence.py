"""The evidence (grounding facts) of an answer: counted from the listener's data, by code."""

from collections.abc import Iterator

from lyra.chat.mentions.cards import Mention
from lyra.listening.insights import busiest_span, plays_by_hour
from lyra.listening.models import Artist, Listening, Playlist, Track
from lyra.listening.sanitize import shorten

MAX_FACTS = 6
_MAX_NAME = 80


def find_evidence(listening: Listening, mentions: list[Mention]) -> list[str]:
    """Return at most six short sentences with numbers, first about what the answer names."""
    sentences = [fact for mention in mentions for fact in _facts_about(listening, mention)]
    if len(sentences) < MAX_FACTS:
        sentences += _general_facts(listening)
    return list(dict.fromkeys(sentences))[:MAX_FACTS]


def _facts_about(listening: Listening, mention: Mention) -> Iterator[str]:
    match mention.item:
        case Track() as track:
            yield from _facts_about_track(listening, track)
        case Artist() as artist:
            yield from _facts_about_artist(listening, artist)
        case Playlist(total=int(total)) as playlist:
            yield f"{_quote(playlist.name)} is a playlist of {total} tracks."
        case _:
            return  # a playlist whose length Spotify does not say


def _facts_about_track(listening: Listening, track: Track) -> Iterator[str]:
    name = _quote(track.name)
    uris = [each.uri for each in listening.top_tracks]
    if track.uri in uris:
        yield f"{name} is number {uris.index(track.uri) + 1} of your {len(uris)} top tracks."
    plays = listening.recently_played
    count = sum(play.track.uri == track.uri for play in plays)
    if count:
        yield f"{name} is among your last {len(plays)} plays {_say_times(count)}."


def _facts_about_artist(listening: Listening, artist: Artist) -> Iterator[str]:
    uris = [each.uri for each in listening.top_artists]
    name = shorten(artist.name, _MAX_NAME)
    if artist.uri in uris:
        yield f"{name} is number {uris.index(artist.uri) + 1} of your {len(uris)} top artists."
    plays = listening.recently_played
    count = sum(artist.name in play.track.artists for play in plays)
    if count:
        yield f"{count} of your last {len(plays)} plays are by {name}."
    if artist.genres:
        yield f"Spotify files {name} under {', '.join(artist.genres[:3])}."


def _general_facts(listening: Listening) -> Iterator[str]:
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


def _quote(name: str) -> str:
    return f"\u201c{shorten(name, _MAX_NAME)}\u201d"


def _say_times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
