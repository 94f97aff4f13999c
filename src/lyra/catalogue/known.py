"""Whether a listener's own data hold an item of the catalogue, and where. Pure; keeps nothing."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from lyra.catalogue.editions import take_apart
from lyra.catalogue.folding import fold_artist
from lyra.catalogue.items import Item
from lyra.listening.models import Artist, Listening, SectionName, Track

_LISTS: Mapping[SectionName, str] = {
    "top_tracks": "top tracks",
    "recently_played": "recent plays",
    "top_artists": "top artists",
}


class Place(NamedTuple):
    """Where the data hold an item. `rank`: 1 is the top; None where the order says nothing.

    `elsewhere`: in another time range, or in a playlist, that was read for this answer.
    """

    section: SectionName | Literal["elsewhere"]
    rank: int | None = None


_UNRANKED = {
    section: Place(section)
    for section in ("top_tracks", "top_artists", "recently_played", "elsewhere")
}


class KnownMusic:
    """What a listener knows, as far as the data show it: by address, and by title and artist.

    An edition of a known song is known: a remaster has an address of its own. Titles are taken apart
    only of the artists that are asked about, which are few. `lists` are those of the listener's
    lists that could be read, in words; where there are none, nothing can be called new.
    """

    def __init__(self, listening: Listening) -> None:
        self.lists = tuple(
            [words for name, words in _LISTS.items() if listening.section(name).status == "ok"]
        )
        self._by_uri: dict[str, Place] = {}
        self._by_artist: dict[str, list[tuple[Place, Track]]] = {}
        self._artists: dict[str, Place] = {}
        for place, track in _tracks(listening):
            self._add_track(place, track)
        for at, artist in enumerate(listening.top_artists, 1):
            place = Place("top_artists", artist.rank or at)
            self._artists[fold_artist(artist.name)] = place
            if artist.uri:
                self._by_uri[artist.uri] = place

    def add(self, rows: Iterable[Artist | Track]) -> None:
        """Add what was read besides: it is known from then on, and not by the listener's lists."""
        elsewhere = _UNRANKED["elsewhere"]
        for row in rows:
            if isinstance(row, Track):
                self._add_track(elsewhere, row)
                continue
            self._artists.setdefault(fold_artist(row.name), elsewhere)
            if row.uri:
                self._by_uri.setdefault(row.uri, elsewhere)

    def _add_track(self, place: Place, track: Track) -> None:
        if track.uri:
            self._by_uri.setdefault(track.uri, place)
        for name in map(fold_artist, track.artists):
            self._by_artist.setdefault(name, []).append((place, track))
            self._artists.setdefault(name, _UNRANKED[place.section])

    def find(self, item: Item) -> Place | None:
        """Return where the item is known from, its highest rank first; None: it is new."""
        if item.uri in self._by_uri:
            return self._by_uri[item.uri]
        if item.kind == "artist":
            return self._artists.get(fold_artist(item.name))
        song = take_apart(item.name).song
        return next(
            (place for place, name in self._titles(item) if take_apart(name).song == song), None
        )

    def find_artist(self, item: Item) -> tuple[str, Place] | None:
        """Return the first of the item's artists who is known, and where from."""
        for name in item.artists:
            if place := self._artists.get(fold_artist(name)):
                return name, place
        return None

    def _titles(self, item: Item) -> Iterator[tuple[Place, str]]:
        """Yield the titles, of tracks or albums as the item is, that its artists have in the data."""
        for artist in map(fold_artist, item.artists):
            for place, track in self._by_artist.get(artist, ()):
                if item.kind == "track":
                    yield place, track.name
                elif track.album:
                    yield Place(place.section), track.album


def _tracks(listening: Listening) -> Iterator[tuple[Place, Track]]:
    """Yield the tracks of all sections, those with a rank first."""
    for at, track in enumerate(listening.top_tracks, 1):
        yield Place("top_tracks", track.rank or at), track
    for play in listening.recently_played:
        yield _UNRANKED["recently_played"], play.track
