"""What stands in a question: concepts, slots, the listener's own names, and words that are left."""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

from lyra.responder.names import Named, Names
from lyra.responder.slots import SLOT_WORDS, Slot, SlotValue, find_slots
from lyra.responder.vocabulary import (
    ASKING,
    ASKING_ALONE,
    BEYOND,
    FILLERS,
    IMPERATIVES,
    NEGATIONS,
    PHRASES,
    PRONOUNS,
    TURNS,
    Concept,
)
from lyra.responder.words import Phrases, Spelling, Word, split_words

_SENTENCE_END = re.compile(r"[.!?;\u3002\uff1f\uff01]+(?=\s|$)|[\u3002\uff1f\uff01]")
_CLAUSE_END = re.compile(r"[,:]|\s[-\u2013\u2014]\s")
_FIRST_PERSON = frozenset({"i", "my", "me", "mine", "myself", "im", "ive", "we", "our"})
_ALIKE = str.maketrans({"\u2019": "'", "\u02bc": "'", "\u2013": "-", "\u2014": "-", "\u00a0": " "})


class _Beyond(NamedTuple):
    sentence: str


class _Sign(NamedTuple):
    """A filler, or a negation."""

    denies: bool


_Meaning = Concept | _Beyond | _Sign
_Meant = tuple[int, int, _Meaning]  # from which word to before which


@dataclass(slots=True)
class Reading:
    """One sentence of a question.

    `denied` are concepts and `refused` names and slots that it does not want, `unknown` words that
    nothing here understands, `beyond` the sentence about what Spotify does not tell. `heard` are
    the words of each concept and slot, for an answer that cannot heed one of them, and `places`
    and `unknown_at` where the first of them stand. `personal` says whether it speaks of the
    listener, `joined` whether it has an "and", an "or" or a comma.
    """

    concepts: set[Concept] = field(default_factory=set)
    denied: set[Concept] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    slots: list[SlotValue] = field(default_factory=list)
    names: list[Named] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    unknown_at: int = -1
    heard: dict[object, str] = field(default_factory=dict)
    places: dict[object, int] = field(default_factory=dict)
    beyond: str = ""
    personal: bool = False
    joined: bool = False

    def has(self, *concepts: Concept) -> bool:
        """Return whether the sentence speaks of all of these."""
        return self.concepts.issuperset(concepts)


class Question:
    """A question as it is read: its text on one line, and its words."""

    def __init__(self, question: str) -> None:
        self.text = unicodedata.normalize("NFC", " ".join(question.split())).translate(_ALIKE)
        self.words = split_words(self.text)

    def read(self, names: Names) -> list[Reading]:
        """Return what stands in each of its sentences."""
        scan = _Scan(self.text, self.words)
        scan.take_names(names, sure=any(word.text in ("common", "both") for word in self.words))
        scan.take_slots()
        scan.take_phrases()
        return [scan.read(start, end) for start, end in scan.sentences()]


