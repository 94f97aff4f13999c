"""The folded form of a name: two spellings of one name have the same. Pure, linear in the name."""

import re
import unicodedata
from functools import lru_cache

_KEPT = 8_192  # names whose form is kept: those of one listener and of what is found come again
_CAP = 300  # code points that are looked at; nothing longer is told apart
# Letters that Unicode does not take apart, as people type them without such a key.
_LETTERS = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "\u0131": "i",
        "ħ": "h",
    }
)
# Marks are left out by people who type; in other scripts (Japanese, Thai, Indic) they are letters.
_MARKED = re.compile(
    "([A-Za-z\u0370-\u03ff\u0400-\u052f\u05d0-\u05ea\u0620-\u064a])[\u0300-\u036f\u0591-\u05c7\u064b-\u0655\u0670]+"
)
_AND = re.compile(r"\s*[&+]\s*(?=\w)|(?<=\w)\s+(?:and|et|und|y|e)\s+(?=\w)")
_DOLLAR = re.compile(r"\$(?=\w)|(?<=\w)\$")
_SILENT = re.compile("['\u2018\u2019\u02bc`\u00b4\u0640.]")  # within words: don't, R.E.M.
_GAPS = re.compile(r"[\W_]+")
_ROMAN = {"ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8", "ix": "9"}
_COUNTED = {
    "pt": "part", "part": "part", "vol": "volume", "volume": "volume", "no": "no", "nr": "no",
    "op": "op", "opus": "op", "ch": "chapter", "chapter": "chapter", "act": "act",
}  # fmt: skip
_SINGLE = {"i": "1", "v": "5", "x": "10"}  # words by themselves, but for what stands before
_SPECIAL = frozenset({"and", "et", "und", "y", "e", *_ROMAN, *_COUNTED, *_SINGLE})


@lru_cache(_KEPT)
def fold(name: str) -> str:
    """Return the words of a name in the form in which spellings of it agree, one space between.

    Case, accents, punctuation, "&" and the way of counting parts do not matter. Of a name without
    letters or digits its signs are kept: there is nothing else to tell it by.
    """
    plain = name[:_CAP].lower().split()
    if "".join(plain).isalpha() and name.isascii() and _SPECIAL.isdisjoint(plain):
        return " ".join(plain)  # as most names: there is no other way to spell it
    text = unicodedata.normalize("NFKC", name[:_CAP]).casefold()[:_CAP]  # one sign may become many
    words = _GAPS.sub(" ", _SILENT.sub("", _join(_strip_marks(text)))).split()
    if not words:
        return "".join(text.split())
    return " ".join(_count(words))


def fold_artist(name: str) -> str:
    """Return `fold` of an artist's name, without its article."""
    folded = fold(name)
    rest = folded.removeprefix("the ")
    return rest or folded


def _strip_marks(text: str) -> str:
    if text.isascii():
        return text
    stripped = _MARKED.sub(r"\1", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFC", stripped).translate(_LETTERS)


def _join(text: str) -> str:
    """Return the text with one word for all ways to write "and", and "s" for a dollar in a word."""
    return _AND.sub(" and ", _DOLLAR.sub("s", text) if "$" in text else text)


def _count(words: list[str]) -> list[str]:
    """Return the words, with parts and volumes counted in one way."""
    counted: list[str] = []
    for word in words:
        number = _ROMAN.get(word)
        if word in _SINGLE and counted and counted[-1] in _COUNTED.values():
            number = _SINGLE[word]
        counted.append(number or _COUNTED.get(word, word))
    return counted
