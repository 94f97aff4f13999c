"""How an answer's words stand on its page: lines, sentences, and what marks enclose. Pure, linear."""

import re

from lyra.chat.mentions.names import Match
from lyra.chat.mentions.visible_text import Mark, MarkKind, VisibleText
from lyra.chat.mentions.words import Words

# Between a title and what belongs to it, within one mark.
_CUTS = re.compile(
    r"\s[-\u2013\u2014]\s|[:(|\u2014\u00b7]|,\s|\s(?:by|von|par|de)\s", re.IGNORECASE
)
_MAX_CUTS = 8
_SENTENCE = re.compile(r"[.!?:\u2026\u2014|]|\s-\s")
_LOOK = 12  # words
_HEADING = 4  # words at least, all with capitals, which then say nothing
_NO_MARKS: frozenset[MarkKind] = frozenset()


class Layout:
    """Where the words of one answer stand."""

    def __init__(self, visible: VisibleText, words: Words) -> None:
        self._words = words
        self._lines = visible.lines
        self._line_of = self._place_in_lines()
        self._enclosed: dict[tuple[int, int], set[MarkKind]] = {}
        self._around: dict[int, int] = {}
        self._rows: set[tuple[int, int]] = set()
        self.cells: dict[int, list[tuple[int, int]]] = {}  # of each line of a table, in words
        self._heads: dict[int, int] = {}  # of each line of a table, its first line
        for mark in visible.marks:
            self._add(mark)

    def marks_of(self, match: Match) -> frozenset[MarkKind]:
        """Return the marks that enclose these words and nothing else."""
        kinds = self._enclosed.get((match.first, match.last))
        return _NO_MARKS if kinds is None else frozenset(kinds)

    def is_whole_row(self, match: Match) -> bool:
        """Return whether a row of a list holds these words and no others."""
        return (match.first, match.last) in self._rows

    def heading_cells(self, line: int) -> list[tuple[int, int]]:
        """Return the cells of the first line of this line's table; none if it is that line."""
        head = self._heads.get(line, line)
        return [] if head == line else self.cells[head]

    def words_around(self, match: Match) -> int:
        """Return how many words the narrowest quotation or bold type around the match has; 0: none."""
        return self._around.get(match.first, 0)

    def line_of(self, place: int) -> int:
        """Return the number of the line in which a word stands."""
        return self._line_of[place]

    def line_end(self, place: int) -> int:
        """Return where in the text the line of a word ends."""
        return self._lines[self._line_of[place]][1]

    def shares_line(self, left: int, right: int) -> bool:
        """Return whether two words stand in one line."""
        return self._line_of[left] == self._line_of[right]

    def starts_sentence(self, place: int) -> bool:
        """Return whether a word begins a sentence, a line or a cell."""
        if not place or not self.shares_line(place - 1, place):
            return True
        return _SENTENCE.search(self._words.between(place - 1, place)) is not None

    def is_heading(self, place: int) -> bool:
        """Return whether all words of the line have capitals, which then say nothing."""
        start, end = self._lines[self._line_of[place]]
        first, last = self._words.at(start), self._words.at(end)
        return last - first >= _HEADING and all(
            self._words.is_capital(each) for each in range(first, min(last, first + _LOOK))
        )

    def _place_in_lines(self) -> list[int]:
        places, line, last = [], 0, len(self._lines) - 1
        for start in self._words.starts:
            while line < last and start >= self._lines[line + 1][0]:
                line += 1
            places.append(line)
        return places

    def _add(self, mark: Mark) -> None:
        first, last = self._words.at(mark.start), self._words.at(mark.end)
        if first >= last:
            return
        if mark.kind == "cell":
            line = self._line_of[first]
            self.cells.setdefault(line, []).append((first, last))
            self._heads.setdefault(line, self._heads.get(line - 1, line))
        elif mark.kind == "row":
            self._rows.add((first, last))
        else:
            for place in range(first, min(last, first + _LOOK)):
                self._around[place] = min(last - first, self._around.get(place, last - first))
        for begin, end in self._segments(mark, first, last):
            if begin < end:
                self._enclosed.setdefault((begin, end), set()).add(mark.kind)

    def _segments(self, mark: Mark, first: int, last: int) -> list[tuple[int, int]]:
        """Return what a mark may enclose as one name, in words: all of it, or a part between cuts."""
        whole = [(first, last)]
        text = self._words.text[mark.start : mark.end]
        cuts = [match.span() for match in _CUTS.finditer(text)][:_MAX_CUTS]
        if not cuts:
            return whole
        ends = [*(self._words.at(mark.start + start) for start, _ in cuts), last]
        begins = [first, *(self._words.at(mark.start + end) for _, end in cuts)]
        return [
            *whole,
            *((first, end) for end in ends),
            *zip(begins, ends, strict=True),
            *((begin, last) for begin in begins),
        ]
