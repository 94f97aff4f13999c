"""The words of a text and of a name, in the form in which spellings of them agree. Pure and linear."""

import re
import unicodedata
from bisect import bisect_left
from functools import lru_cache

# Scripts that put no spaces between words: each letter counts as one.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u0655\u0670"
_LONGEST_GAP = 64  # characters: what stands farther apart does not belong together
_SYMBOLS = "\u2190-\u2bff\U0001f000-\U0001faff"  # arrows to emoji
_WORD = re.compile(
    rf"[{_UNSPACED}]|[{_SYMBOLS}]{{1,20}}"
    rf"|(?:[^\W_{_UNSPACED}]|\$(?=\w))[\w{_MARKS}$]{{0,80}}(?:['\u2019\u02bc][^\W\d_]{{1,20}})?"
    r"|[&+]"
)
_UNSPACED_LETTER = re.compile(rf"[{_UNSPACED}]")
_HIDDEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]")
_POSSESSIVE = ("'s", "\u2019s", "\u02bcs")
_STRIPPED = re.compile(f"[{_MARKS}]")
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "$": "s"}
    | dict.fromkeys("'\u2019\u02bc", "")
)


class Words:
    """The words of a text: their folded forms, and where they stand."""

    __slots__ = ("ends", "keys", "starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.keys: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        for match in _WORD.finditer(text):
            word, end = match[0], match.end()
            if word.endswith(_POSSESSIVE):
                word, end = word[:-2], end - 2
            self.keys.append(_fold(word))
            self.starts.append(match.start())
            self.ends.append(end)

    def __len__(self) -> int:
        return len(self.keys)

    def at(self, position: int) -> int:
        """Return the first word that begins at this position of the text or later."""
        return bisect_left(self.starts, position)

    def key_slice(self, first: int, size: int) -> tuple[str, ...]:
        """Return so many folded words, as a name has them; fewer at the text's end."""
        return tuple(self.keys[first : first + size])

    def is_capital(self, place: int) -> bool:
        """Return whether the word begins with a capital, or with a letter that has none."""
        return not self.text[self.starts[place]].islower()

    def is_upper(self, place: int) -> bool:
        """Return whether the word begins with a capital letter."""
        return self.text[self.starts[place]].isupper()

    def is_possessive(self, place: int) -> bool:
        """Return whether an "'s" stands behind the word."""
        return self.text.startswith(_POSSESSIVE, self.ends[place])

    def between(self, left: int, right: int) -> str:
        """Return the text between two words; of a long one the beginning, which says enough."""
        return self.text[self.ends[left] : min(self.starts[right], self.ends[left] + _LONGEST_GAP)]


def drop_hidden(text: str) -> str:
    """Return the text without joiners and other characters that nobody sees."""
    return text if text.isascii() else _HIDDEN.sub("", text)


def keys_of(name: str) -> tuple[str, ...]:
    """Return the folded words of a name."""
    return tuple(Words(drop_hidden(name)).keys)


def first_key(name: str) -> str:
    """Return the first folded word of a name; empty if it has none."""
    match = _WORD.search(drop_hidden(name))
    return _fold(match[0].removesuffix("'s").removesuffix("\u2019s")) if match else ""


def without_symbols(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words without emoji, which a model may leave out."""
    return tuple([key for key in keys if key[0].isalnum() or key == "and"])


def is_unspaced(word: str) -> bool:
    """Return whether this is a letter of a script without spaces between words."""
    return _UNSPACED_LETTER.match(word) is not None


@lru_cache(maxsize=20_000)
def _fold(word: str) -> str:
    if word in "&+":
        return "and"
    if word.isascii():
        return word.casefold().translate(_LETTERS)
    folded = unicodedata.normalize("NFKC", word).casefold()
    if not is_unspaced(folded):
        folded = _STRIPPED.sub("", unicodedata.normalize("NFKD", folded))
    return folded.translate(_LETTERS)