class _Scan:
    """The words of a question, and what each of them was found to be part of."""

    def __init__(self, text: str, words: list[Word]) -> None:
        self._text = text
        self._words = words
        self._starts = [word.start for word in words]
        self._taken = [False] * len(words)
        self._names: list[tuple[int, Named]] = []
        self._slots: list[Slot] = []
        self._meanings: list[_Meant] = []
        self._masked = list(text)

    def take_names(self, names: Names, *, sure: bool) -> None:
        for at, end, named in names.find_signs(self._text):
            self._names.append((at, named))
            self._masked[at:end] = " " * (end - at)
        for match in names.find(self._text, sure=sure):
            start, end = self._words[match.start].start, self._words[match.end - 1].end
            self._taken[match.start : match.end] = [True] * (match.end - match.start)
            self._masked[start:end] = "\0" * (end - start)
            self._names.append((start, match.value))
        self._names.sort(key=itemgetter(0))

    def take_slots(self) -> None:
        self._slots = sorted(find_slots("".join(self._masked)))
        for slot in self._slots:
            for at in self._words_in(slot.start, slot.end):
                self._taken[at] = self._taken[at] or self._words[at].end <= slot.end

    def take_phrases(self) -> None:
        vocabulary = _vocabulary()
        texts = [
            word.text
            if taken or word.text in vocabulary.words
            else vocabulary.spelling.correct(word.text)
            for word, taken in zip(self._words, self._taken, strict=True)
        ]
        for match in vocabulary.phrases.find(texts, self._taken):
            self._meanings.append((match.start, match.end, match.value))
            self._taken[match.start : match.end] = [True] * (match.end - match.start)

    def sentences(self) -> Iterator[tuple[int, int]]:
        """Yield where the sentences begin and end; names hide their punctuation."""
        start, masked = 0, "".join(self._masked)
        for match in _SENTENCE_END.finditer(masked):
            yield start, match.start()
            start = match.end()
        yield start, len(masked)

    def read(self, start: int, end: int) -> Reading:
        """Return what stands between two places of the text."""
        reading = Reading()
        denied = self._denied_spans(start, end)
        self._add_meanings(reading, start, end, denied)
        for slot in self._slots[_from(self._slots, start) : _from(self._slots, end)]:
            heard = self._text[slot.start : slot.end].strip()
            _add_slot(reading, slot.value, heard, denied=_is_in(slot.start, denied))
        for where, named in self._names[_from(self._names, start) : _from(self._names, end)]:
            if _is_in(where, denied):
                reading.refused.append(named.words)
            else:
                reading.names.append(named)
        self._add_words(reading, start, end)
        return reading

    def _words_in(self, start: int, end: int) -> range:
        """Return the indexes of the words that begin between two places."""
        return range(bisect_left(self._starts, start), bisect_left(self._starts, end))

    def _meanings_in(self, start: int, end: int) -> Sequence[_Meant]:
        words = self._words_in(start, end)
        return self._meanings[
            _from(self._meanings, words.start) : _from(self._meanings, words.stop)
        ]

    def _add_meanings(
        self, reading: Reading, start: int, end: int, denied: Sequence[tuple[int, int]]
    ) -> None:
        for at, end_at, meaning in self._meanings_in(start, end):
            where = self._words[at].start
            heard = self._text[where : self._words[end_at - 1].end]
            _add_meaning(reading, meaning, heard, where, denied=_is_in(where, denied))
        words = self._words_in(start, end)
        denies = bool(denied) and denied[0][0] == start
        if words and not denies and self._words[words[0]].text in IMPERATIVES:
            reading.concepts.add(Concept.CONTROL)

    def _add_words(self, reading: Reading, start: int, end: int) -> None:
        for at in self._words_in(start, end):
            word = self._words[at]
            reading.personal |= word.text in _FIRST_PERSON
            reading.joined |= word.text in ("and", "or")
            if not self._taken[at]:
                if not reading.unknown:
                    reading.unknown_at = word.start
                reading.unknown.append(self._text[word.start : word.end])
        reading.joined |= _CLAUSE_END.search("".join(self._masked[start:end])) is not None

    def _denied_spans(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return the parts of a sentence that say what is not wanted."""
        spans: list[tuple[int, int]] = []
        for at, end_at, meaning in self._meanings_in(start, end):
            where = self._words[at].start
            denies = isinstance(meaning, _Sign) and meaning.denies
            if not denies or (spans and where < spans[-1][1]):
                continue
            if not self._asks(at, end_at, start):
                spans.append((where, self._end_of_denial(end_at, end)))
        return spans

    def _asks(self, at: int, end_at: int, start: int) -> bool:
        """Return whether a negation is the beginning of a question: "don't you know ..."."""
        words = " ".join(word.text for word in self._words[at:end_at])
        following = self._words[end_at].text if end_at < len(self._words) else ""
        first = at <= self._words_in(start, self._words[at].start + 1).start + 1
        return first and (words in ASKING_ALONE or (words in ASKING and following in PRONOUNS))

    def _end_of_denial(self, at: int, end: int) -> int:
        begin = self._words[at - 1].end
        clause = _CLAUSE_END.search("".join(self._masked[begin:end]))
        limit = begin + clause.start() if clause else end
        for index in self._words_in(begin, limit):
            word = self._words[index]
            if word.text in TURNS and word.start > begin + 1:
                return word.start
        return limit


def _from(places: Sequence[tuple[Any, ...]], start: int) -> int:
    """Return the index of the first of these, sorted by where they begin, from a place on."""
    return bisect_left(places, start, key=itemgetter(0))


def _is_in(where: int, spans: Sequence[tuple[int, int]]) -> bool:
    index = bisect_right(spans, where, key=itemgetter(0)) - 1
    return index >= 0 and where < spans[index][1]


def _add_meaning(
    reading: Reading, meaning: _Meaning, heard: str, where: int, *, denied: bool
) -> None:
    if isinstance(meaning, _Beyond):
        if not denied:
            reading.beyond = reading.beyond or meaning.sentence
    elif isinstance(meaning, Concept):
        (reading.denied if denied else reading.concepts).add(meaning)
        reading.heard.setdefault(meaning, heard)
        reading.places.setdefault(meaning, where)


def _add_slot(reading: Reading, value: SlotValue, heard: str, *, denied: bool) -> None:
    if denied:
        reading.refused.append(heard)
    else:
        reading.slots.append(value)
        reading.heard[type(value)] = heard


class _Vocabulary(NamedTuple):
    phrases: Phrases[_Meaning]
    words: frozenset[str]
    spelling: Spelling


@cache
def _vocabulary() -> _Vocabulary:
    meanings: dict[tuple[str, ...], _Meaning] = {}
    for words in phrases_in(FILLERS):
        meanings[words] = _Sign(denies=False)
    for words in phrases_in(NEGATIONS):
        meanings[words] = _Sign(denies=True)
    for concept, phrases in PHRASES.items():
        meanings.update(dict.fromkeys(phrases_in(phrases), concept))
    for phrases, sentence in BEYOND.items():
        meanings.update(dict.fromkeys(phrases_in(phrases), _Beyond(sentence)))
    known = frozenset(word for phrase in meanings for word in phrase)
    single = (words[0] for words, meaning in meanings.items() if len(words) == 1
              and isinstance(meaning, Concept))  # fmt: skip
    return _Vocabulary(Phrases(meanings), known, Spelling(single))


def common_words() -> frozenset[str]:
    """Return the words that mean something in a question, whatever else they may name."""
    return _vocabulary().words | SLOT_WORDS


def phrases_in(text: str) -> list[tuple[str, ...]]:
    """Return the phrases of a text in which commas divide them."""
    return [tuple(phrase.split()) for phrase in text.split(",") if phrase.strip()]
