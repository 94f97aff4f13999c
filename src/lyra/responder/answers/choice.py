"""Which tracks a question's names choose."""

from collections.abc import Iterable

from lyra.responder.intents import Intent
from lyra.responder.listener import Artist, Genre, Listener, Track
from lyra.responder.names import Album, Item
from lyra.responder.words import words_of


def matching(listener: Listener, tracks: Iterable[Track], intent: Intent) -> list[Track]:
    """Return the tracks that are of every artist, album or genre that the question names."""
    names = [named.items for named in intent.names]
    return [
        track
        for track in tracks
        if all(any(belongs(listener, track, item) for item in items) for items in names)
    ]


def belongs(listener: Listener, track: Track, item: Item) -> bool:
    """Return whether a track is this one, or is by this artist, on this album, of this genre."""
    match item:
        case Track():
            return track.key == item.key
        case Artist():
            return any(credit.key == item.key for credit in track.credits)
        case Album():
            return track.album == item.name
        case Genre():
            keys = {artist.key for artist in artists_of_genre(listener, item)}
            return any(credit.key in keys for credit in track.credits)
        case _:
            return False


def artists_of_genre(listener: Listener, genre: Genre) -> list[Artist]:
    """Return the top artists that Spotify files under this genre."""
    sought = words_of(genre.name)
    return [one for one in listener.artists if any(words_of(each) == sought for each in one.genres)]
