"""Whether a name that stands in an answer means the item of that name.

A title may be any words: so something has to say that it is one. What says so, the strongest first:
the artist named beside it; quotation marks, bold type, a row or a cell that hold the whole name and
nothing else; capitals as the name has them, for a name of several words, or of one that is no word
of every day. An artist who is named beside a title and is not the item's rules the item out,
whatever else stands there.
"""

from lyra.chat.mentions.common_words import (
    COMMON_WORDS,
    EXCLAMATIONS,
    FUNCTION_WORDS,
    PREDICATES,
)
from lyra.chat.mentions.credits import CreditReader
from lyra.chat.mentions.layout import Layout
from lyra.chat.mentions.names import TITLED, Match, Name, written_capitals
from lyra.chat.mentions.visible_text import MarkKind
from lyra.chat.mentions.words import Words, is_unspaced

_RECKONED = frozenset(
    ["your", "number", "among", "at", "in", "top", "ranked", "first", "second", "third", "one"]
)
_VERBS = frozenset({"is", "are", "was", "were"})
_DETERMINERS = frozenset(
    ("a", "an", "the", "my", "your", "our", "his", "her", "their", "this", "that", "some", "no")
)
_COMMAS = frozenset({",", "/", ";"})
_LISTS = frozenset({"and", "or"})
_LEAST_UNSPACED = 3  # letters of a script without spaces: fewer may be any word
_LEAST_SMALL = 5  # letters of a word that may be an artist in small letters
_SHORT = 3  # letters of a word that may be any abbreviation
_SMALL_MARK = 4  # words


