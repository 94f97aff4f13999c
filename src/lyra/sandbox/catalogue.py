"""The invented catalogue: artists, their albums and their tracks, each made when first asked for.

A track's key is its artist's index and its number there; everything else follows from the key.
"""

from dataclasses import dataclass
from functools import cache, lru_cache

from lyra.sandbox.names import (
    ADJECTIVES,
    FORCES,
    FORMS,
    GENRES,
    KEYS,
    NOUNS,
    NUMERALS,
    ODD_ARTISTS,
    ODD_TITLES,
    SYLLABLES,
    TEMPOS,
    TITLE_ENDS,
)
from lyra.sandbox.rng import Rng, cumulative, spotify_id

ARTISTS = 3_000
TRACKS_AN_ALBUM = 8

# Odd names sit among the well known artists, yet not so high that they lead every list.
# The last one has no name at all, and is hardly known.
ODD_INDEXES: tuple[int, ...] = (*range(60, 60 + 11 * (len(ODD_ARTISTS) - 1), 11), 2_990)

TrackKey = tuple[int, int]

_NO_GENRE_PERCENT = 22


@dataclass(frozen=True, slots=True)
class Artist:
    """`index` ranks by fame: 0 is the best known. `genres` is empty for about one in five."""

    index: int
    id: str
    name: str
    genres: tuple[str, ...]
    tracks: int


@dataclass(frozen=True, slots=True)
class Album:
    """`released` is a year, a month, a day or `0000`; `name` is empty after a takedown."""

    id: str
    name: str
    kind: str
    released: str
    tracks: int
    pictured: bool


@dataclass(frozen=True, slots=True)
class Track:
    """`guests` are the indexes of further artists. `draw` (0 to 99) settles the rare oddities."""

    key: TrackKey
    id: str
    name: str
    album: Album
    guests: tuple[int, ...]
    duration_ms: int
    explicit: bool
    draw: int


@dataclass(frozen=True, slots=True)
class Family:
    """The artists of one family of genres, and the running sums of their fame."""

    artists: tuple[int, ...]
    fame: tuple[int, ...]


@cache
def family_of() -> tuple[str, ...]:
    """The family of each artist, by index; the first families have the most artists."""
    names = tuple(GENRES)
    sums = cumulative([100 // (place + 3) for place in range(len(names))])
    rng = Rng("families")
    return tuple(names[rng.weighted(sums)] for _ in range(ARTISTS))


@cache
def families() -> tuple[Family, ...]:
    """Every family, in the order of `GENRES`."""
    members: dict[str, list[int]] = {name: [] for name in GENRES}
    for index, name in enumerate(family_of()):
        members[name].append(index)
    return tuple(
        Family(tuple(indexes), cumulative([fame(index) for index in indexes]))
        for indexes in members.values()
    )


def classical(index: int) -> bool:
    """Whether this artist is a composer, whose tracks are movements of works."""
    return family_of()[index] == "classical"


def fame(index: int) -> int:
    """How known an artist is, 1,000 for the best known; falls off as in Zipf's law."""
    return 10_000 // (index + 10)


@lru_cache(maxsize=ARTISTS)
def artist(index: int) -> Artist:
    """The artist of this rank."""
    rng = Rng("artist", index)
    return Artist(
        index=index,
        id=spotify_id("artist", index),
        name=_artist_name(index, rng),
        genres=_genres(family_of()[index], rng),
        tracks=4 + rng.below(30),
    )


@lru_cache(maxsize=4_096)
def album(index: int, number: int) -> Album:
    """The artist's album of this number, from 0."""
    rng = Rng("album", index, number)
    named = _box if classical(index) else _album_name
    return Album(
        id=spotify_id("album", index, number),
        name="" if rng.percent(2) else named(rng),
        kind=rng.pick(("album", "album", "album", "single", "compilation", "ep")),
        released=_released(rng),
        tracks=TRACKS_AN_ALBUM + rng.below(8),
        pictured=not rng.percent(4),
    )


@lru_cache(maxsize=8_192)
def track(key: TrackKey) -> Track:
    """The track that this key names."""
    index, number = key
    rng = Rng("track", index, number)
    named, joined = (_work, _performers) if classical(index) else (_title, _guest)
    return Track(
        key=key,
        id=spotify_id("track", index, number),
        name=named(rng),
        album=album(index, number // TRACKS_AN_ALBUM),
        guests=joined(rng),
        duration_ms=90_000 + rng.below(270_000),
        explicit=rng.percent(15),
        draw=rng.below(100),
    )


def track_of(identifier: str) -> TrackKey | None:
    """The key of the track with this id. The first time takes half a second: ask in a thread."""
    return _keys_by_id().get(identifier)


@cache
def _keys_by_id() -> dict[str, TrackKey]:
    return {
        spotify_id("track", index, number): (index, number)
        for index in range(ARTISTS)
        for number in range(artist(index).tracks)
    }


def _artist_name(index: int, rng: Rng) -> str:
    if index in ODD_INDEXES:
        return ODD_ARTISTS[ODD_INDEXES.index(index)]
    words = ["".join(rng.pick(SYLLABLES) for _ in range(2 + rng.below(2)))]
    if rng.percent(70):
        words.append("".join(rng.pick(SYLLABLES) for _ in range(2)))
    return " ".join(words).title()


def _genres(family: str, rng: Rng) -> tuple[str, ...]:
    if rng.percent(_NO_GENRE_PERCENT):
        return ()
    chosen = [rng.pick(GENRES[family])]
    if rng.percent(50):
        chosen.append(rng.pick(GENRES[family]))
    if rng.percent(15):
        chosen.append(rng.pick(GENRES[rng.pick(tuple(GENRES))]))
    return tuple(dict.fromkeys(chosen))


def _title(rng: Rng) -> str:
    if rng.percent(2):
        return rng.pick(ODD_TITLES)
    return f"{rng.pick(ADJECTIVES)} {rng.pick(NOUNS)}{rng.pick(TITLE_ENDS)}"


def _album_name(rng: Rng) -> str:
    return f"{rng.pick(ADJECTIVES)} {rng.pick(NOUNS)}"


def _guest(rng: Rng) -> tuple[int, ...]:
    return (rng.below(ARTISTS),) if rng.percent(20) else ()


def _work(rng: Rng) -> str:
    """A movement's title: 80 to 150 characters, as players of such music know them."""
    work = f"{rng.pick(FORMS)} No. {1 + rng.below(41)} in {rng.pick(KEYS)}"
    opus = f"Op. {1 + rng.below(130)} No. {1 + rng.below(6)}"
    forces = f'"{rng.pick(ADJECTIVES)} {rng.pick(NOUNS)}" for {rng.pick(FORCES)}'
    return f"{work}, {opus}, {forces}: {rng.pick(NUMERALS)}. {rng.pick(TEMPOS)}"


def _box(rng: Rng) -> str:
    hall = f"{rng.pick(ADJECTIVES)} {rng.pick(NOUNS)} Hall"
    return f"The Complete {rng.pick(FORMS)}s, Vol. {1 + rng.below(12)} (Live at the {hall}, 1987)"


def _performers(rng: Rng) -> tuple[int, ...]:
    """A soloist, an orchestra, a conductor: all of them credited beside the composer."""
    return tuple(rng.below(ARTISTS) for _ in range(1 + rng.below(3)))


def _released(rng: Rng) -> str:
    if rng.percent(2):
        return "0000"
    day = f"{1968 + rng.below(58)}-{1 + rng.below(12):02}-{1 + rng.below(28):02}"
    return day[: rng.pick((10, 10, 10, 10, 10, 7, 4))]
