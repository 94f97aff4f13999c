"""Mention detection: which of the listener's tracks, artists and playlists an answer names.

A model could invent links, so only names that are in the listener's own data become cards. A name
that is also a common word needs a sign that the item is meant.
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

MAX_MENTIONS = 12
_MAX_NAME = 300  # characters; longer names are cut when they are read from Spotify
_NEAR = 120  # characters between a track's name and its artist's
_BEFORE = 64  # characters before a name in which the end of the sentence before is searched
_OPENING = "\"'*_[(\u201c\u2018\u00ab\u201e\u300c\u300e"  # quotation marks, and Markdown
_STARTS = ".!?:>#|-"  # what ends a sentence or a line before the next begins
_SHORT = 3
_JOINERS = "\u200c\u200d\ufe0e\ufe0f"  # a model may leave them out
_STRANGE = re.compile(f"[\x80-{SPACED}\u3000\ufb00-\ufb06\uff01-\uff5e]")
_SHORT_TEXT = 4096
_MAX_LETTERS = 30_000

Kind = Literal["track", "artist", "playlist"]
_KINDS: dict[type, Kind] = {Track: "track", Artist: "artist", Playlist: "playlist"}
Item = Track | Artist | Playlist


class Mention(NamedTuple):
    """An item of the listener's data, and where the answer first names it."""

    at: int
    item: Item
    kind: Kind


class _SearchedText(NamedTuple):
    """A simplified answer, and the state of the search for names in it."""

    simple: str
    taken: bytearray
    search: NameSearch
    effort: Effort
    meant: dict[tuple[str, Kind, tuple[str, ...]], list[int]]


def find_mentions(text: str, listening: Listening, effort: Effort | None = None) -> list[Mention]:
    """Return the items that this text names, in the order of the text, each once, at most twelve.

    The longest name wins where several fit. In names of several words case, accents and the form
    of quotation marks do not matter. The time grows with the text plus the names, not with their
    product, and is counted in `effort`.
    """
    effort = effort or Effort()
    simple = _simplify(text)
    fold = str.casefold if len(simple.casefold()) == len(simple) else str.lower
    folded_text = fold(simple)
    names = _names_by_length(listening, fold, folded_text)
    search = NameSearch(simple, folded_text, [folded for _, folded, _ in names], effort)
    searched = _SearchedText(simple, bytearray(len(simple)), search, effort, {})
    mentions: dict[str, Mention] = {}
    for name, folded, item in names:
        if str(item.uri) in mentions:
            continue
        at = _find_first(name, folded, item, searched)
        if at is not None:
            mentions[str(item.uri)] = Mention(at, item, _KINDS[type(item)])
            searched.taken[at : at + len(name)] = b"\1" * len(name)
    return sorted(mentions.values(), key=lambda mention: mention.at)[:MAX_MENTIONS]


def make_card(mention: Mention) -> TrackCard:
    """Make the card of an item from the listener's own data."""
    item = mention.item
    data: dict[str, Any] = {"uri": item.uri, "kind": mention.kind, "name": item.name}
    if isinstance(item, Track):
        data["artists"] = list(item.artists)
    if isinstance(item, Playlist) and item.owner is not None:
        data["artists"] = [item.owner]
    for name in ("image", "url"):
        if (value := getattr(item, name)) is not None:
            data[name] = value
    return TrackCard(str(item.uri), data)


def _names_by_length(
    listening: Listening, fold: Callable[[str], str], text: str
) -> list[tuple[str, str, Item]]:
    """Return names with their folded forms, longest first; equally long ones in order of rank."""
    names = []
    # Few names are in an answer; in a short one this check costs a fifth of the search.
    short = len(text) <= _SHORT_TEXT
    for item in _items(listening):
        name = _simplify(item.name).strip() if item.uri and len(item.name) <= _MAX_NAME else ""
        # The text keeps its length when it is folded, so a name that does not cannot be in it.
        if not name or len(folded := fold(name)) != len(name):
            continue
        if folded in text if short else len(name) <= len(text):
            names.append((name, folded, item))
    return sorted(names, key=lambda each: -len(each[0]))


def _items(listening: Listening) -> Iterator[Item]:
    played = [play.track for play in listening.recently_played]
    return chain(listening.top_tracks, played, listening.top_artists, listening.playlists)


def _find_first(name: str, folded: str, item: Item, searched: _SearchedText) -> int | None:
    """Return where the text first names this item, or None."""
    places = searched.search.find(name, folded, exact=" " not in name)
    if places and " " not in name:
        places = _filter_meant(places, name, item, searched)
    for at in places:
        if not searched.effort.allow():
            return None
        if searched.taken.find(1, at, at + len(name)) < 0:
            return at
    return None


def _filter_meant(places: list[int], name: str, item: Item, searched: _SearchedText) -> list[int]:
    """Return those places at which a single word means the item and is not a common word."""
    artists = item.artists if isinstance(item, Track) else ()
    key = name, _KINDS[type(item)], artists
    if key not in searched.meant:
        by = [_simplify(artist) for artist in artists]
        searched.meant[key] = [
            at
            for at in places
            if searched.effort.allow() and _is_mention(item, by, searched, at, len(name))
        ]
    return searched.meant[key]


def _is_mention(
    item: Item, artists: list[str], searched: _SearchedText, at: int, length: int
) -> bool:
    text, end = searched.simple, at + length
    if text[at - 1 : at] and text[at - 1] in _OPENING:
        return True
    if text[at] >= SPACED:
        return length >= _SHORT  # without spaces there are no single words
    if isinstance(item, Track):
        around = text[max(0, at - _NEAR) : end + _NEAR]
        return any(searched.effort.allow() and artist in around for artist in artists)
    before = text[max(0, at - _BEFORE) : at].rstrip()
    starts = not before or before[-1] in _STARTS
    common = text[at:end].islower() or (isinstance(item, Playlist) and starts)
    return length > _SHORT and not common


def _simplify(text: str) -> str:
    """Return the text without accents and joiners, with one kind of apostrophe and of space."""
    if text.isascii():
        return text
    text = compose(text)
    for joiner in _JOINERS:
        text = text.replace(joiner, "")
    return text.translate(_SIMPLE) if _STRANGE.search(text) else text


class _SimpleLetters(dict[int, str]):
    """A translation table that is filled as letters are met, with at most 30,000 of them."""

    def __missing__(self, number: int) -> str:
        if len(self) >= _MAX_LETTERS:
            self.clear()
        letter = chr(number)
        simple = self[number] = _simplify_letter(letter) if _STRANGE.match(letter) else letter
        return simple


_SIMPLE = _SimpleLetters()


def _simplify_letter(letter: str) -> str:
    if letter in "\u2018\u2019\u02bc":
        return "'"
    if letter.isspace():
        return " "
    base = unicodedata.normalize("NFKD", letter)[:1]
    return base if base.isascii() and base else letter
