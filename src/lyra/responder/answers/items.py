"""Answers about what a question names: an artist, a track, an album, a playlist, a genre."""

from collections.abc import Callable
from typing import NamedTuple

from lyra.responder.answers.choice import artists_of_genre, belongs
from lyra.responder.intents import Intent
from lyra.responder.listener import Artist, Genre, Listener, Playlist, Section, Track, Voice
from lyra.responder.names import Album, Item
from lyra.responder.vocabulary import Concept
from lyra.responder.wording import (
    LISTED,
    RANKING,
    begin,
    bullets,
    count,
    enumerate_,
    last_plays,
    minute,
    minutes,
    of_last_plays,
    quote,
    title,
)

_MAX_ITEMS = 4
_COUNTS = "How often in all, Spotify does not tell."


class _Subject(NamedTuple):
    """What is told of an item: its name, and "theirs" or "it" for its tracks."""

    name: str
    tracks: str
    plays: str


def describe_items(listener: Listener, intent: Intent, _: Voice) -> str:
    """Say what the data holds of each thing that the question names."""
    items = [item for named in intent.names for item in named.items]
    told = [_DESCRIBE[type(item)](listener, item) for item in items[:_MAX_ITEMS]]
    if Concept.HOW_OFTEN in intent.concepts and not all(isinstance(one, Genre) for one in items):
        told.append(_COUNTS)
    if len(items) > _MAX_ITEMS:
        rest = enumerate_([quote(item.name) for item in items[_MAX_ITEMS : _MAX_ITEMS + LISTED]])
        told.append(f"{len(items) - _MAX_ITEMS} more have that in their name, {rest} among them.")
    if intent.sought:
        told.insert(0, f"By {quote(intent.sought)} I take what has that in its name.")
    return "\n\n".join(dict.fromkeys(told))


def _describe_artist(listener: Listener, artist: Item) -> str:
    assert isinstance(artist, Artist)  # noqa: S101 - chosen by its type
    sentences = [
        _rank(listener, artist),
        _tracks(listener, artist, "theirs"),
        _plays(listener, artist, "theirs"),
    ]
    if artist.genres:
        sentences.append(f"Spotify files them under {enumerate_(artist.genres)}.")
    return " ".join(filter(None, sentences))


def _describe_track(listener: Listener, track: Item) -> str:
    assert isinstance(track, Track)  # noqa: S101 - chosen by its type
    sentences = [
        _what_it_is(track),
        _rank(listener, track),
        _plays(listener, track, "of it"),
    ]
    return " ".join(filter(None, sentences))


def _what_it_is(track: Track) -> str:
    parts = [
        f"is from {quote(track.album)}" if track.album else "",
        f"came out in {track.year} in this edition" if track.year else "",
        f"lasts {minutes(track.duration_s)}" if track.duration_s is not None else "",
    ]
    return (
        f"{title(track)} {enumerate_([part for part in parts if part])}."
        if any(parts)
        else f"{title(track)}:"
    )


def _describe_album(listener: Listener, album: Item) -> str:
    sentences = [_tracks(listener, album, "from it"), _plays(listener, album, "from it")]
    return f"{quote(album.name)} is an album. {' '.join(filter(None, sentences))}"


def _describe_playlist(_: Listener, playlist: Item) -> str:
    assert isinstance(playlist, Playlist)  # noqa: S101 - chosen by its type
    whose = {
        True: ", your own",
        False: f", by {playlist.owner}" if playlist.owner else ", not your own",
    }
    length = (
        "whose length I do not know"
        if playlist.tracks is None
        else f"of {count(playlist.tracks, 'track')}"
    )
    owner = whose.get(playlist.owned, "") if playlist.owned is not None else ""
    words = f" Its description says: {quote(playlist.description)}." if playlist.description else ""
    return f"{quote(playlist.name)} is a playlist {length}{owner}.{words} Which songs are in it I do not read."


