"""What is true of one listener, from Spotify's raw answers and by code of its own."""

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from string import Formatter
from typing import Any

import orjson

from lyra.sandbox.catalogue import ARTISTS, album, artist, track
from lyra.sandbox.listeners import Listener, build_listener
from lyra.sandbox.playlist_contents import contents_page
from lyra.sandbox.tokens import parse_token
from tests.support.answers.catalogue import fold, song
from tests.support.statements.listener import raw_bodies, sandbox_bodies
from tests.support.statements.raw import LISTS, Item, RawListener

_PLAIN = 40  # letters: a longer name is not put into a question


class Truth:
    """One listener of the sandbox: what Spotify tells of them, and what a question may ask for."""

    def __init__(self, token: str) -> None:
        parsed = parse_token(token)
        self._regime = parsed.regime
        self.listener: Listener = build_listener(parsed.seed, parsed.persona)
        self.raw = RawListener(raw_bodies(sandbox_bodies(self.listener, parsed.regime)))

    @cached_property
    def uris(self) -> frozenset[str]:
        """The addresses of all that the five answers hold."""
        bodies = [self.raw.bodies.get(section) for section in LISTS]
        return frozenset(each["uri"] for each in _objects(bodies) if each.get("uri"))

    @cached_property
    def names(self) -> frozenset[str]:
        """The folded names of all that the five answers hold, titles also without their edition."""
        objects = _objects([self.raw.bodies.get(section) for section in LISTS])
        names = [each["name"] for each in objects if isinstance(each.get("name"), str)]
        names += [genre for each in self.raw.top_artists for genre in each.genres]
        return frozenset({*map(fold, names), *map(song, names)})

    @cached_property
    def tracks(self) -> list[Item]:
        """The tracks of all lists, those with a rank first."""
        return [*self.raw.top_tracks, *self.raw.plays]

    def knows(self, kind: str, uri: str, name: str, artists: tuple[str, ...]) -> bool:
        """Return whether a list of the listener holds the item, by its address or by its names."""
        if uri in self.uris:
            return True
        if kind == "artist":
            return fold(name) in self._artists
        if kind == "album":
            return any((song(name), fold(each)) in self._albums for each in artists)
        return any((song(name), fold(each)) in self._songs for each in artists)

    def artists_of(self, title: str) -> set[str]:
        """Return the folded names of the artists who have a song of this title in the lists."""
        return {artist for name, artist in self._songs if name == song(title)}

    @cached_property
    def _artists(self) -> frozenset[str]:
        credited = (name for each in self.tracks for _, name in each.artists)
        return frozenset(map(fold, (*(each.name for each in self.raw.top_artists), *credited)))

    @cached_property
    def _songs(self) -> frozenset[tuple[str, str]]:
        return frozenset(
            (song(each.name), fold(name)) for each in self.tracks for _, name in each.artists
        )

    @cached_property
    def _albums(self) -> frozenset[tuple[str, str]]:
        bodies = [self.raw.bodies.get(section) for section in ("top_tracks", "recently_played")]
        return frozenset(
            (song(each["album"]["name"]), fold(by["name"]))
            for each in _objects(bodies)
            if isinstance(each.get("album"), Mapping)
            for by in each["artists"]
        )

    def fill(self, text: str) -> str:
        """Return the text with this listener's own names and numbers in place of {artist1} …

        Raises:
            KeyError: The listener has nothing of this name.
        """
        needed = {name for _, name, _, _ in Formatter().parse(text) if name}
        return text.format_map({name: self._values[name] for name in needed})

    @cached_property
    def _values(self) -> dict[str, str]:
        raw = self.raw
        values = _numbered("artist", (each.name for each in raw.top_artists))
        values |= _numbered("track", (each.name for each in raw.top_tracks))
        values |= _numbered("play", (each.name for each in raw.plays))
        values |= _numbered("decade", (f"{first}s" for first, _ in raw.decades.most_common()))
        for words, months in (("short", "short_term"), ("long", "long_term")):
            artists = (artist(each).name for each in self.listener.artists[months])
            values |= _numbered(f"{words}_artist", artists)
            tracks = (track(each).name for each in self.listener.tracks[months])
            values |= _numbered(f"{words}_track", tracks)
        return {**values, **self._details(), **self._unknown(), **self._lists()}

    def _details(self) -> dict[str, str]:
        raw = self.raw
        values: dict[str, str] = {}
        for words, items in (("track", raw.top_tracks), ("play", raw.plays)):
            for place, each in enumerate(items, 1):
                if each.artists:
                    values[f"{words}{place}_artist"] = each.artists[0][1]
        if raw.plays:
            values["busy_from"] = f"{_busiest(raw.hours):02}:00"
        played = max(raw.top_artists, key=raw.plays_by, default=None)
        if played is not None:
            values |= {"played_artist": played.name, "played_times": str(raw.plays_by(played))}
        values["playlists"] = f"{raw.total_playlists or 0:,}"
        return values

    def _unknown(self) -> dict[str, str]:
        """A song of a well known artist whom the listener does not play, with an album that has a name."""
        for index in range(10, ARTISTS):
            name, one = artist(index).name, track((index, 0))
            known = fold(name) in self._artists or not name.replace(" ", "").isalpha()
            if not known and one.album.name and one.name.replace(" ", "").isalpha():
                titles = {"unknown_title": one.name, "unknown_album": album(index, 0).name}
                return {"unknown_artist": name, **titles}
        return {}

    def _titles_on(self, identifier: str) -> dict[str, str]:
        """The titles on a playlist, without episodes, files of the listener's own, and nulls."""
        page = contents_page(identifier, "items", {"limit": "50"}, self.listener, self._regime)
        rows = [row.get("item") or row.get("track") for row in orjson.loads(page.body)["items"]]
        tracks = (row for row in rows if row and row["type"] == "track" and not row.get("is_local"))
        return _numbered("on_playlist", (row["name"] for row in tracks))

    def _lists(self) -> dict[str, str]:
        """An own playlist that no other shares its name with and what is on it, and one whose name is an order."""
        values: dict[str, str] = {}
        names = [each.name for each in self.listener.playlists if each]
        for each in self.listener.playlists:
            if each is None or names.count(each.name) > 1:
                continue
            if "IGNORE ALL" in each.name:
                values["hostile_playlist"] = each.name
            if each.artist is not None and len(each.name) < _PLAIN and each.name.isascii():
                values = {"own_playlist": each.name, **self._titles_on(each.id), **values}
        return values


@cache
def truth_of(token: str) -> Truth:
    """Return what is true of the listener of this sandbox token."""
    return Truth(token)


def _numbered(name: str, values: Iterator[str]) -> dict[str, str]:
    return {f"{name}{place}": value for place, value in enumerate(values, 1)}


def _busiest(hours: list[int]) -> int:
    """Return the hour with the most plays, the earliest of several."""
    return max(range(24), key=lambda hour: (hours[hour], -hour))


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every object in this JSON."""
    if isinstance(value, Mapping):
        yield value
        value = [*value.values()]
    if isinstance(value, list):
        for each in value:
            yield from _objects(each)
