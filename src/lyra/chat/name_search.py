"""Find where many names stand in a text, in one pass over the text however many there are.

Anybody can call fifty playlists "ab" and have a model say it a thousand times, and the search
blocks the event loop. So the words of the text are indexed once; a name is looked for only where
its rarest word stands, and all items of one name share the result. The rest is bounded by a budget
that only a text and names made for that purpose exhaust.
"""

import re
from collections.abc import Iterable

SPACED = "\u2e80"  # from here on scripts do not put spaces between words
_WORD = re.compile(rf"[^\W_{SPACED}-\U0010ffff]+|[{SPACED}-\U0010ffff]")
_MAX_WORDS = 8  # of a name; the rarest of them is looked up
_MAX_PLACES = 20  # of one name
_MAX_CANDIDATES = 1000  # places of one word
_STEPS_PER_PLACE = 100  # looking at one place takes as long as reading so many characters
_BUDGET = 800_000


class Effort:
    """Counts the steps of one search; a step takes about as long as reading a character."""

    def __init__(self) -> None:
        self.steps = 0
        self._remaining = _BUDGET

    def read(self, characters: int) -> None:
        """Count what is always read, once: the text and the names."""
        self.steps += characters

    def allow(self, characters: int = _STEPS_PER_PLACE) -> bool:
        """Count one more look, if the budget allows it. Return whether it does."""
        self._remaining -= characters
        if self._remaining < 0:
            return False
        self.steps += characters
        return True


class NameSearch:
    """Finds many names in one text: `plain` as it stands, `folded` for case-insensitive search.

    Both have the same length, so that a place is the same in both.
    """

    def __init__(self, plain: str, folded: str, names: Iterable[str], effort: Effort) -> None:
        """Index the text once for the words of all these names, which are folded, too."""
        self._plain = plain
        self._folded = folded
        self._effort = effort
        self._words = {name: _split_words(name) for name in names if name}
        self._at: dict[str, list[int]] = {
            word: [] for words in self._words.values() for word, _ in words
        }
        self._cache: dict[tuple[str, bool], list[int]] = {}
        effort.read(len(folded) + sum(map(len, self._words)))
        self._index_text()

    def _index_text(self) -> None:
        wanted = dict(self._at)
        for match in _WORD.finditer(self._folded) if wanted else ():
            places = wanted.get(match[0])
            if places is not None:
                places.append(match.start())
                if len(places) == _MAX_CANDIDATES:
                    del wanted[match[0]]
                    if not wanted:
                        break

    def find(self, name: str, folded: str, *, exact: bool) -> list[int]:
        """Return the first twenty places of the whole name; case matters if `exact`."""
        key = (name if exact else folded), exact
        if key not in self._cache:
            places = self._candidates(folded)
            text, sought = (self._plain, name) if exact else (self._folded, folded)
            self._cache[key] = self._filter_whole(places, text, sought)
        return self._cache[key]

    def _candidates(self, name: str) -> Iterable[int]:
        """Return where the name may begin, by the places of its rarest word."""
        words = self._words.get(name, ())
        if not words:
            return self._candidates_anywhere(name)
        word, offset = min(words, key=lambda each: len(self._at[each[0]]))
        return (at - offset for at in self._at[word])

    def _candidates_anywhere(self, name: str) -> Iterable[int]:
        """Return the places of a name without a letter or digit."""
        if not self._effort.allow(len(self._folded)):
            return
        at = self._folded.find(name)
        for _ in range(_MAX_CANDIDATES):
            if at < 0:
                return
            yield at
            at = self._folded.find(name, at + 1)

    def _filter_whole(self, places: Iterable[int], text: str, name: str) -> list[int]:
        standing: list[int] = []
        for at in places:
            if len(standing) == _MAX_PLACES or not self._effort.allow():
                break
            if at >= 0 and text.startswith(name, at) and _is_whole(text, at, at + len(name)):
                standing.append(at)
        return standing


def _split_words(name: str) -> tuple[tuple[str, int], ...]:
    """Return the first words of a name, and where in it each begins."""
    matches = _WORD.finditer(name)
    return tuple(
        (word[0], word.start()) for _, word in zip(range(_MAX_WORDS), matches, strict=False)
    )


def _is_whole(text: str, at: int, end: int) -> bool:
    """Return whether neither edge of the name is in the middle of a word."""
    before, after = text[at - 1 : at], text[end : end + 1]
    cut_before = before.isalnum() and text[at].isalnum() and text[at] < SPACED
    cut_after = after.isalnum() and text[end - 1].isalnum() and text[end - 1] < SPACED
    return not (cut_before or cut_after)
