"""What Lyra keeps of a listener: trimmed, typed, frozen, and free of garbage-collector tracking.

Every list is in Spotify's order: top items with the highest affinity first, plays newest first.
Spotify gives ranks, never counts, so there is no field for how often something was played.
"""

from typing import Literal

import msgspec

from lyra.spotify.endpoints import PATHS, SectionEndpoint

SectionName = SectionEndpoint  # a section is what one endpoint gave
SectionStatus = Literal[
    "ok", "forbidden", "rate_limited", "unavailable", "timeout", "invalid", "not_found"
]
SECTIONS: tuple[SectionName, ...] = tuple(PATHS)

_FEW_ARTISTS = 5
_LITTLE_COVERAGE = 1 / 3


class Kept(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Base of what is kept: small when packed, invisible to the garbage collector."""


class Profile(Kept, frozen=True):
    """The listener. `id` is Spotify's user id; `account_id` its immutable successor, if sent."""

    id: str = ""
    display_name: str | None = None
    image: str | None = None
    url: str | None = None
    account_id: str | None = None


class Artist(Kept, frozen=True):
    """`genres` is None where Spotify sent none at all, empty where the artist has none.

    `rank` is the place in Spotify's list, from 1: unlike the place in Lyra's, it counts the rows
    that were left out. 0 where the item stands in no ranked list.
    """

    name: str
    id: str | None = None
    uri: str | None = None
    url: str | None = None
    image: str | None = None
    genres: tuple[str, ...] | None = None
    rank: int = 0


class Track(Kept, frozen=True):
    """`artists` and `artist_ids` run in parallel; a local file has no ids.

    `released` is the year of this edition, None if unknown; of a reissue it is not the song's.
    `rank` is as an artist's.
    """

    name: str
    artists: tuple[str, ...] = ()
    artist_ids: tuple[str | None, ...] = ()
    id: str | None = None
    uri: str | None = None
    url: str | None = None
    album: str | None = None
    image: str | None = None
    released: int | None = None
    duration_ms: int | None = None
    explicit: bool | None = None
    rank: int = 0


class Play(Kept, frozen=True):
    """One finished play; `played_at` is when it ended, RFC 3339 in UTC as Spotify wrote it."""

    track: Track
    played_at: str | None = None


class Playlist(Kept, frozen=True):
    """`total` is None where Spotify does not send it, which is not the same as 0."""

    name: str
    id: str | None = None
    uri: str | None = None
    url: str | None = None
    image: str | None = None
    description: str | None = None
    total: int | None = None
    owned: bool | None = None
    owner: str | None = None
    collaborative: bool | None = None


class Section(Kept, frozen=True):
    """The outcome of one of the five calls. `ms` is wall time.

    Of the rows that Spotify sent, `count` are kept and `skipped` are not: empty, nameless or
    unreadable ones, and the `episodes` among the plays. `total` is how many there are at Spotify,
    where it says so: of the playlists only the first fifty are sent.
    """

    name: SectionName
    status: SectionStatus
    count: int | None = None
    code: str | None = None
    message: str | None = None
    skipped: int = 0
    episodes: int = 0
    total: int | None = None
    ms: int = 0

    @property
    def transient(self) -> bool:
        """Whether another fetch soon may fill the gap."""
        return self.status in ("rate_limited", "unavailable", "timeout")


class Genre(Kept, frozen=True):
    """`share` of the listening that has a genre at all; before the cut to twelve they sum to 1."""

    name: str
    share: float


def is_thin(artists_known: int, coverage: float) -> bool:
    """Return whether genres are known of too few artists, or of too small a part, to tell shares."""
    return artists_known < _FEW_ARTISTS or coverage < _LITTLE_COVERAGE


class GenreAnalysis(Kept, frozen=True):
    """Genres by share, largest first.

    Spotify tells genres of top artists alone: it was asked for those of `artists_considered` and
    knows those of `artists_known`. `coverage` is the part (0 to 1) of the whole listening, by
    weight, that these make up. `source` is where the genres come from: `spotify`, or `none` when
    it sent none.
    """

    genres: tuple[Genre, ...] = ()
    coverage: float = 0.0
    source: Literal["spotify", "none"] = "none"
    artists_known: int = 0
    artists_considered: int = 0

    @property
    def thin(self) -> bool:
        """Whether too little is known for shares to say anything about the listening."""
        return is_thin(self.artists_known, self.coverage)


class Listening(Kept, frozen=True):
    """Everything known of one listener at one moment (`fetched_at`, seconds since the epoch).

    `regime` is which of Spotify's two API regimes the fields in the responses show.
    """

    profile: Profile
    sections: tuple[Section, ...]
    top_artists: tuple[Artist, ...] = ()
    top_tracks: tuple[Track, ...] = ()
    recently_played: tuple[Play, ...] = ()
    playlists: tuple[Playlist, ...] = ()
    genre_analysis: GenreAnalysis = GenreAnalysis()
    summary: str = ""
    fetched_at: float = 0.0
    regime: Literal["restricted", "full", "mixed", "unknown"] = "unknown"

    def section(self, name: SectionName) -> Section:
        """Return the outcome of this call; one that is not among them left nothing out."""
        return next((each for each in self.sections if each.name == name), Section(name, "ok"))
