"""Music of two kinds, so that a leak shows: songs of a pool, and songs of which one listener has each.

Who knows what is told here from numbers alone: nothing of Lyra's reading is used.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zlib import crc32

import orjson

POOL = 300  # songs
_OF_AN_ARTIST = 5
_OWN = 4  # songs that only one listener has
_SHARED = 3  # songs of the pool that a listener has too
DETAILS = ("short_term", "long_term", "playlist")  # what is read only when it is asked for
_MARK = re.compile(r"Secret (?:Song|Artist|Mix) (\d+)x")
_QUERY = re.compile(r'(?:track:"([^"]*)" )?artist:"([^"]*)"')

Json = dict[str, Any]


@dataclass(frozen=True)
class Song:
    title: str
    artist: str

    @property
    def uri(self) -> str:
        return _uri("track", f"{self.title} {self.artist}")

    def view(self) -> Json:
        """The song as Spotify shows it."""
        return {
            "type": "track",
            "id": self.uri.rpartition(":")[2],
            "uri": self.uri,
            "name": self.title,
            "artists": [{"name": self.artist}],
            "album": {"name": f"Album of {self.title}", "release_date": "2019"},
        }


def artist_view(name: str) -> Json:
    """An artist as Spotify shows it."""
    uri = _uri("artist", name)
    return {"type": "artist", "id": uri.rpartition(":")[2], "uri": uri, "name": name}


def _uri(kind: str, text: str) -> str:
    return f"spotify:{kind}:{crc32(text.encode()):022}"


def pool_song(number: int) -> Song:
    return Song(f"Pool Song {number}p", f"Pool Artist {number // _OF_AN_ARTIST}p")


def marks(text: str) -> set[int]:
    """The listeners whose own music is named in this text."""
    return {int(number) for number in _MARK.findall(text)}


@dataclass(frozen=True)
class Listener:
    """One of many; `number` decides everything."""

    number: int

    @property
    def token(self) -> str:
        return f"token-of-listener-{self.number:05}"

    @cached_property
    def own(self) -> tuple[Song, ...]:
        artist = f"Secret Artist {self.number}x"
        return tuple(Song(f"Secret Song {self.number}x{each}", artist) for each in range(_OWN))

    @cached_property
    def top_tracks(self) -> tuple[Song, ...]:
        shared = (pool_song((self.number * 7 + 41 * each) % POOL) for each in range(_SHARED))
        return (*self.own, *shared)

    @property
    def playlist(self) -> str:
        """The address of this listener's only playlist."""
        return f"spotify:playlist:{self.number:022}"

    def detail(self, name: str) -> tuple[Song, ...]:
        """The songs of a detail: one of their own, and one of the pool."""
        at = DETAILS.index(name)
        own = Song(f"Secret Song {self.number}x9{at}", f"Secret Artist {self.number}x")
        return own, pool_song((self.number * 11 + 83 * at) % POOL)

    def hidden(self, uri: str) -> bool:
        """Whether this item is among those that only a detail shows."""
        songs = [song for name in DETAILS for song in self.detail(name)]
        return uri in {song.uri for song in songs} | {_uri("artist", song.artist) for song in songs}

    @cached_property
    def _artists(self) -> set[str]:
        return {song.artist for song in self.top_tracks}

    def place(self, name: str, artist: str | None) -> Json | None:
        """Where this listener's data hold a song, or without `artist` an artist of this name."""
        if artist is not None:
            song = Song(name, artist)
            ranks = {each: rank for rank, each in enumerate(self.top_tracks, 1)}
            return {"section": "top_tracks", "rank": ranks[song]} if song in ranks else None
        if name == self.own[0].artist:
            return {"section": "top_artists", "rank": 1}
        return {"section": "top_tracks"} if name in self._artists else None

    def holds(self, uri: str) -> bool:
        """Whether this is the address of an item of this listener's data."""
        tracks = {song.uri for song in self.top_tracks}
        return uri in tracks or uri == _uri("artist", self.own[0].artist)

    def body(self, path: str, time_range: str) -> Json:
        """Spotify's answer to this path, but for a search."""
        account = {"id": f"account-{self.number}", "display_name": f"Listener {self.number}"}
        if path == "/me":
            return account
        if path.startswith("/playlists"):
            assert path.startswith(f"/playlists/{self.number:022}/"), "somebody else's playlist"
            return {"items": [{"item": song.view()} for song in self.detail("playlist")]}
        return {"items": self._rows(path, time_range, account)}

    def _rows(self, path: str, time_range: str, account: Json) -> list[Json]:
        match path:
            case "/me/top/tracks":
                heard = self.detail(time_range) if time_range in DETAILS else self.top_tracks
                return [song.view() for song in heard]
            case "/me/top/artists":
                return [artist_view(self.own[0].artist)]
            case "/me/playlists":
                return [
                    {"name": f"Secret Mix {self.number}x", "uri": self.playlist, "owner": account}
                ]
            case _:
                return []


class Catalogue:
    """All songs of the pool and of these listeners."""

    def __init__(self, listeners: Iterable[Listener]) -> None:
        self.songs = [pool_song(number) for number in range(POOL)]
        for listener in listeners:
            self.songs += listener.own
            self.songs += [listener.detail(name)[0] for name in DETAILS]
        self._by_name = {f"{song.title} {song.artist}": song for song in self.songs}
        self._by_artist: dict[str, list[Song]] = {}
        for song in self.songs:
            self._by_artist.setdefault(song.artist, []).append(song)

    def find(self, query: str, kind: str) -> list[Json]:
        """What a search shows; words that name nothing show ten songs of anybody's."""
        if kind == "artist":
            return [artist_view(name) for name in self._artists(query)]
        if kind != "track":
            return []
        return [song.view() for song in self._songs(query)]

    def _artists(self, query: str) -> Iterator[str]:
        match = _QUERY.fullmatch(query)
        name = match[2] if match else query
        if name in self._by_artist:
            yield name

    def _songs(self, query: str) -> list[Song]:
        match = _QUERY.fullmatch(query)
        if match is None:
            if query in self._by_name:
                return [self._by_name[query]]
            at = crc32(query.encode()) % len(self.songs)
            return [self.songs[(at + 97 * each) % len(self.songs)] for each in range(10)]
        if match[1] is None:
            return self._by_artist.get(match[2], [])
        song = self._by_name.get(f"{match[1]} {match[2]}")
        return [song] if song else []


def search_body(shown: list[Json], kind: str) -> bytes:
    return orjson.dumps({f"{kind}s": {"items": shown, "total": len(shown)}})
