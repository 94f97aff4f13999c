"""The names of a listener's data and of what was found, to be sought word by word in a text."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple

from lyra.catalogue import items as catalogue
from lyra.catalogue.editions import song_title
from lyra.chat.mentions.words import Words, drop_hidden, first_key, keys_of, without_symbols
from lyra.listening.models import Artist, Listening, Playlist, Track

Kind = Literal["track", "artist", "playlist", "album"]
Item = Track | Artist | Playlist | catalogue.Item
Keys = tuple[str, ...]

TITLED = ("track", "album")  # named with their artists
_KINDS: dict[type, Kind] = {Track: "track", Artist: "artist", Playlist: "playlist"}
MAX_NAME = 300  # characters; longer names are cut when they are read from Spotify
MAX_WORDS = 40  # of a name; a longer one is not looked for
_MAX_ITEMS = 8  # of one name

_END = ""  # no word; in a node it leads to the names that end there


class Name(NamedTuple):
    """One name of an item. `short`: a title without guests and edition."""

    item: Item
    kind: Kind
    written: str
    short: bool
    artists: tuple[Keys, ...]  # of a track or an album


class Match(NamedTuple):
    """Words of the text, from `first` up to `last`, that are a name."""

    first: int
    last: int
    names: list[Name]


class NameIndex:
    """The names by their words (a trie), as far as their first word is in the text.

    Those of the listener's data come first, then those of what was `found` beside them.
    """

    def __init__(
        self, listening: Listening, present: frozenset[str], found: Sequence[Item] = ()
    ) -> None:
        self._present = present
        self._root: dict[str, Any] = {}
        self._whole: dict[str, list[Name]] = {}  # of signs alone
        self.artists: set[Keys] = set()
        for item in chain(_items(listening), found):
            self._add_item(item)

    def signs(self, text: str) -> list[Name]:
        """Return the names that consist of these signs and of no word."""
        return self._whole.get(text, [])

    def match_at(self, words: Words, first: int) -> Iterator[Match | None]:
        """Yield a step for each word that is looked at, with the name that ends there if one does."""
        node = self._root
        for last in range(first, min(first + MAX_WORDS, len(words))):
            following = node.get(words.keys[last])
            if following is None:
                return
            node = following
            names = node.get(_END)
            yield None if names is None else Match(first, last + 1, names)

    def _add_item(self, item: Item) -> None:
        if not item.uri or len(item.name) > MAX_NAME:
            return
        if not self._may_be_named(item.name):
            return
        kind, artists = kind_of(item), self._credits(item)
        keys = keys_of(item.name)
        if not keys:
            self._whole.setdefault("".join(item.name.split()), []).append(
                Name(item, kind, item.name, False, artists)
            )
            return
        self._add(keys, Name(item, kind, item.name, False, artists))
        if (plain := without_symbols(keys)) != keys:
            self._add(plain, Name(item, kind, " ".join(plain).title(), True, artists))
        if kind == "artist":
            self.artists |= {keys, without_article(keys)}
            self._add(without_article(keys), Name(item, kind, item.name, False, artists))
        elif kind in TITLED and (short := song_title(item.name)) != item.name:
            self._add(keys_of(short), Name(item, kind, short, True, artists))

    def _may_be_named(self, name: str) -> bool:
        """Return whether the name begins with a word of the text: most do not, and cost no more."""
        first = first_key(name)
        return not first or first in self._present or first == "the" or not first[0].isalnum()

    def _credits(self, item: Item) -> tuple[Keys, ...]:
        if isinstance(item, Artist | Playlist) or kind_of(item) == "artist":
            return ()
        named = tuple([keys for artist in item.artists[:8] if (keys := keys_of(artist))])
        self.artists.update(named)
        self.artists.update(map(without_article, named))
        return named

    def _add(self, keys: Keys, name: Name) -> None:
        if not keys or len(keys) > MAX_WORDS or keys[0] not in self._present:
            return
        node = self._root
        for key in keys:
            node = node.setdefault(key, {})
        names: list[Name] = node.setdefault(_END, [])
        if len(names) < _MAX_ITEMS and all(each.item.uri != name.item.uri for each in names):
            names.append(name)


def kind_of(item: Item) -> Kind:
    """Return what the item is."""
    return item.kind if isinstance(item, catalogue.Item) else _KINDS[type(item)]


def without_article(keys: Keys) -> Keys:
    """Return an artist's words without "the" before them."""
    return keys[1:] if len(keys) > 1 and keys[0] == "the" else keys


def written_capitals(name: str) -> list[bool]:
    """Return of each word of a name whether it is written with a capital."""
    words = Words(drop_hidden(name))
    return [words.is_upper(place) for place in range(len(words))]


def _items(listening: Listening) -> Iterator[Item]:
    played = [play.track for play in listening.recently_played]
    return chain(listening.top_tracks, played, listening.top_artists, listening.playlists)
