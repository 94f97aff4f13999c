"""Which of a listener's tracks, artists and playlists an answer names, found by code.

A model's links could be invented, so nothing it says becomes a card by itself: only names that are
in the listener's own data do. A name that is also a plain word needs a sign that it is meant.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import chain
from typing import Any, Literal, NamedTuple

from lyra.chat.parts import TrackCard
from lyra.listening.models import Artist, Listening, Playlist, Track

MOST = 12
_NEAR = 120  # characters between a track's name and its artist's
_SPACED = "\u2e80"  # scripts from here on write words without spaces between them
_OPENING = "\"'*_[(\u201c\u2018\u00ab\u201e\u300c\u300e"  # quotes of several languages, and marks
_SHORT = 3
_STRANGE = re.compile(r"[^\x00-\x7f]")

Kind = Literal["track", "artist", "playlist"]
_WHAT: dict[type, Kind] = {Track: "track", Artist: "artist", Playlist: "playlist"}
Item = Track | Artist | Playlist


class Named(NamedTuple):
    """An item of the listener's data, and where the answer first names it."""

    at: int
    item: Item
    kind: Kind


def named_items(text: str, listening: Listening) -> list[Named]:
    """The items that this text names, in its order, each once, at most twelve.

    The longest name wins where several fit; case, accents and the form of quotes do not matter in
    names of several words.
    """
    plain = _plain(text)
    folded = plain.casefold() if len(plain.casefold()) == len(plain) else plain.lower()
    taken = bytearray(len(plain))
    found: dict[str, Named] = {}
    for name, item, kind in _by_length(listening, plain, folded):
        at = _place(name, item, plain, folded, taken)
        if at is not None and item.uri not in found:
            found[str(item.uri)] = Named(at, item, kind)
            taken[at : at + len(name)] = b"\1" * len(name)
    return sorted(found.values(), key=lambda named: named.at)[:MOST]


def card(named: Named) -> TrackCard:
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


def _by_length(listening: Listening, plain: str, folded: str) -> list[tuple[str, Item, Kind]]:
    """The names that are in the text at all, the longest first; equal ones in the order of rank."""
    # Where folding has not changed the length, it finds whatever is in the text as it stands.
    odd = plain if plain.casefold() != folded else ""
    names = [
        (name, item, _WHAT[type(item)])
        for item in _items(listening)
        if item.uri
        and (name := (item.name if item.name.isascii() else _plain(item.name)).strip())
        # Nearly no name is in an answer, and this costs a fifth of looking closely.
        and (name.casefold() in folded or name in odd)
    ]
    return sorted(names, key=lambda each: -len(each[0]))


def _items(listening: Listening) -> Iterator[Item]:
    played = [play.track for play in listening.recently_played]
    return chain(listening.top_tracks, played, listening.top_artists, listening.playlists)


def _place(name: str, item: Item, plain: str, folded: str, taken: bytearray) -> int | None:
    """Where the text names this item for the first time; None where it does not."""
    one_word = " " not in name
    text, wanted = (plain, name) if one_word else (folded, name.casefold())
    if len(wanted) != len(name):
        text, wanted = plain, name
    at = text.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        free = not any(taken[at:end]) and _whole(text, at, end)
        if free and (not one_word or _meant(item, plain, at, end)):
            return at
        at = text.find(wanted, at + 1)
    return None


def _whole(text: str, at: int, end: int) -> bool:
    """Whether neither edge of the name is in the middle of a word."""
    before, after = text[at - 1 : at], text[end : end + 1]
    cut_before = before.isalnum() and text[at].isalnum() and text[at] < _SPACED
    cut_after = after.isalnum() and text[end - 1].isalnum() and text[end - 1] < _SPACED
    return not (cut_before or cut_after)


def _meant(item: Item, text: str, at: int, end: int) -> bool:
    """Whether a single word stands for the item rather than for itself."""
    if text[at - 1 : at] and text[at - 1] in _OPENING:
        return True
    if text[at] >= _SPACED:
        return end - at >= _SHORT  # without spaces there are no single words
    if isinstance(item, Track):
        around = text[max(0, at - _NEAR) : end + _NEAR]
        return any(_plain(artist) in around for artist in item.artists)
    starts = not re.search(r"[^\s.!?:>#|-]\s*$", text[:at])
    common = text[at:end].islower() or (isinstance(item, Playlist) and starts)
    return end - at > _SHORT and not common


def _plain(text: str) -> str:
    """The text without accents, with one kind of apostrophe and of space; as long as it was."""
    if text.isascii():
        return text
    return _STRANGE.sub(_plain_letter, unicodedata.normalize("NFC", text))


def _plain_letter(found: re.Match[str]) -> str:
    letter = found[0]
    if letter in "\u2018\u2019\u02bc":
        return "'"
    if letter.isspace():
        return " "
    base = unicodedata.normalize("NFKD", letter)[:1]
    return base if base.isascii() and base else letter