def _describe_genre(listener: Listener, genre: Item) -> str:
    assert isinstance(genre, Genre)  # noqa: S101 - chosen by its type
    place = next((at for at, one in enumerate(listener.genres, 1) if one == genre), None)
    artists = artists_of_genre(listener, genre)
    sentences = []
    if place:
        known = f" ({listener.genres_known_for})" if listener.genres_known_for else ""
        many = len(listener.genres)
        rank = f"number {place} by weight of the {many} genres" if many > 1 else "the only genre"
        sentences.append(f"{genre.name} is {_share(genre)}{rank} I have{known}.")
    else:
        largest = count(len(listener.genres), "largest genre")
        sentences.append(f"{genre.name} is not among your {largest}.")
    if artists:
        named = enumerate_([artist.name for artist in artists[:LISTED]])
        more = f", {named} among them" if len(artists) > LISTED else f": {named}"
        sentences.append(f"Spotify files {len(artists)} of your top artists under it{more}.")
        sentences += [_tracks(listener, genre, "theirs"), _plays(listener, genre, "theirs")]
    return " ".join(filter(None, sentences))


def _share(genre: Genre) -> str:
    return "" if genre.share is None else f"{genre.share:.0%} of the listening that has a genre, "


_DESCRIBE: dict[type[Item], Callable[[Listener, Item], str]] = {
    Artist: _describe_artist,
    Track: _describe_track,
    Album: _describe_album,
    Playlist: _describe_playlist,
    Genre: _describe_genre,
}


def _rank(listener: Listener, item: Artist | Track) -> str:
    section: Section = "artists" if isinstance(item, Artist) else "tracks"
    ranked = listener.artists if isinstance(item, Artist) else listener.tracks
    name = item.name if isinstance(item, Artist) else "It"
    if section in listener.gaps or not ranked:
        return listener.gaps.get(section, "")
    own = next((one for one in ranked if one.key == item.key), None)
    noun = count(len(ranked), f"top {section.removesuffix('s')}")
    if own is None:
        return f"{name} is not among your {noun}."
    if own.rank is None:
        return f"{name} is among your {noun}."
    return f"{name} is number {own.rank} of your {noun} in {RANKING}."


def _tracks(listener: Listener, item: Item, theirs: str) -> str:
    if "tracks" in listener.gaps:
        return listener.gaps["tracks"]
    found = [track for track in listener.tracks if belongs(listener, track, item)]
    if not listener.tracks:
        return ""
    named = enumerate_([quote(track.name) for track in found[:LISTED]])
    whole = count(len(listener.tracks), "top track")
    if not found:
        return (
            f"None of your {whole} is {theirs}."
            if len(listener.tracks) > 1
            else f"Your only top track is not {theirs}."
        )
    if len(found) == len(listener.tracks) == 1:
        return f"Your only top track is {theirs}: {named}."
    more = ", the highest of them " if len(found) > LISTED else ": "
    return (
        f"{len(found)} of your {whole} {'is' if len(found) == 1 else 'are'} {theirs}{more}{named}."
    )


def _plays(listener: Listener, item: Item, theirs: str) -> str:
    if "plays" in listener.gaps:
        return listener.gaps["plays"]
    if not listener.plays:
        return ""
    found = [play for play in listener.plays if belongs(listener, play.track, item)]
    latest = f", the latest on {minute(found[0].ended)}" if found and found[0].ended else ""
    return f"{begin(of_last_plays(len(found), listener))} {theirs}{latest}."


def tell_common(listener: Listener, intent: Intent, _: Voice) -> str:
    """Say what the data shows of two artists together."""
    artists = [
        item for named in intent.names for item in named.items[:1] if isinstance(item, Artist)
    ]
    artists = list(dict.fromkeys(artists))[:2]
    if len(artists) < 2:  # noqa: PLR2004 - a pair
        found = f"I find only {artists[0].name} among your artists. " if artists else ""
        return f"{found}Name two artists of your own, and I say what the data shows of both."
    one, other = artists
    told = [
        _rank(listener, one),
        _rank(listener, other),
        _common_genres(listener, one, other),
        _common_tracks(listener, one, other),
    ]
    return bullets(dict.fromkeys(filter(None, told)))


