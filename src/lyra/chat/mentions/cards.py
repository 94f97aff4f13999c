"""The items that an answer names, in its order, and the cards that are made of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from lyra.catalogue import items as catalogue
from lyra.chat.mentions.credits import CreditReader
from lyra.chat.mentions.judge import Judge
from lyra.chat.mentions.layout import Layout
from lyra.chat.mentions.names import TITLED, Item, Kind, Match, Name, NameIndex
from lyra.chat.mentions.visible_text import read_visible
from lyra.chat.mentions.words import Words
from lyra.chat.parts import TrackCard
from lyra.listening.models import Listening, Playlist, Track

MAX_MENTIONS = 12
# Characters that are searched within a turn of the event loop: about ten milliseconds at worst for
# the listener's own names, and a few more for each hundred that were found besides. A longer answer,
# which takes up to two tenths of a second, belongs in a thread.
SHORT_ANSWER = 4096
_MAX_PLACES = 20  # of one name, that are judged
_STEPS_A_PLACE = 40  # judging a place takes as long as comparing so many words
_BUDGET = 120_000


class Effort:
    """Counts the steps of one search; one takes about as long as comparing two words.

    Each word of the text is compared once, whatever it costs; what goes beyond has a budget, which
    only a text and names made for that purpose exhaust.
    """

    def __init__(self) -> None:
        self.steps = 0
        self._left = _BUDGET

    def read(self, steps: int) -> None:
        """Count what is always done."""
        self.steps += steps

    def allow(self, steps: int = 1) -> bool:
        """Count so much more, if the budget allows it. Return whether it does."""
        if steps > self._left:
            return False
        self._left -= steps
        self.steps += steps
        return True


class Mention(NamedTuple):
    """An item, and where in the visible text the answer first names it."""

    at: int
    item: Item
    kind: Kind


def find_mentions(
    text: str,
    listening: Listening,
    effort: Effort | None = None,
    *,
    found: Sequence[Item] = (),
) -> list[Mention]:
    """Return the items that this answer names, in its order, each once, at most twelve.

    They are the listener's own, and those that were `found` beside them.
    The longest name wins where several fit. The time grows with the answer plus the names, not
    with their product, and is counted in `effort`.
    """
    effort = effort or Effort()
    visible = read_visible(text)
    words = Words(visible.text)
    index = NameIndex(listening, frozenset(words.keys), found)
    layout = Layout(visible, words)
    judge = Judge(words, layout, CreditReader(words, layout, index))
    effort.read(len(words))
    named: dict[str, Mention] = {}
    taken = bytearray(len(words))
    for match in _longest_first(index, words, effort):
        if taken.find(1, match.first, match.last) >= 0:
            continue
        name = _meant(match, judge, layout, named, effort)
        if name is not None:
            taken[match.first : match.last] = b"\1" * (match.last - match.first)
            at = words.starts[match.first]
            earlier = named.get(str(name.item.uri))
            if earlier is None or at < earlier.at:
                named[str(name.item.uri)] = Mention(at, name.item, name.kind)
    for mark in visible.marks:
        for name in index.signs("".join(visible.text[mark.start : mark.end].split())):
            named.setdefault(str(name.item.uri), Mention(mark.start, name.item, name.kind))
    return sorted(named.values(), key=lambda mention: mention.at)[:MAX_MENTIONS]


def make_card(mention: Mention, note: str | None = None) -> TrackCard:
    """Make the card of an item; `note` says why it is new to the listener, if it is."""
    item = mention.item
    data: dict[str, Any] = {"uri": item.uri, "kind": mention.kind, "name": item.name}
    if isinstance(item, Track | catalogue.Item) and mention.kind != "artist":
        data["artists"] = list(item.artists)
    if isinstance(item, Playlist) and item.owner is not None:
        data["artists"] = [item.owner]
    for name in ("image", "url"):
        if (value := getattr(item, name)) is not None:
            data[name] = value
    if note is not None:
        data |= {"new": True, "note": note}
    return TrackCard(str(item.uri), data)


def _longest_first(index: NameIndex, words: Words, effort: Effort) -> list[Match]:
    """Return where names stand, the longest first; of one name only its first places."""
    matches: list[Match] = []
    places: dict[int, int] = {}
    for first in range(len(words)):
        for looked, match in enumerate(index.match_at(words, first)):
            if looked and not effort.allow():
                return sorted(matches, key=_by_length)
            if match is None or places.get(id(match.names), 0) >= _MAX_PLACES:
                continue
            places[id(match.names)] = places.get(id(match.names), 0) + 1
            matches.append(match)
    return sorted(matches, key=_by_length)


def _by_length(match: Match) -> tuple[int, int]:
    return match.first - match.last, match.first


def _meant(
    match: Match, judge: Judge, layout: Layout, named: dict[str, Mention], effort: Effort
) -> Name | None:
    """Return the name that is meant here; of several the one that has no place yet."""
    meant: list[Name] = []
    for name in _in_order(match, layout):
        if not effort.allow(_STEPS_A_PLACE):
            break
        if judge.is_meant(match, name):
            meant.append(name)
            if str(name.item.uri) not in named:
                return name
    return meant[0] if meant else None


def _in_order(match: Match, layout: Layout) -> list[Name]:
    """Return the names, tracks first where the words stand in quotation marks."""
    quoted = "quote" in layout.marks_of(match)
    titles = (*TITLED, "playlist")
    order = (*titles, "artist") if quoted else ("artist", *titles)
    return sorted(match.names, key=lambda name: (name.short, order.index(name.kind)))
