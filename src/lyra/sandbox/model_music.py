"""What the sandbox model knows of music: songs of the invented catalogue that may suit a listener.

As a real model does, it knows the best known artists, remembers a title that does not exist, and
does not see all that the listener plays.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Literal

from lyra.responder.listener import Listener
from lyra.responder.slots import Years
from lyra.sandbox.catalogue import ARTISTS, ODD_INDEXES, artist, families, family_of, track
from lyra.sandbox.names import ADJECTIVES, GENRES, NOUNS, ODD_TITLES
from lyra.sandbox.rng import Rng

Kind = Literal["track", "album", "artist"]
NOUNS_OF: Mapping[str, str] = {"track": "song", "album": "album", "artist": "artist"}

_SOURCES = 3  # that the suggestions come from
_KNOWN_TITLES = 4  # of an artist, where no years are asked for
_FAMILY_NAMES = tuple(GENRES)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: how many songs, of which genres or families, from which years.

    `like` are artists that the songs should resemble, or be by where `by` says so; without them
    they suit all of the listening. `told` is a text whose songs were named before. With `sure` none
    is by the listener's own artists, nor misremembered.
    """

    count: int
    genres: frozenset[str] = frozenset()
    years: Years | None = None
    like: tuple[str, ...] = ()
    by: bool = False
    told: str = ""
    sure: bool = False


def suggest_songs(listener: Listener, wish: Wish) -> list[tuple[str, str]]:
    """Return artist and title of each song, the same for the same wish."""
    own = _own_artists(listener)
    if wish.by:
        return _songs_by(listener, wish)
    if wish.sure:
        return list(islice(_new_songs(own, listener, wish), wish.count))
    new = list(islice(_new_songs(own, listener, wish), wish.count - 1))
    mine = _own_songs(own, wish, 2 if len(new) > 2 else 0)  # noqa: PLR2004 - most of them are new
    kept = new[: wish.count - 1 - len(mine)]
    return [*kept, *[_invented(who, wish) for who, _ in kept[:1]], *mine]


def item_of(kind: Kind, who: str, title: str) -> dict[str, str]:
    """Return the item that is looked up for a song: itself, its album or its artist."""
    if kind == "artist":
        return {"artist": who, "kind": kind}
    return {
        "artist": who,
        "title": _album_of(who, title) if kind == "album" else title,
        "kind": kind,
    }


def _album_of(who: str, title: str) -> str:
    """Return the name of a song's album; of one without a name, and of no song, the title."""
    index = _by_name()[who.casefold()]
    songs = (track((index, number)) for number in range(artist(index).tracks))
    return next((one.album.name for one in songs if one.name == title), "") or title


def family_named(name: str) -> str | None:
    """Return the family of genres that an artist is of; None for one whom the model does not know."""
    index = _by_name().get(name.casefold())
    return None if index is None else family_of()[index]


def genres_in(words: str) -> frozenset[str]:
    """Return the genres and families that are named in these words."""
    text = f" {' '.join(words.casefold().replace('?', ' ').replace('.', ' ').split())} "
    known = {*GENRES, *(each for genres in GENRES.values() for each in genres)}
    return frozenset(each for each in known if f" {each.casefold()} " in text)


def _own_artists(listener: Listener) -> list[int]:
    """Return the artists of the listener that the model knows, the best loved first."""
    names = [each.name for each in listener.artists]
    tracks = [*listener.tracks, *(play.track for play in listener.plays)]
    names += [credit.name for each in tracks for credit in each.credits]
    indexes = (_by_name().get(name.casefold()) for name in names)
    return list(dict.fromkeys(each for each in indexes if each is not None))


def _songs_by(listener: Listener, wish: Wish) -> list[tuple[str, str]]:
    """Return songs by the artists that are asked for, none that the listener's data show."""
    known = {each.name for each in (*listener.tracks, *(play.track for play in listener.plays))}
    indexes = [_by_name().get(name.casefold()) for name in wish.like]
    songs = [song for each in indexes if each is not None for song in _songs(each, wish)]
    return [song for song in songs if song[1] not in known][: wish.count]


def _new_songs(own: list[int], listener: Listener, wish: Wish) -> Iterator[tuple[str, str]]:
    """Yield songs by artists who are not the listener's, family by family in turn."""
    sources = [_of_family(name, own, wish) for name in _tastes(own, listener, wish)]
    while sources:
        for source in [*sources]:
            song = next(source, None)
            if song is None:
                sources.remove(source)
            else:
                yield song


def _tastes(own: list[int], listener: Listener, wish: Wish) -> list[str]:
    """Return the families that suit best."""
    if wish.genres:
        return [name for name, genres in GENRES.items() if wish.genres & {name, *genres}]
    like = [_by_name().get(name.casefold()) for name in wish.like]
    weights: Counter[str] = Counter()
    for place, index in enumerate([each for each in like if each is not None] or own):
        weights[family_of()[index]] += 1_000 // (place + 3)
    for place, genre in enumerate([] if weights else listener.genres):
        weights.update(
            {each: 1_000 // (place + 3) for each, of in GENRES.items() if genre.name in of}
        )
    return [name for name, _ in weights.most_common(_SOURCES)] or list(_FAMILY_NAMES[:_SOURCES])


def _of_family(name: str, own: list[int], wish: Wish) -> Iterator[tuple[str, str]]:
    for index in families()[_FAMILY_NAMES.index(name)].artists:
        if index in own or index in ODD_INDEXES or not _suits(index, name, wish):
            continue
        song = next(_songs(index, wish), None)
        if song is not None:
            yield song


def _suits(index: int, family: str, wish: Wish) -> bool:
    return not wish.genres or family in wish.genres or bool(wish.genres & {*artist(index).genres})


def _own_songs(own: list[int], wish: Wish, most: int) -> list[tuple[str, str]]:
    """Return songs by the listener's own artists, whether they are known or not."""
    known = [each for each in own if each not in ODD_INDEXES]
    if wish.genres:
        known = [each for each in known if _suits(each, family_of()[each], wish)]
    return [song for index in known[:most] for song in islice(_songs(index, wish), 1)]


def _songs(index: int, wish: Wish) -> Iterator[tuple[str, str]]:
    """Yield what the model remembers of an artist, beginning anywhere among the best known."""
    count = artist(index).tracks if wish.years or wish.by else _KNOWN_TITLES
    first = Rng("remembered", index).below(count)
    for number in range(count):
        one = track((index, (first + number) % count))
        if one.name not in ODD_TITLES and _within(wish, one.album.released):
            song = (artist(index).name, one.name)
            if song[1] not in wish.told:
                yield song


def _within(wish: Wish, released: str) -> bool:
    return wish.years is None or wish.years.first <= int(released[:4]) <= wish.years.last


def _invented(name: str, wish: Wish) -> tuple[str, str]:
    """Return a title that this artist has not, as real models remember one."""
    index = _by_name()[name.casefold()]
    titles = {track((index, number)).name for number in range(artist(index).tracks)}
    rng = Rng("misremembered", index)
    while True:
        title = f"{rng.pick(NOUNS)} of {rng.pick(ADJECTIVES)} {rng.pick(NOUNS)}"
        if title not in titles and title not in wish.told:
            return name, title


@cache
def _by_name() -> dict[str, int]:
    """The artists by name; of two with one name the better known."""
    names: dict[str, int] = {}
    for index in _all_but_nameless(range(ARTISTS)):
        names.setdefault(artist(index).name.casefold(), index)
    return names


def _all_but_nameless(indexes: Iterable[int]) -> Iterator[int]:
    return (index for index in indexes if artist(index).name)
