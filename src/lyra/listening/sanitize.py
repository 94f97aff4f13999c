"""Sanitise Spotify's texts: anybody can name a playlist, so anything may be in a name."""

import html
import re
import unicodedata

_CAP = 100
# Cut before the work is done, so that a name of a megabyte costs no more than a long one.
_WINDOW = 3
_MARKUP_WINDOW = 10  # most of it may be tags
# Control characters, invisible ones and those that turn the reading direction, and surrogates
# that lost their partner and cannot be encoded: Cc, Cf and Cs of Unicode 15.1, of which a Python may
# know less. Joiners are looked at apart.
_CONTROLS = (
    "\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u2064\u2066-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
_DROPPED = re.compile(f"[{_CONTROLS}]")
_JOINERS = (
    "\u200c\u200d"  # ZWNJ, ZWJ: they change words of many scripts, and make one emoji of many
)
_FIRST_JOINING = "\u0590"  # in Latin, Greek, Cyrillic and Armenian they only hide
_VIRAMA = 9  # the class of signs behind which a joiner forms the letter, also at the word's end
# Signs and marks, which may be on one letter without end. More than thirty are none (UAX 15):
# to put them in their order takes the square of their number. A run is looked at from its start
# alone, or thirty of them would be looked at thirty times.
_SIGNS = re.compile(r"(?<![^\w\s\x00-\x7f])[^\w\s\x00-\x7f]{31,}")
_MARKS = re.compile(rb"[^\0]{30}([^\0]+)")  # of the signs' classes, which are 0 but for marks
# Invisible too, though Unicode files them under letters, marks and unassigned. The last range
# holds the tag characters, which can carry a whole hidden sentence.
_LIKE_LETTERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0d\U000e0000-\U000e0fff"
_INVISIBLE = re.compile(f"[{_LIKE_LETTERS}]")
_UNCLEANED = re.compile(f"[{_CONTROLS}{_LIKE_LETTERS}\u2028\u2029]")
_TAG = re.compile(r"<[^<>]*>")


def clean(text: str, limit: int = _CAP) -> str:
    """Return the text on one line, composed (NFC), without what cannot be seen.

    At most `limit` code points; a text that was longer ends in an ellipsis.
    """
    if len(text) <= limit and text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    text = text[: limit * _WINDOW]
    if not (text.isascii() and text.isprintable()):
        text = _keep_visible(text)
    if "  " in text or text != text.strip():
        text = " ".join(text.split())
    return text if len(text) <= limit else _cut(text, limit)


def shorten(text: str, limit: int = _CAP) -> str:
    """Return a text that `clean` made in at most `limit` code points.

    It is not cleaned again, which would cost as much; only a text with something invisible in it is.
    """
    usual = text.isascii() and text.isprintable()
    if not usual and _UNCLEANED.search(text, 0, limit * _WINDOW):
        return clean(text, limit)
    return text if len(text) <= limit else _cut(text, limit)


def plain(markup: str, limit: int = _CAP) -> str:
    """Return the visible text of this HTML, cleaned; Spotify escapes descriptions."""
    return clean(html.unescape(_TAG.sub(" ", markup[: limit * _MARKUP_WINDOW])), limit)


def _cut(text: str, limit: int) -> str:
    return text[: limit - 1].rstrip(" " + _JOINERS) + "…"


def compose(text: str) -> str:
    """Return the text composed (NFC), with at most thirty marks on one letter."""
    return unicodedata.normalize("NFC", _SIGNS.sub(_limit_marks, text))


def _limit_marks(match: re.Match[str]) -> str:
    signs, kept, start = match[0], [], 0
    classes = bytes(map(unicodedata.combining, signs))
    for long in _MARKS.finditer(classes):
        kept.append(signs[start : long.start(1)])
        start = long.end()
    return "".join([*kept, signs[start:]])


def _keep_visible(text: str) -> str:
    # All that is dropped is not printable, and hardly any name contains it.
    if not text.isprintable():
        # Line breaks are control characters as well: they must become spaces before those go.
        text = " ".join(text.split())
        text = _DROPPED.sub("", text)
    text = compose(_INVISIBLE.sub("", text))
    if _JOINERS[0] in text or _JOINERS[1] in text:
        # Once more: letters that a dropped joiner kept apart may be one letter now.
        text = compose("".join(_keep_joiners(text)))
    return text


def _keep_joiners(text: str) -> list[str]:
    """Return the characters, with only those joiners that stand between two letters or emoji.

    The letter decides, not its marks, which may change their order.
    """
    kept = [""]
    joins = virama = False
    for char in text:
        if char in _JOINERS:
            if joins and kept[-1] not in _JOINERS:
                kept.append(char)
            continue
        category = unicodedata.category(char)[0]
        if category != "M":
            beside = char >= _FIRST_JOINING and category in "LS"
            _drop_joiner(kept, wanted=beside or virama)
            joins, virama = beside, False
        virama = virama or unicodedata.combining(char) == _VIRAMA
        kept.append(char)
    _drop_joiner(kept, wanted=virama)
    return kept


def _drop_joiner(kept: list[str], *, wanted: bool) -> None:
    if kept[-1] in _JOINERS and not wanted:
        kept.pop()
