"""Spotify's texts made fit to show: anybody can name a playlist, so anything may be in a name."""

import html
import re
import unicodedata

_CAP = 100
# Cut before the work is done, so that a name of a megabyte costs no more than a long one.
_WINDOW = 10
# Control characters, invisible ones and those that turn the reading direction, and surrogates
# that lost their partner and cannot be encoded.
_DROPPED = frozenset({"Cc", "Cf", "Cs"})
# Invisible too, though Unicode files them under letters, marks and unassigned. The last range
# holds the tag characters, which can carry a whole hidden sentence.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0d\U000e0000-\U000e0fff]"
)
_TAG = re.compile(r"<[^<>]*>")


def clean(text: str, limit: int = _CAP) -> str:
    """Return the text on one line, composed (NFC), without what cannot be seen.

    At most `limit` code points; a text that was longer ends in an ellipsis.
    """
    text = text[: limit * _WINDOW]
    if not (text.isascii() and text.isprintable()):
        text = _visible(text)
    if "  " in text or text != text.strip():
        text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def plain(markup: str, limit: int = _CAP) -> str:
    """Return what a reader of this HTML would see, cleaned; Spotify escapes descriptions."""
    return clean(html.unescape(_TAG.sub(" ", markup[: limit * _WINDOW])), limit)


def _visible(text: str) -> str:
    # All that is dropped is not printable, and hardly a name has any of it.
    if not text.isprintable():
        # Line breaks are control characters as well: they must become spaces before those go.
        text = " ".join(text.split())
        text = "".join(char for char in text if unicodedata.category(char) not in _DROPPED)
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", text))
