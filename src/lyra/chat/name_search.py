"""Where names stand in a text, found in one pass over it however many names there are.

Anybody can call fifty playlists "ab" and have a model say it a thousand times, and the event loop
waits meanwhile. So the words of the text are read once; a name is looked for only where its rarest
word stands, and its places are shared by all that are called so. What is left is bounded by a
budget, which only a text and names that were made for it exhaust.
"""

import re
from collections.abc import Iterable

SPACED = "\u2e80"  # scripts from here on write words without spaces between them
_WORD = re.compile(rf"[^\W_{SPACED}-\U0010ffff]+|[{SPACED}-\U0010ffff]")
_MAX_WORDS = 8  # of a name, among which the rarest is looked for
_MAX_PLACES = 20  # of one name
_MAX_CANDIDATES = 1000  # of one name's word
_STEPS_PER_PLACE = 100  # steps: what looking at one place takes, in the time of reading characters
_BUDGET = 1_000_000


class Effort:
    """Counts the steps of one search; a step takes about as long as reading a character."""

    def __init__(self) -> None:
        self.steps = 0
        self._remaining = _BUDGET

    def read(self, characters: int) -> None:
        """Count what is read in any case, once: the text and the names."""
        self.steps += characters

    def allow(self, characters: int = _STEPS_PER_PLACE) -> bool:
        """Whether the budget allows one look more, which is then counted."""
        self._remaining -= characters
        if self._remaining < 0:
            return False
        self.steps += characters
        return True


class NameSearch:
    """The places of many names in one text.

    `plain` is the text as it stands, `folded` without regard to case and as long.
    """

    def __init__(self, plain: str, folded: str, names: Iterable[str], effort: Effort) -> None:
        """Read the text once for the words of all these names, given as in `folded`."""
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
        """Where the name stands whole: the first twenty places; `exact` where case matters."""
        key = (name if exact else folded), exact
        if key not in self._cache:
            places = self._candidates(folded)
            text, sought = (self._plain, name) if exact else (self._folded, folded)
            self._cache[key] = self._filter_whole(places, text, sought)
        return self._cache[key]

    def _candidates(self, name: str) -> Iterable[int]:
        """Where the name may begin: where its rarest word stands, or wherever it is at all."""
        words = self._words.get(name, ())
        if not words:
            return self._candidates_anywhere(name)
        word, offset = min(words, key=lambda each: len(self._at[each[0]]))
        return (at - offset for at in self._at[word])

    def _candidates_anywhere(self, name: str) -> Iterable[int]:
        """The places of a name without a letter or digit."""
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
    """The first words of a name, and where in it each begins."""
    matches = _WORD.finditer(name)
    return tuple(
        (word[0], word.start()) for _, word in zip(range(_MAX_WORDS), matches, strict=False)
    )


def _is_whole(text: str, at: int, end: int) -> bool:
    """Whether neither edge of the name is in the middle of a word."""
    before, after = text[at - 1 : at], text[end : end + 1]
    cut_before = before.isalnum() and text[at].isalnum() and text[at] < SPACED
    cut_after = after.isalnum() and text[end - 1].isalnum() and text[end - 1] < SPACED
    return not (cut_before or cut_after)