class Judge:
    """Judges the names of one answer."""

    def __init__(self, words: Words, layout: Layout, credit: CreditReader) -> None:
        self._words = words
        self._layout = layout
        self._credits = credit

    def is_meant(self, match: Match, name: Name) -> bool:
        """Return whether these words mean this item."""
        beside = self._credits.artist_beside(match, name.artists) if name.kind in TITLED else None
        if beside is not None:
            return beside == "same"
        if name.kind == "artist" and self._credits.is_title(match):
            return False
        if marks := self._layout.marks_of(match):
            return not (
                self._is_exclamation(match, marks)
                or self._is_attribute(match, marks)
                or self._is_in_small_letters(match, name)
            )
        if is_unspaced(self._words.text[self._words.starts[match.first]]):
            return match.last - match.first >= _LEAST_UNSPACED and not name.short
        return not self._is_part_of_a_mark(match) and self._is_bare(match, name)

    def _is_bare(self, match: Match, name: Name) -> bool:
        match name.kind:
            case "track" | "album":
                return self._is_bare_track(match, name)
            case "playlist":
                return self._is_bare_playlist(match, name)
            case "artist":
                return self._is_bare_artist(match, name)

    # --- names without a mark ---

    def _is_bare_track(self, match: Match, name: Name) -> bool:
        if not self._has_capitals(match, name):
            return False
        if match.last - match.first > 1 and not name.short:
            return not self._is_part_of_a_name(match)
        return not self._begins_with_a_common_word(match) and self._credits.is_artist_near(
            match, name.artists
        )

    def _is_bare_playlist(self, match: Match, name: Name) -> bool:
        several = match.last - match.first > 1
        before = self._words.key_slice(max(0, match.first - 3), min(3, match.first))
        if "playlist" in before or "playlist" in self._words.key_slice(match.last, 2):
            return several or self._has_capitals(match, name)
        return several and self._has_capitals(match, name) and not self._is_part_of_a_name(match)

    def _is_bare_artist(self, match: Match, name: Name) -> bool:
        if not self._has_capitals(match, name):
            return self._is_artist_in_small_letters(match)
        if self._is_part_of_a_name(match):
            return False
        if match.last - match.first > 1 or self._words.is_possessive(match.last - 1):
            return True
        return self._is_listed(match) or self._is_one_word_meant(match)

    def _is_artist_in_small_letters(self, match: Match) -> bool:
        if match.first and self._words.keys[match.first - 1] in _DETERMINERS:
            return False
        key = self._words.keys[match.first]
        odd = len(key) >= _LEAST_SMALL or any(letter.isdigit() for letter in key)
        small = self._words.text[self._words.starts[match.first]].islower()
        return match.last - match.first == 1 and small and odd and key not in COMMON_WORDS

    def _is_one_word_meant(self, match: Match) -> bool:
        place = match.first
        written = self._words.text[self._words.starts[place] : self._words.ends[place]]
        plain = written.isascii() and written.isalpha() and not written[1:].isupper()
        common = self._words.keys[place] in COMMON_WORDS or (len(written) <= _SHORT and plain)
        if not common or not self._layout.starts_sentence(place):
            return True
        following = self._words.key_slice(match.last, 2)
        return bool(following) and following[0] in _VERBS and following[-1] in _RECKONED

    # --- signs ---

    def _has_capitals(self, match: Match, name: Name) -> bool:
        """Return whether the words have the capitals of the name; names without any need a mark."""
        size = match.last - match.first
        written = written_capitals(name.written)[-size:]  # an article may be left out
        if not any(letter.isupper() for letter in name.written):
            # Of a script without capitals, or all in small letters: then only as it is written.
            return size > 1 and not any(letter.islower() for letter in name.written)
        return all(
            self._words.is_capital(match.first + place)
            for place, capital in enumerate(written)
            if capital
        )

    def _is_in_small_letters(self, match: Match, name: Name) -> bool:
        """Return whether one word is set apart that is not written as the name is: a word of its own."""
        one = match.last - match.first == 1
        return one and name.written[:1].isupper() and not self._words.is_capital(match.first)

    def _begins_with_a_common_word(self, match: Match) -> bool:
        common = self._words.keys[match.first] in COMMON_WORDS
        return common and self._layout.starts_sentence(match.first)

    def _is_exclamation(self, match: Match, marks: frozenset[MarkKind]) -> bool:
        """Return whether it is one word in bold that is said rather than named."""
        if match.last - match.first > 1 or not marks <= {"strong", "row"}:
            return False
        said = self._words.keys[match.first] in EXCLAMATIONS
        return said and not self._layout.is_whole_row(match)

    def _is_attribute(self, match: Match, marks: frozenset[MarkKind]) -> bool:
        """Return whether it is a common word in bold that goes with the word behind it."""
        place, after = match.first, match.last
        if after - place > 1 or marks != {"strong"} or self._words.keys[place] not in COMMON_WORDS:
            return False
        if after >= len(self._words) or self._words.between(place, after) != " ":
            return False
        return not (self._words.is_capital(after) or self._words.keys[after] in PREDICATES)

    def _is_part_of_a_mark(self, match: Match) -> bool:
        """Return whether a short mark stands around more than this name: it is another name's."""
        around, size = self._layout.words_around(match), match.last - match.first
        return size < around <= max(_SMALL_MARK, 2 * size)

    def _is_part_of_a_name(self, match: Match) -> bool:
        """Return whether a word with a capital goes on before or behind it: a longer name."""
        words, before, after = self._words, match.first - 1, match.last
        if after < len(words) and not words.is_possessive(after - 1):
            adjacent = words.between(after - 1, after) in (" ", "-")
            if adjacent and words.is_upper(after) and not self._layout.is_heading(after):
                return True
        if before < 0 or words.between(before, match.first) not in (" ", "-"):
            return False
        if words.keys[before] in FUNCTION_WORDS or words.is_possessive(before):
            return False
        return words.is_upper(before) and not self._layout.starts_sentence(before)

    def _is_listed(self, match: Match) -> bool:
        """Return whether it stands in an enumeration beside another name with a capital."""
        words = self._words
        if match.last < len(words) and self._leads_on(match.last):
            return True
        if not match.first:
            return False
        before = match.first - 1
        if words.between(before, match.first).strip() in _COMMAS:
            said = words.keys[before] in COMMON_WORDS and self._layout.starts_sentence(before)
            return words.is_upper(before) and not said
        return words.keys[before] in _LISTS and before > 0 and words.is_upper(before - 1)

    def _leads_on(self, place: int) -> bool:
        """Return whether a comma or "and" before this word leads to another name."""
        words = self._words
        comma = words.between(place - 1, place).strip() in _COMMAS
        if words.keys[place] in _LISTS and place + 1 < len(words):
            place += 1
        elif not comma:
            return False
        return words.is_upper(place) and words.keys[place] not in FUNCTION_WORDS | EXCLAMATIONS
