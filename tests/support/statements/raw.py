"""Spotify's raw JSON, read as plainly as can be: rows, ids, names as one sees them, counts."""

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

LISTS = ("top_artists", "top_tracks", "recently_played", "playlists")
_HIDDEN = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0}
_HIDDEN |= {*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0000, 0xE1000)}


@lru_cache(50_000)
def key(text: str) -> str:
    """What one sees of a text, spaces apart: two names with the same key look the same."""
    seen = (c for c in text if unicodedata.category(c)[0] not in "CZ" and ord(c) not in _HIDDEN)
    return unicodedata.normalize("NFC", "".join(seen))


def same(said: str, raw: str) -> bool:
    """Whether a name in a sentence is this one, be it cut short or not."""
    if key(said) == key(raw):
        return True
    return said.endswith("…") and key(raw).startswith(key(said[:-1]))


def cut(name: str, limit: int) -> str:
    """The name as a sentence of Lyra's may show it."""
    words = "".join(" " if c.isspace() else c for c in name).split()
    text = unicodedata.normalize("NFC", " ".join(words))
    text = "".join(c for c in text if unicodedata.category(c)[0] != "C" and ord(c) not in _HIDDEN)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


@dataclass(frozen=True)
class Item:
    """A readable row: `place` is its place in Spotify's list, from 1."""

    place: int
    name: str
    id: str | None
    artists: tuple[tuple[str | None, str], ...] = ()
    genres: tuple[str, ...] = ()
    year: int | None = None
    hour: int | None = None
    owner: str | None = None
    total: int | None = None

    @property
    def identity(self) -> object:
        """The id; of a file without one, title and artists."""
        return self.id or (key(self.name), tuple(key(name) for _, name in self.artists))


class RawListener:
    """One listener as Spotify's five answers tell; a None among them could not be read."""

    def __init__(self, bodies: Mapping[str, Any], zone: str | None = None) -> None:
        self.bodies = bodies
        self.zone = zone  # of the listener's clock; without one it is that of UTC

    def read(self, section: str) -> bool:
        """Whether this section could be read."""
        return self.bodies.get(section) is not None

    def rows(self, section: str) -> list[Any]:
        """All rows that Spotify sent."""
        body = self.bodies.get(section)
        return list(body["items"]) if body else []

    def sent(self, section: str) -> int:
        """How many rows that is."""
        return len(self.rows(section))

    @property
    def listener(self) -> str | None:
        """The listener's id."""
        return (self.bodies.get("profile") or {}).get("id")

    @cached_property
    def top_artists(self) -> list[Item]:
        """The readable rows, and so on."""
        rows = enumerate(self.rows("top_artists"), 1)
        return [
            Item(at, row["name"], row.get("id"), genres=tuple(row.get("genres") or ()))
            for at, row in rows
            if row and key(row.get("name") or "")
        ]

    @cached_property
    def top_tracks(self) -> list[Item]:
        return [
            _track(at, row)
            for at, row in enumerate(self.rows("top_tracks"), 1)
            if row and key(row.get("name") or "")
        ]

    @cached_property
    def plays(self) -> list[Item]:
        """The plays of music."""
        rows = enumerate(map(_track_of, self.rows("recently_played")), 1)
        rows_of_plays = self.rows("recently_played")
        times = [_hour((row or {}).get("played_at"), self.zone) for row in rows_of_plays]
        return [
            _track(at, row, times[at - 1])
            for at, row in rows
            if row and row.get("type") != "episode" and key(row.get("name") or "")
        ]

    @cached_property
    def episodes(self) -> int:
        rows = map(_track_of, self.rows("recently_played"))
        return sum(bool(row) and row.get("type") == "episode" for row in rows)

    @cached_property
    def playlists(self) -> list[Item]:
        """The readable rows, each list once."""
        found: dict[object, Item] = {}
        for at, row in enumerate(self.rows("playlists"), 1):
            if row and key(row.get("name") or ""):
                owner = (row.get("owner") or {}).get("id")
                item = Item(at, row["name"], row.get("id"), owner=owner, total=self._length(row))
                found.setdefault(item.id or at, item)
        return list(found.values())

    def _length(self, row: Mapping[str, Any]) -> int | None:
        size = row.get("items") or row.get("tracks") or {}
        total: int | None = size.get("total")
        # Of others' lists a restricted app gets 0 where the length is hidden.
        owner = (row.get("owner") or {}).get("id")
        mine = row.get("collaborative") or owner in (self.listener, None)
        return total if total or mine else None

    @property
    def total_playlists(self) -> int | None:
        """How many playlists Spotify says there are."""
        total: int | None = (self.bodies.get("playlists") or {}).get("total")
        return total

    def kept(self, section: str) -> int:
        """How many rows are left once the unreadable, the repeated and the episodes are out."""
        return len(getattr(self, "plays" if section == "recently_played" else section))

    def unreadable(self, section: str) -> int:
        """How many rows have nothing to show, or are listed twice."""
        episodes = self.episodes if section == "recently_played" else 0
        return self.sent(section) - self.kept(section) - episodes

    @cached_property
    def hours(self) -> list[int]:
        """Plays by the hour of the listener's day."""
        counted = Counter(play.hour for play in self.plays)
        return [counted[hour] for hour in range(24)]

    @cached_property
    def decades(self) -> Counter[int]:
        """Top tracks with a year, by decade."""
        return Counter(track.year // 10 * 10 for track in self.top_tracks if track.year)

    @cached_property
    def repeats(self) -> Counter[object]:
        """Plays by track."""
        return Counter(play.identity for play in self.plays)

    @cached_property
    def ids_of(self) -> dict[str, set[str]]:
        """The ids that each name stands for, anywhere."""
        found: dict[str, set[str]] = {}
        pairs = [(artist.id, artist.name) for artist in self.top_artists]
        for track in (*self.top_tracks, *self.plays):
            pairs += track.artists
        for id_, name in pairs:
            if id_:
                found.setdefault(key(name).casefold(), set()).add(id_)
        return found

    def whose(self, id_: str | None, name: str) -> str:
        """The artist that is meant: where there is no id, the only one of this name."""
        ids = self.ids_of.get(key(name).casefold(), set())
        return id_ or (next(iter(ids)) if len(ids) == 1 else "name of " + key(name).casefold())

    def plays_by(self, artist: Item) -> int:
        """How many of the last plays credit this artist."""
        wanted = self.whose(artist.id, artist.name)
        return sum(
            wanted in [self.whose(*credit) for credit in play.artists] for play in self.plays
        )


def _track_of(row: Any) -> Any:
    return row and (row.get("item") or row.get("track"))


def _track(place: int, row: Mapping[str, Any], hour: int | None = None) -> Item:
    date = (row.get("album") or {}).get("release_date") or ""
    year = int(date[:4]) if date[:4].isdigit() and date[:4] > "0999" else None
    artists = tuple(
        (each.get("id"), each["name"]) for each in row.get("artists") or () if key(each["name"])
    )
    return Item(place, row["name"], row.get("id"), artists, year=year, hour=hour)


def _hour(text: str | None, zone: str | None) -> int | None:
    if not text:
        return None
    ended = datetime.fromisoformat(text)
    return ended.astimezone(ZoneInfo(zone or "UTC")).hour
