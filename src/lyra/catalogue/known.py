"""Whether a listener's own data hold an item of the catalogue, and where. Pure; keeps nothing."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lyra.catalogue.editions import take_apart
from lyra.catalogue.folding import fold_artist
from lyra.catalogue.items import Item
from lyra.listening.models import Listening, SectionName, Track

Name = tuple[str, str]  # of a track or an album: its folded title, and one of its artists'


class Place(NamedTuple):
    """Where the data hold an item. `rank`: 1 is the top; None where the order says nothing."""

    section: SectionName
    rank: int | None = None


class KnownMusic:
    """What a listener knows, as far as the data show it: by address, and by title and artist.

    An edition of a known song is known: a remaster has an address of its own.
    """

    def __init__(self, listening: Listening) -> None:
        self._by_uri: dict[str, Place] = {}
        self._tracks: dict[Name, Place] = {}
        self._albums: dict[Name, Place] = {}
        self._artists: dict[str, Place] = {}
        for place, track in _tracks(listening):
            self._add_track(track, place)
        for rank, artist in enumerate(listening.top_artists, 1):
            place = Place("top_artists", artist.rank or rank)
            self._artists[fold_artist(artist.name)] = place
            if artist.uri:
                self._by_uri[artist.uri] = place

    def find(self, item: Item) -> Place | None:
        """Return where the item is known from, its highest rank first; None: it is new."""
        if item.uri in self._by_uri:
            return self._by_uri[item.uri]
        if item.kind == "artist":
            return self._artists.get(fold_artist(item.name))
        named = self._tracks if item.kind == "track" else self._albums
        places = (named.get(name) for name in _names(item.name, item.artists))
        return next((place for place in places if place is not None), None)

    def _add_track(self, track: Track, place: Place) -> None:
        if track.uri:
            self._by_uri.setdefault(track.uri, place)
        for name in _names(track.name, track.artists):
            self._tracks.setdefault(name, place)
        for artist in track.artists:
            self._artists.setdefault(fold_artist(artist), Place(place.section))
        if track.album:
            for name in _names(track.album, track.artists):
                self._albums.setdefault(name, Place(place.section))


def _tracks(listening: Listening) -> Iterator[tuple[Place, Track]]:
    """Yield the tracks of all sections, those with a rank first."""
    for rank, track in enumerate(listening.top_tracks, 1):
        yield Place("top_tracks", track.rank or rank), track
    for play in listening.recently_played:
        yield Place("recently_played"), play.track


def _names(title: str, artists: Iterable[str]) -> list[Name]:
    song = take_apart(title).song
    return [(song, fold_artist(artist)) for artist in artists]
