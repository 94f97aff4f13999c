"""Which of a listener's tracks, artists and playlists an answer names, found by code.

A model's links could be invented, so nothing it says becomes a card by itself: only names that are
in the listener's own data do. A name that is also a plain word needs a sign that it is meant.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Literal, NamedTuple

from lyra.chat.name_search import SPACED, Effort, NameSearch
from lyra.chat.parts import TrackCard
from lyra.listening.models import Artist, Listening, Playlist, Track
from lyra.listening.sanitize import compose

MOST = 12
_LONGEST = 300  # letters; Spotify's names are cut there when they are read
_NEAR = 120  # characters between a track's name and its artist's
_BEFORE = 64  # characters in which the end of what stands before a name is looked for
_OPENING = "\"'*_[(\u201c\u2018\u00ab\u201e\u300c\u300e"  # quotes of several languages, and marks
_STARTS = ".!?:>#|-"  # what a sentence or a line begins behind
_SHORT = 3
_JOINERS = "\u200c\u200d\ufe0e\ufe0f"  # a model may leave them out
_STRANGE = re.compile(f"[\x80-{SPACED}\u3000\ufb00-\ufb06\uff01-\uff5e]")
_SHORT_TEXT = 4096
_LETTERS = 30_000

Kind = Literal["track", "artist", "playlist"]
_WHAT: dict[type, Kind] = {Track: "track", Artist: "artist", Playlist: "playlist"}
Item = Track | Artist | Playlist


class Mentions(NamedTuple):
    """An item of the listener's data, and where the answer first names it."""

    at: int
    item: Item
    kind: Kind


class _Text(NamedTuple):
    """An answer in the form in which names are looked for, and where they are meant."""

    plain: str
    taken: bytearray
    places: NameSearch
    effort: Effort
    meant: dict[tuple[str, Kind, tuple[str, ...]], list[int]]


def find_mentions(text: str, listening: Listening, effort: Effort | None = None) -> list[Mentions]:
    """Return the items that this text names, in its order, each once, at most twelve.

    The longest name wins where several fit; case, accents and the form of quotes do not matter in
    names of several words. What it takes grows with the text and the names, not with the two
    multiplied, and is counted in `effort`.
    """
    effort = effort or Effort()
    plain = _plain(text)
    fold = str.casefold if len(plain.casefold()) == len(plain) else str.lower
    whole = fold(plain)
    names = _by_length(listening, fold, whole)
    places = NameSearch(plain, whole, [folded for _, folded, _ in names], effort)
    looked = _Text(plain, bytearray(len(plain)), places, effort, {})
    found: dict[str, Mentions] = {}
    for name, folded, item in names:
        if str(item.uri) in found:
            continue
        at = _place(name, folded, item, looked)
        if at is not None:
            found[str(item.uri)] = Mentions(at, item, _WHAT[type(item)])
            looked.taken[at : at + len(name)] = b"\1" * len(name)
    return sorted(found.values(), key=lambda named: named.at)[:MOST]


def card(named: Mentions) -> TrackCard:
    """The card of an item, made of the listener's own data."""
    item = named.item
    told: dict[str, Any] = {"uri": item.uri, "kind": named.kind, "name": item.name}
    if isinstance(item, Track):
        told["artists"] = list(item.artists)
    if isinstance(item, Playlist) and item.owner is not None:
        told["artists"] = [item.owner]
    for name in ("image", "url"):
        if (value := getattr(item, name)) is not None:
            told[name] = value
    return TrackCard(str(item.uri), told)


def _by_length(
    listening: Listening, fold: Callable[[str], str], text: str
) -> list[tuple[str, str, Item]]:
    """The names, each with its folded form, the longest first; equal ones in the order of rank."""
    names = []
    # Nearly no name is in an answer, and in a short one this costs a fifth of looking closely.
    short = len(text) <= _SHORT_TEXT
    for item in _items(listening):
        name = _plain(item.name).strip() if item.uri and len(item.name) <= _LONGEST else ""
        # A name that grows when it is folded has a letter that the text then has not.
        if not name or len(folded := fold(name)) != len(name):
            continue
        if folded in text if short else len(name) <= len(text):
            names.append((name, folded, item))
    return sorted(names, key=lambda each: -len(each[0]))


def _items(listening: Listening) -> Iterator[Item]:
    played = [play.track for play in listening.recently_played]
    return chain(listening.top_tracks, played, listening.top_artists, listening.playlists)


def _place(name: str, folded: str, item: Item, looked: _Text) -> int | None:
    """Where the text names this item for the first time; None where it does not."""
    places = looked.places.of(name, folded, exact=" " not in name)
    if places and " " not in name:
        places = _meant_at(places, name, item, looked)
    for at in places:
        if not looked.effort.look():
            return None
        if looked.taken.find(1, at, at + len(name)) < 0:
            return at
    return None


def _meant_at(places: list[int], name: str, item: Item, looked: _Text) -> list[int]:
    """Those of the places at which a single word stands for the item rather than for itself."""
    artists = item.artists if isinstance(item, Track) else ()
    what = name, _WHAT[type(item)], artists
    if what not in looked.meant:
        by = [_plain(artist) for artist in artists]
        looked.meant[what] = [
            at
            for at in places
            if looked.effort.look() and _is_mention(item, by, looked, at, len(name))
        ]
    return looked.meant[what]


def _is_mention(item: Item, artists: list[str], looked: _Text, at: int, length: int) -> bool:
    text, end = looked.plain, at + length
    if text[at - 1 : at] and text[at - 1] in _OPENING:
        return True
    if text[at] >= SPACED:
        return length >= _SHORT  # without spaces there are no single words
    if isinstance(item, Track):
        around = text[max(0, at - _NEAR) : end + _NEAR]
        return any(looked.effort.look() and artist in around for artist in artists)
    before = text[max(0, at - _BEFORE) : at].rstrip()
    starts = not before or before[-1] in _STARTS
    common = text[at:end].islower() or (isinstance(item, Playlist) and starts)
    return length > _SHORT and not common


def _plain(text: str) -> str:
    """The text without accents and joiners, with one kind of apostrophe and of space."""
    if text.isascii():
        return text
    text = compose(text)
    for joiner in _JOINERS:
        text = text.replace(joiner, "")
    return text.translate(_PLAIN) if _STRANGE.search(text) else text


class _PlainLetters(dict[int, str]):
    """Letters by their numbers, made plain when they are first met; never more than 30,000."""

    def __missing__(self, number: int) -> str:
        if len(self) >= _LETTERS:
            self.clear()
        letter = chr(number)
        plain = self[number] = _plain_letter(letter) if _STRANGE.match(letter) else letter
        return plain


_PLAIN = _PlainLetters()


def _plain_letter(letter: str) -> str:
    if letter in "\u2018\u2019\u02bc":
        return "'"
    if letter.isspace():
        return " "
    base = unicodedata.normalize("NFKD", letter)[:1]
    return base if base.isascii() and base else letter
