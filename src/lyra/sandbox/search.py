"""The search, as Spotify's is: words and field filters over the whole catalogue.

Beside what is looked for stand what a real search shows too: karaoke and covers of it, artists of
similar names, and now and then a null.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import quote

import orjson

from lyra.sandbox import spotify_shapes as shapes
from lyra.sandbox.catalogue import ARTISTS, TRACKS_AN_ALBUM, TrackKey, album, artist, track
from lyra.sandbox.pages import BadQueryError, page, window_of
from lyra.sandbox.rng import spotify_id

KINDS = ("album", "artist", "track", "playlist", "show", "episode", "audiobook")
_LAST_OFFSET = 1_000
_FILTER = re.compile(r'\b(track|artist|album|year|genre):\s*(?:"([^"]*)"|(\S+))')
_YEARS = re.compile(r"([0-9]{4})(?:-([0-9]{4}))?", re.ASCII)
_WORD = re.compile(r"\w+")
_KNOWN_BY_TITLE = 800  # the best known artists, whose tracks are found by their title alone
_OF_A_GENRE = 60  # artists, where nothing but the genre is asked for
_IMITATED = 3  # of the best hits that a search shows imitations of
_IMITATIONS = (
    ("{} (Karaoke Version)", "Sing It Yourself Crew"),
    ("{} (Originally Performed by {})", "The Harbour Street Cover Club"),
    ("{}", "{} Tribute Band"),
)

Words = frozenset[str]


@dataclass(frozen=True)
class _Query:
    """The words of each filter, and those that may stand in any field."""

    free: Words
    track: Words = frozenset()
    artist: Words = frozenset()
    album: Words = frozenset()
    genre: str = ""
    years: range | None = None
    names: Words = field(default=frozenset())  # that may name an artist


def search_page(query: Mapping[str, str], regime: str) -> bytes:
    """What `GET /search` answers. The first search by title alone takes a second: run it in a thread.

    Raises:
        BadQueryError: No words, an unknown type, or a limit or offset out of bounds.
    """
    text = query.get("q", "")
    if not text.strip():
        raise BadQueryError("No search query")
    kinds = query.get("type", "").split(",")
    if wrong := [kind for kind in kinds if kind not in KINDS]:
        raise BadQueryError(f"Bad search type field {wrong[0]}")
    most, default = (50, 20) if regime == "legacy" else (10, 5)
    places = window_of(query, most=most, default=default, last=_LAST_OFFSET)
    asked = _parse(text)
    answer = {}
    for kind in kinds:
        shown = _shown(kind, asked, regime)
        items = shown[places.start : places.stop]
        more = f"&query={quote(text)}&type={kind}"
        answer[f"{kind}s"] = page("/search", places, len(shown), items, more)
    return orjson.dumps(answer)


def _parse(text: str) -> _Query:
    found: dict[str, str] = {}
    for name, quoted, bare in _FILTER.findall(text):
        found[name] = quoted or bare
    free = _words(_FILTER.sub(" ", text))
    years = _YEARS.fullmatch(found.get("year", ""))
    named = _words(found.get("artist", ""))
    return _Query(
        free,
        track=_words(found.get("track", "")),
        artist=named,
        album=_words(found.get("album", "")),
        genre=found.get("genre", "").casefold(),
        years=range(int(years[1]), int(years[2] or years[1]) + 1) if years else None,
        names=named or free,
    )


def _shown(kind: str, asked: _Query, regime: str) -> list[shapes.Json | None]:
    """All items of this kind, the best first."""
    if kind == "artist":
        return _artists(asked, regime)
    if kind == "album":
        return [shapes.full_album(*key, regime) for key in _albums(asked)]
    return _with_oddities(_tracks(asked), regime) if kind == "track" else []


def _artists(asked: _Query, regime: str) -> list[shapes.Json | None]:
    names = _artist_words()
    hits = [index for index in range(ARTISTS) if asked.names and asked.names <= names[index]]
    if asked.genre:
        hits = [index for index in hits or range(ARTISTS) if asked.genre in artist(index).genres]
    hits.sort(key=lambda index: names[index] != asked.names)
    shown: list[shapes.Json | None] = [shapes.full_artist(index, regime) for index in hits]
    similar = [f"{artist(index).name} Tribute" for index in hits[:_IMITATED]]
    return [*shown, *map(shapes.invented_artist, similar)]


def _albums(asked: _Query) -> Iterator[tuple[int, int]]:
    for index in _candidates(asked):
        whose = _artist_words()[index]
        for number in range(-(-artist(index).tracks // TRACKS_AN_ALBUM)):
            named = _words(album(index, number).name)
            if (
                asked.album <= named
                and asked.free <= named | whose
                and _in_years(asked, album(index, number).released)
            ):
                yield index, number


def _tracks(asked: _Query) -> list[TrackKey]:
    keys = [key for key in _possible(asked) if _fits(key, asked)]
    title = asked.track or asked.free - asked.artist
    return sorted(keys, key=lambda key: (_words(track(key).name) != title, key))


def _possible(asked: _Query) -> Iterable[TrackKey]:
    """The tracks among which all that fit are."""
    by_artist = [
        (index, number) for index in _candidates(asked) for number in range(artist(index).tracks)
    ]
    if by_artist or asked.artist:
        return by_artist
    words = asked.track | asked.free | asked.album
    return set.intersection(*(_by_word().get(word, set()) for word in words)) if words else ()


def _candidates(asked: _Query) -> list[int]:
    """The artists that are named, by filter or, whole, among the free words; else those of a genre."""
    names = _artist_words()
    if asked.artist:
        return [index for index in range(ARTISTS) if asked.artist <= names[index]]
    if asked.genre and not (asked.free or asked.track or asked.album):
        of_genre = [index for index in range(ARTISTS) if asked.genre in artist(index).genres]
        return of_genre[:_OF_A_GENRE]
    return [index for index in range(ARTISTS) if names[index] and names[index] <= asked.free]


def _fits(key: TrackKey, asked: _Query) -> bool:
    one = track(key)
    title, on = _words(one.name), _words(one.album.name)
    by = frozenset().union(*(_artist_words()[index] for index in (key[0], *one.guests)))
    return (
        asked.track <= title
        and asked.album <= on
        and asked.artist <= by
        and asked.free <= title | by | on
        and (not asked.genre or asked.genre in artist(key[0]).genres)
        and _in_years(asked, one.album.released)
    )


def _in_years(asked: _Query, released: str) -> bool:
    return asked.years is None or int(released[:4]) in asked.years


def _with_oddities(keys: Sequence[TrackKey], regime: str) -> list[shapes.Json | None]:
    """The tracks with imitations of the best among them, one of which may come first."""
    shown: list[shapes.Json | None] = [shapes.full_track(key, regime) for key in keys]
    for place, key in enumerate(keys[:_IMITATED]):
        one, by = track(key), artist(key[0]).name
        for number, (title, whose) in enumerate(_IMITATIONS):
            name, names = title.format(one.name, by), [whose.format(by)]
            identifier = spotify_id("imitation", *key, number)
            imitation = shapes.imitated_track(key, regime, identifier, name, names)
            first = one.draw % 5 == 0 and place == 0
            shown.insert(0 if first else len(shown), imitation)
    if keys and track(keys[0]).draw % 4 == 0:
        shown.insert(1, None)
    return shown


@cache
def _artist_words() -> tuple[Words, ...]:
    return tuple(_words(artist(index).name) for index in range(ARTISTS))


@cache
def _by_word() -> dict[str, set[TrackKey]]:
    """The tracks of the best known artists, by each word of title, album and artist."""
    index: dict[str, set[TrackKey]] = {}
    for who in range(_KNOWN_BY_TITLE):
        for number in range(artist(who).tracks):
            one = track((who, number))
            for word in _words(one.name) | _words(one.album.name) | _artist_words()[who]:
                index.setdefault(word, set()).add((who, number))
    return index


def _words(text: str) -> Words:
    """The words of a text, without case and accents; of a name of signs alone, the name."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in folded if not unicodedata.combining(letter))
    return frozenset(_WORD.findall(plain)) or frozenset(plain.split())