def _common_genres(listener: Listener, one: Artist, other: Artist) -> str:
    if not (one.genres and other.genres):
        without = [artist.name for artist in (one, other) if not artist.genres]
        if listener.gaps.get("artists"):
            return ""
        return f"I know no genre of {enumerate_(without, 'or')}, so none that both have."
    both = [genre for genre in one.genres if genre in other.genres]
    if both:
        return f"Spotify files both under {enumerate_(both)}."
    return (
        f"Spotify files {one.name} under {enumerate_(one.genres)} and {other.name} under "
        f"{enumerate_(other.genres)}: no genre in common."
    )


def _common_tracks(listener: Listener, one: Artist, other: Artist) -> str:
    tracks = {
        track.key: track for track in (*listener.tracks, *(play.track for play in listener.plays))
    }
    both = [
        title(each)
        for each in tracks.values()
        if belongs(listener, each, one) and belongs(listener, each, other)
    ]
    counts = [
        sum(belongs(listener, track, each) for track in listener.tracks) for each in (one, other)
    ]
    plays = [
        sum(belongs(listener, play.track, each) for play in listener.plays) for each in (one, other)
    ]
    together = f"Both are credited on {enumerate_(both[:LISTED])}. " if both else ""
    ranked = (
        f"Of your {count(len(listener.tracks), 'top track')}, {counts[0]} {'is' if counts[0] == 1 else 'are'} by {one.name} "
        f"and {counts[1]} by {other.name}. "
        if listener.tracks
        else ""
    )
    heard = (
        f"Of {last_plays(listener)}, {plays[0]} {'is' if plays[0] == 1 else 'are'} by {one.name} and {plays[1]} by {other.name}."
        if listener.plays
        else ""
    )
    return f"{together}{ranked}{heard}".strip()


def list_similar(listener: Listener, intent: Intent, voice: Voice) -> str:
    """Name the listener's other artists of the same genres."""
    items = [item for named in intent.names for item in named.items]
    credits_ = {credit.key for item in items if isinstance(item, Track) for credit in item.credits}
    artists = [item for item in items if isinstance(item, Artist)]
    artists += [artist for artist in listener.artists if artist.key in credits_]
    limits = f"{voice.limits} I know no artists but yours"
    if not artists:
        return f"{limits}: name one of them, and I look for others of yours with the same genres."
    one = artists[0]
    if not one.genres:
        return f"{limits}, and no genre of {one.name} by which I could compare."
    others = [
        each.name for each in listener.artists if each != one and set(each.genres) & set(one.genres)
    ]
    if not others:
        return f"{limits}; none of the others is filed under {enumerate_(one.genres, 'or')}, as {one.name} is."
    return f"{limits}. Of these, Spotify files under {enumerate_(one.genres, 'or')}, as {one.name}:\n{bullets(others[:LISTED])}"


def tell_not_found(listener: Listener, intent: Intent, _: Voice) -> str:
    """Say where a name was looked for and not found."""
    wholes = [
        count(len(listener.artists), "top artist"),
        count(len(listener.tracks), "top track"),
        last_plays(listener) if listener.plays else "",
        count(len(listener.playlists), "playlist name"),
        "the genres" if listener.genres else "",
    ]
    unread = " ".join(dict.fromkeys(listener.gaps.values()))
    where = enumerate_([whole for whole in wholes if whole and not whole.startswith("0 ")])
    if not where:
        return unread or "Spotify lists nothing for you yet."
    return f"{quote(intent.sought)} is in none of what I have of you: {where}. {unread}".strip()
