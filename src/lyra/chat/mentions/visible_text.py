"""What a reader sees of an answer in Markdown, and what is set apart in it.

Pure, and linear in the answer: one scan line by line, with a bound on the signs that are looked at.
Code, addresses, pictures and tags are no text; where they stood is a sign that belongs to no name.
"""

import html
import re
from typing import Literal, NamedTuple

from lyra.chat.mentions.words import drop_hidden
from lyra.listening.sanitize import compose

MarkKind = Literal["quote", "strong", "row", "cell"]

BREAK = "\ufffc"  # stands for what is no text
_MAX_SIGNS = 4_000  # of Markdown, in one answer; behind them it is read as plain text
_MAX_OPEN = 300  # characters between an opening quotation mark and its closing one
_FENCE = re.compile(r"\s{0,3}(```|~~~)")
_UNSEEN = re.compile(r"<(?:(script|style)\b|!--)", re.IGNORECASE)
_UNSEEN_ENDS = {
    kind: re.compile(end, re.IGNORECASE)
    for kind, end in (("script", "(?=</script)"), ("style", "(?=</style)"), ("", "-->"))
}
_LEAD = re.compile(r"\s*(?:>\s?){0,4}(#{1,6}\s+)?")
_BULLET = re.compile(r"\s*(?:[-*+\u2022\u2023\u25e6]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?")
_RULE = re.compile(r"[\s|:+-]*")
_CELL = re.compile(r"(?<!\\)\|")
_SIGN = re.compile(
    r"(?P<escape>\\[!-/:-@\[-`{-~])"
    r"|(?P<code>`[^`]{0,500}`)"
    r"|(?P<link>!?\[[^\[\]]{0,300}\]\([^()\s]{0,500}(?:\s\"[^\"]{0,200}\")?\s?\))"
    r"|(?P<address>(?:https?://|www\.|spotify:)\S{1,500}|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{1,64})"
    r"|(?P<tag></?[A-Za-z][^<>]{0,200}>)"
    r"|(?P<entity>&(?:#x?[0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});)"
    r"|(?P<unit>\\u[0-9A-Fa-f]{4})"
    r"|(?P<stress>\*{1,3}|(?<!\w)_{1,3}(?=\S)|(?<=\S)_{1,3}(?!\w))"
    r"|(?P<quote>[\"\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a\u300c-\u300f]"
    r"|(?<!\w)['\u2018](?=\S)|(?<=\S)['\u2019](?!\w))"
)
_CLOSING = {
    '"': '"', "\u201c": "\u201d", "\u201e": "\u201c\u201d", "\u00ab": "\u00bb", "\u00bb": "\u00ab",
    "\u2039": "\u203a", "\u300c": "\u300d", "\u300e": "\u300f", "'": "'\u2019", "\u2018": "\u2019'",
}  # fmt: skip


class Mark(NamedTuple):
    """A part of the text, from `start` to `end`, that is set apart from what stands around it."""

    start: int
    end: int
    kind: MarkKind


class VisibleText(NamedTuple):
    """The text, its marks, and its lines as they stand in it."""

    text: str
    marks: list[Mark]
    lines: list[tuple[int, int]]


def read_visible(markdown: str) -> VisibleText:
    """Return what a reader sees of this answer."""
    reader = _Reader()
    fenced = False
    for line in _drop_unseen(drop_hidden(markdown)).splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            reader.read_line(line)
    return VisibleText("".join(reader.pieces), reader.marks, reader.lines)


def _drop_unseen(text: str) -> str:
    """Return the text without comments, scripts and styles that are closed; linear in the text."""
    kept, at, from_here, open_ended = [], 0, 0, set()
    while opening := _UNSEEN.search(text, from_here):
        kind = (opening[1] or "").lower()
        closing = None if kind in open_ended else _UNSEEN_ENDS[kind].search(text, opening.end())
        if closing is None:
            open_ended.add(kind)  # nothing behind it closes another one either
            from_here = opening.end()
        else:
            kept += [text[at : opening.start()], BREAK]
            at = from_here = closing.end()
    return "".join([*kept, text[at:]])


class _Reader:
    """Collects the visible text of one line after the other."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.marks: list[Mark] = []
        self.lines: list[tuple[int, int]] = []
        self._at = 0
        self._signs = 0

    def read_line(self, line: str) -> None:
        lead = _LEAD.match(line)
        start, body = self._at, line[lead.end() :] if lead else line
        if body.count("|") > 1 and _RULE.fullmatch(body):
            return
        if body.lstrip().startswith("|") or body.count("|") > 1:
            for cell in _CELL.split(body.strip().strip("|")):
                begun = self._at
                self._read_inline(cell)
                self.marks.append(Mark(begun, self._at, "cell"))
                self._put(" | ")
        elif bullet := _BULLET.match(body):
            self._read_inline(body[bullet.end() :])
            self.marks.append(Mark(start, self._at, "row"))
        else:
            self._read_inline(body)
        self.lines.append((start, self._at))
        self._put("\n")

    def _put(self, text: str) -> None:
        self.pieces.append(text)
        self._at += len(text)

    def _read_inline(self, text: str) -> None:
        """Read the text of one line or cell; its quotes and stresses end in it."""
        stressed: dict[str, int] = {}
        quoted: list[tuple[str, int]] = []
        done = 0
        for sign in _SIGN.finditer(text):
            self._signs += 1
            if self._signs > _MAX_SIGNS:
                break
            self._put(compose(text[done : sign.start()]))
            done = sign.end()
            if sign.lastgroup == "stress":
                self._toggle_stress(stressed, sign[0])
            elif sign.lastgroup == "quote":
                self._toggle_quote(quoted, sign[0])
            else:
                self._put(_shown(sign))
        self._put(compose(text[done:]))

    def _toggle_stress(self, stressed: dict[str, int], sign: str) -> None:
        begun = stressed.pop(sign, None)
        if begun is None:
            stressed[sign] = self._at
        elif begun < self._at:
            self.marks.append(Mark(begun, self._at, "strong"))

    def _toggle_quote(self, quoted: list[tuple[str, int]], sign: str) -> None:
        """Close the quotation that this sign ends, else open one; the sign stays in the text."""
        for place in range(len(quoted) - 1, max(-1, len(quoted) - 4), -1):
            closing, begun = quoted[place]
            if sign in closing and begun < self._at <= begun + _MAX_OPEN:
                del quoted[place:]
                self.marks.append(Mark(begun, self._at, "quote"))
                self._put(sign)
                return
        self._put(sign)
        if sign in _CLOSING:
            quoted.append((_CLOSING[sign], self._at))


def _shown(sign: re.Match[str]) -> str:
    """Return what a reader sees of a sign of Markdown or HTML."""
    text = sign[0]
    match sign.lastgroup:
        case "escape":
            return text[1:]
        case "entity":
            return drop_hidden(html.unescape(text))
        case "unit":
            return _of_unit(int(text[-4:], base=16))
        case "link" if not text.startswith("!"):
            return BREAK + text[1 : text.index("]")] + BREAK
        case _:
            return BREAK


def _of_unit(number: int) -> str:
    """Return the character of a JSON escape that a model has repeated as it stands."""
    letter = chr(number)
    return letter if letter.isprintable() and not 0xD800 <= number < 0xE000 else BREAK  # noqa: PLR2004
