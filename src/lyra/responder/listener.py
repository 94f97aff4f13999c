"""What the responder knows of a listener: plain values, whoever read them from where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from lyra.timezones import UTC_ZONE, Zone

Section = Literal["artists", "tracks", "plays", "playlists", "genres"]
SECTIONS: tuple[Section, ...] = ("artists", "tracks", "plays", "playlists", "genres")


class Credit(NamedTuple):
    """An artist of a track. `key` tells two artists of one name apart, where that is known."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Artist:
    """`rank` is the place in Spotify's ranking, None where rows of it could not be read."""

    name: str
    key: str
    genres: tuple[str, ...] = ()
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """`key` is the same for every play of it; `year` is that of the edition."""

    name: str
    key: str
    credits: tuple[Credit, ...] = ()
    album: str | None = None
    year: int | None = None
    duration_s: int | None = None
    explicit: bool | None = None
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Play:
    """One play; `hour` and `ended` are by the listener's clock, and None where that is not known."""

    track: Track
    hour: int | None = None
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class Playlist:
    """`tracks` is their number; None where it is not known, as with the other fields."""

    name: str
    tracks: int | None = None
    owned: bool | None = None
    owner: str | None = None
    description: str | None = None


class Genre(NamedTuple):
    """`share` (0 to 1) of the listening that has a genre; None where too little is known for it."""

    name: str
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """Lists in Spotify's order: highest affinity first, plays newest first.

    `gaps` has a sentence for every section that was not read. `episodes` and `unreadable_plays`
    were among the last plays beside those of songs; `playlists_total` counts all playlists of the
    account. `genres_known_for` says of how many artists a genre is known, `read_at` is when all of
    it was read. `zone` is that of all moments.
    """

    name: str | None = None
    artists: tuple[Artist, ...] = ()
    tracks: tuple[Track, ...] = ()
    plays: tuple[Play, ...] = ()
    episodes: int = 0
    unreadable_plays: int = 0
    playlists: tuple[Playlist, ...] = ()
    playlists_total: int | None = None
    genres: tuple[Genre, ...] = ()
    genres_known_for: str = ""
    read_at: datetime | None = None
    zone: Zone = UTC_ZONE
    gaps: Mapping[Section, str] = field(default_factory=dict)


class Voice(NamedTuple):
    """Who speaks: sentences, but for `limits`, which are the words before "I can only ..."."""

    introduction: str
    limits: str
    privacy: str
