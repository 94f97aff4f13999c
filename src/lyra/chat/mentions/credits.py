"""Which artist an answer names beside a title: the title's own, another one, or none. Pure."""

import re
from collections.abc import Sequence
from typing import Literal

from lyra.chat.mentions.layout import Layout
from lyra.chat.mentions.names import Keys, Match, NameIndex, without_article
from lyra.chat.mentions.words import Words, is_unspaced

Beside = Literal["same", "other"]

_LOOK = 12  # words
_LONGEST_NAME = 160  # characters
_VERSION_OF = 3  # words from a title back to the owner of a cover of it
_NAME = 4  # words at most of somebody who is not known, behind a dash or in brackets
_QUOTES = "\"'\u2018\u201c\u00ab\u201e\u2039\u300c\u300e"
_ENDS = "\"'\u2019\u201c\u201d\u00ab\u00bb\u203a\u300d\u300f)\\]"
_BY = re.compile(rf"[{_ENDS} ,]{{0,4}}\s*(?:[(\u2014\u2013-]\s*)?$")
_BY_WORDS = frozenset({"by", "von", "par", "por", "de", "af", "av"})
_JOINED = re.compile(
    rf"[{_ENDS}]{{0,3}}\s*(?:[-\u2013\u2014:/\u00b7|]|[(\uff08])\s*[{_QUOTES}]{{0,2}}$"
)
_BEFORE = re.compile(rf"\s*(?:[-\u2013\u2014:,/\u00b7|]\s*)?[{_QUOTES}(]{{0,2}}$")
_DASH = re.compile(rf"\s*[-\u2013\u2014:]\s*[{_QUOTES}]{{0,2}}$")
_QUOTED = re.compile(f"[{_QUOTES}]")
_OWNERS = re.compile(rf"['\u2019\u02bc]s?\s+[{_QUOTES}(]{{0,2}}$")
_STOP = re.compile(r"[)\uff09.,;|\n]|\s[-\u2013\u2014]\s")
_NO_ARTIST = re.compile(r"(?:feat|ft|with|live|remaster|from|in|\d)\b", re.IGNORECASE)
_MADE = frozenset(
    {"recorded", "sung", "performed", "written", "played", "covered", "released", "made"}
)
_VERSIONS = frozenset({"cover", "version", "take", "rendition", "recording", "reading", "remix"})
_NO_OWNERS = frozenset(
    [
        "it",
        "he",
        "she",
        "that",
        "this",
        "there",
        "here",
        "what",
        "who",
        "let",
        "where",
        "one",
        "how",
        "when",
    ]
)
_BY_COLUMN = frozenset({"artist", "artists", "by", "band", "bands"})


