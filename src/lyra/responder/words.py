"""Words of a text, the phrases among them, and words that are spelt with one mistake."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Generic, NamedTuple, TypeVar

Value = TypeVar("Value")

_SPACED = "\u2e80"  # from here on scripts do not put spaces between words
_WORD = re.compile(rf"[^\W_{_SPACED}-\U0010ffff]+|[{_SPACED}-\U0010ffff]")
_MAX_WORDS = 16  # of one phrase
_SHORTEST, _SHORTEST_TYPED, _LONGEST = 6, 5, 20  # letters of words that may be misspelt


class Word(NamedTuple):
    """A word without case and accents, and where in the text it stands."""

    text: str
    start: int
    end: int


def fold(text: str) -> str:
    """Return the text without case, accents and forms of one letter."""
    if text.isascii():
        return text.lower()
    base = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in base if not unicodedata.combining(sign)).casefold()


def split_words(text: str) -> list[Word]:
    """Return the words; an apostrophe divides them, so that "don't" has two."""
    composed = text if text.isascii() else unicodedata.normalize("NFC", text)
    return [Word(fold(word[0]), word.start(), word.end()) for word in _WORD.finditer(composed)]


def words_of(text: str) -> tuple[str, ...]:
    """Return the first words of a text, folded."""
    if text.isascii():
        return tuple(_WORD.findall(text.lower())[:_MAX_WORDS])
    found = _WORD.findall(unicodedata.normalize("NFC", text))
    return tuple(map(fold, found[:_MAX_WORDS]))


class Match(NamedTuple, Generic[Value]):
    """A phrase that stands at the words from `start` to before `end`."""

    start: int
    end: int
    value: Value


class _Node(Generic[Value]):
    """Where a walk along the words of a phrase has come to."""

    __slots__ = ("next", "value")

    def __init__(self) -> None:
        self.next: dict[str, _Node[Value]] = {}
        self.value: Value | None = None


class Phrases(Generic[Value]):
    """Finds phrases among words, the longest where several fit.

    A tree of words, so that a place costs no more than its longest phrase, however many there are.
    """

    def __init__(self, phrases: Mapping[tuple[str, ...], Value]) -> None:
        self._root: _Node[Value] = _Node()
        for words, value in phrases.items():
            node = self._root
            for word in words:
                node = node.next.setdefault(word, _Node())
            node.value = value

    def find(self, words: Sequence[str], taken: Sequence[bool]) -> Iterator[Match[Value]]:
        """Yield the phrases of words that are not taken, from left to right, none in another."""
        at = 0
        while at < len(words):
            match = self._at(at, words, taken)
            if match is None:
                at += 1
            else:
                yield match
                at = match.end

    def _at(self, start: int, words: Sequence[str], taken: Sequence[bool]) -> Match[Value] | None:
        node, found = self._root, None
        for at in range(start, len(words)):
            following = None if taken[at] else node.next.get(words[at])
            if following is None:
                break
            node = following
            if node.value is not None:
                found = Match(start, at + 1, node.value)
        return found


class Spelling:
    """Corrects words with one letter too many, too few, wrong, or two in the wrong order.

    The vocabulary is indexed by its words with one letter left out, so that a word costs as many
    look-ups as it has letters, however large the vocabulary is.
    """

    def __init__(self, vocabulary: Iterable[str]) -> None:
        self._vocabulary = {word for word in vocabulary if len(word) >= _SHORTEST}
        self._index: dict[str, list[str]] = {}
        for word in sorted(self._vocabulary):
            for form in (word, *_without_one_letter(word)):
                self._index.setdefault(form, []).append(word)

    def correct(self, word: str) -> str:
        """Return the word of the vocabulary that is meant, or the word itself."""
        if word in self._vocabulary or not _SHORTEST_TYPED <= len(word) <= _LONGEST:
            return word
        for form in (word, *_without_one_letter(word)):
            for candidate in self._index.get(form, ()):
                if _is_one_mistake(word, candidate):
                    return candidate
        return word


def _without_one_letter(word: str) -> Iterator[str]:
    return (word[:at] + word[at + 1 :] for at in range(len(word)))


def _is_one_mistake(word: str, meant: str) -> bool:
    """Return whether words that are alike without a letter of each are one mistake apart."""
    if len(word) != len(meant):
        longer, shorter = sorted((word, meant), key=len, reverse=True)
        return shorter in _without_one_letter(longer)
    wrong = [at for at in range(len(word)) if word[at] != meant[at]]
    if len(wrong) == 1:
        return True
    swapped = [(first, second) for first, second in pairwise(wrong) if second == first + 1]
    return len(wrong) == 2 and bool(swapped) and word[wrong[0]] == meant[wrong[1]]  # noqa: PLR2004
