"""The items that the words of an answer name: rows of lists, and what is set in bold.

Only what is written as an item counts: a row "Title - Artist", a numbered row, a title in bold, or one in
quotation marks with its artist. Other words in quotation marks and headings name nothing.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"\s*(?:(?P<bullet>[-*\u2022])|(?P<number>\d{1,3})[.)]|\|)\s+(?P<body>\S.*)")
_MARKED = re.compile(r'\*\*(?P<bold>.+?)\*\*|\u201c(?P<quoted>.+?)\u201d|"(?P<plain>[^"]+)"')
_BY = re.compile(r"\s+(?:[-\u2013\u2014|]|by|von|de|par)\s+")
_HEADING = re.compile(r"\s*(?:#+\s.*|\*\*.+\*\*:?\s*|.*:\s*)")
_DENIED = re.compile(
    r"\bnot (?:found|in spotify|understand)|\bdid(?:n't| not) find|\bcould(?:n't| not)|\bin none\b"
    r"|\bnothing (?:of|called)\b|\bno (?:song|such|result)",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[:;(]|\. |, on | \u2013 ")


class Named(NamedTuple):
    """A name as it is written, and what is written behind it as its artist, or nothing.

    `listed`: it is a row. `plain`: nothing but the row's bullet says that it is an item.
    """

    title: str
    artist: str
    listed: bool
    plain: bool = False


def named_items(text: str) -> list[Named]:
    """Return what this text names, in its order; rows that deny an item are left out."""
    lines = _FENCED.sub("", text).splitlines()
    return [each for line in lines if not _DENIED.search(line) for each in _of_line(line)]


def _of_line(line: str) -> Iterator[Named]:
    row = _ROW.fullmatch(line)
    if row is not None:
        if (item := _of_row(row["body"], numbered=row["number"] is not None)) is not None:
            yield item
    elif not _HEADING.fullmatch(line):
        for mark in _MARKED.finditer(line):
            rest = line[mark.end() :]
            by = _BY.match(rest)
            artist = _artist(rest[by.end() :]) if by else ""
            bold = mark["bold"] is not None and not mark["bold"].endswith(":") and rest[:1] != ":"
            if bold or artist:
                yield Named(_title(mark), artist, listed=False)


def _of_row(body: str, *, numbered: bool) -> Named | None:
    mark = _MARKED.match(body)
    if mark is not None:
        rest = body[mark.end() :]
        by = _BY.match(rest)
        if (mark["bold"] or "").endswith(":") or (by is None and rest.startswith(":")):
            return None
        return Named(_title(mark), _artist(rest[by.end() :]) if by else "", listed=True)
    if by := _BY.search(body):
        return Named(body[: by.start()], _artist(body[by.end() :]), listed=True)
    return Named(body, "", listed=True, plain=not numbered)


def _title(mark: re.Match[str]) -> str:
    title: str = next(filter(None, mark.groups()))
    return title.strip().strip("\u201c\u201d\"'")


def _artist(rest: str) -> str:
    return _CLAUSE.split(rest, maxsplit=1)[0].replace("**", "").strip(" .!?,*_|")