class CreditReader:
    """Reads the credits of one answer."""

    def __init__(self, words: Words, layout: Layout, index: NameIndex) -> None:
        self._words = words
        self._layout = layout
        self._index = index

    def artist_beside(self, match: Match, artists: Sequence[Keys]) -> Beside | None:
        """Return whether the artist that is named beside a title is one of these, or another one."""
        if self._stands_before(match.first, artists):
            return "same"
        return self._behind(match, artists) or self._in_row(match, artists) or self._before(match)

    def is_title(self, match: Match) -> bool:
        """Return whether these words are something "by" somebody, and so no artist themselves."""
        by, last = match.last, len(self._words)
        if by + 1 >= last or self._words.keys[by] not in _BY_WORDS:
            return False
        alone = _BY.match(self._words.between(by - 1, by)) is not None
        return (
            alone
            and self._layout.shares_line(by - 1, by + 1)
            and self._is_somebody(by + 1, by=True)
        )

    def is_artist_near(self, match: Match, artists: Sequence[Keys]) -> bool:
        """Return whether one of these is named in the same line, not far from the title."""
        last = min(len(self._words), match.last + _LOOK)
        return any(
            self._layout.shares_line(place, match.first)
            and not match.first <= place < match.last
            and self._names_at(place, artists)
            for place in range(max(0, match.first - _LOOK), last)
        )

    def _behind(self, match: Match, artists: Sequence[Keys]) -> Beside | None:
        words, last = self._words, match.last
        if last >= len(words) or not self._layout.shares_line(last - 1, last):
            return None
        gap = words.between(last - 1, last)
        last += words.keys[last] in _MADE and last + 1 < len(words)
        by = words.keys[last] in _BY_WORDS and _BY.match(gap)
        place = last + 1 if by else last
        if words.keys[last] == "from" and last + 1 < len(words) and self._is_known_artist(last + 1):
            return "same" if self._names_at(last + 1, artists) else "other"
        if place >= len(words) or not (by or _JOINED.match(gap)):
            return None
        if self._names_at(place, artists):
            return "same"
        return "other" if self._is_somebody(place, by=bool(by)) else None

    def _is_somebody(self, place: int, *, by: bool) -> bool:
        """Return whether an artist is named here: one that is known, or anybody with capitals."""
        words = self._words
        if self._is_known_artist(place):
            return True
        if by:
            article = words.keys[place] == "the" and place + 1 < len(words)
            return words.is_upper(place) or (article and words.is_upper(place + 1))
        start = words.starts[place]
        end = min(self._layout.line_end(place), start + _LONGEST_NAME)
        rest = _STOP.split(words.text[start:end], maxsplit=1)[0]
        said = rest.split()
        capitals = 0 < len(said) <= _NAME and all(
            part[:1].isupper() or is_unspaced(part) for part in said
        )
        return capitals and _NO_ARTIST.match(rest) is None

    def _in_row(self, match: Match, artists: Sequence[Keys]) -> Beside | None:
        """Return what the other cells of a table's row say."""
        line = self._layout.line_of(match.first)
        cells = self._layout.cells.get(line, [])
        if (match.first, match.last) not in cells:
            return None
        others = [cell for cell in cells if cell != (match.first, match.last)]
        if any(self._names_at(first, artists) for first, _ in others):
            return "same"
        if any(
            self._words.key_slice(first, end - first) in self._index.artists
            for first, end in others
        ):
            return "other"
        return "other" if self._has_artists_column(line) else None

    def _has_artists_column(self, line: int) -> bool:
        """Return whether the table of this line has a heading over its artists."""
        return any(
            not _BY_COLUMN.isdisjoint(self._words.key_slice(first, end - first))
            for first, end in self._layout.heading_cells(line)
        )

    def _before(self, match: Match) -> Beside | None:
        """Return "other" where somebody stands before the title as its owner, or before a dash."""
        first = match.first
        if not first or not self._layout.shares_line(first - 1, first):
            return None
        gap, before = self._words.between(first - 1, first), first - 1
        if _OWNERS.match(gap):
            owner = self._words.is_upper(before) and self._words.keys[before] not in _NO_OWNERS
            return "other" if owner else None
        if self._words.keys[before] == "of" and first > _VERSION_OF:
            version, whose = self._words.keys[first - 2], first - _VERSION_OF
            owned = self._words.is_possessive(whose) and self._words.is_upper(whose)
            return "other" if owned and version in _VERSIONS else None
        if not _DASH.match(gap):
            return None
        if _QUOTED.search(gap) and self._is_name_of_the_start(before):
            return "other"
        known = (
            self._words.key_slice(first - size, size) for size in range(1, min(_LOOK, first) + 1)
        )
        return "other" if any(keys in self._index.artists for keys in known) else None

    def _is_name_of_the_start(self, last: int) -> bool:
        """Return whether the words up to this one, from the sentence's start on, are all capitals."""
        for place in range(last, max(-1, last - _NAME), -1):
            if not self._words.is_upper(place):
                return False
            if self._layout.starts_sentence(place):
                return True
        return False

    def _stands_before(self, first: int, artists: Sequence[Keys]) -> bool:
        """Return whether one of these stands right before the title, as owner or before a sign."""
        if not first or not self._layout.shares_line(first - 1, first):
            return False
        gap = self._words.between(first - 1, first)
        if not (_OWNERS.match(gap) or (gap.strip() and _BEFORE.match(gap))):
            return False
        return any(
            len(keys) <= first and self._words.key_slice(first - len(keys), len(keys)) == keys
            for keys in map(without_article, artists)
        )

    def _names_at(self, place: int, artists: Sequence[Keys]) -> bool:
        if self._words.keys[place] == "the" and place + 1 < len(self._words):
            place += 1
        return any(
            self._words.key_slice(place, len(keys)) == keys
            for keys in map(without_article, artists)
        )

    def _is_known_artist(self, place: int) -> bool:
        most = min(_LOOK, len(self._words) - place)
        return any(
            self._words.key_slice(place, size) in self._index.artists for size in range(1, most + 1)
        )
