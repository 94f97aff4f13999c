"""Which of the listener's own names a question holds: artists, tracks, albums, playlists, genres."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from lyra.responder.listener import Artist, Genre, Listener, Playlist, Track
from lyra.responder.words import Match, Phrases, Word, words_of

_SHOWN = 59  # characters of a long name that a suggested question shows
_SHORT = 2
_SPACED = "\u2e80"
_EDITION = re.compile(r"\s+(?:-\s|[(\[]).*$")  # "- Remastered 2011", "(feat. ...)"
_MARKS = "\"'*_`(\u201c\u2018\u00ab\u201e"
_SPELLINGS = {
    ("rnb",): ("r", "b"),
    ("r", "n", "b"): ("r", "b"),
    ("hiphop",): ("hip", "hop"),
    ("dnb",): ("drum", "and", "bass"),
    ("lofi",): ("lo", "fi"),
    ("kpop",): ("k", "pop"),
    ("jpop",): ("j", "pop"),
    ("synthpop",): ("synth", "pop"),
    ("postpunk",): ("post", "punk"),
}


class Album(NamedTuple):
    """An album of which the listener's data holds tracks."""

    name: str


Item = Artist | Track | Album | Playlist | Genre


class Named(NamedTuple):
    """What a name in a question stands for: several items, where they share it."""

    words: str
    items: tuple[Item, ...]


class Names:
    """The names of one listener's data, to be found in one question.

    `common` are the words that mean something else in a question: a name made of them alone
    counts only where it is marked as a name, or capitalised within a sentence.
    """

    def __init__(self, listener: Listener, words: Sequence[Word], common: frozenset[str]) -> None:
        self._words = words
        self._common = common
        self._all = list(_items(listener))
        self._signs: dict[str, Item] = {}
        asked = {word.text for word in words}
        items: dict[tuple[str, ...], list[Item]] = {}
        for item in self._all:
            form = words_of(item.name)
            if not form and len(item.name) > 1:
                self._signs[item.name] = item
            for each in _forms(item, form):
                # Most names begin with no word of the question: they need not be looked at again.
                if each[0] in asked and item not in items.setdefault(each, []):
                    items[each].append(item)
        self._phrases = Phrases(items)

    def find(self, text: str, *, sure: bool) -> Iterator[Match[Named]]:
        """Yield the names in the question; with `sure` those of common words as well."""
        words = self._words
        folded = [word.text for word in words]
        for match in self._phrases.find(folded, [False] * len(words)):
            start, end = words[match.start].start, words[match.end - 1].end
            if (
                sure
                or not self._is_common(folded[match.start : match.end])
                or _is_marked(text, start)
            ):
                yield Match(match.start, match.end, Named(text[start:end], tuple(match.value)))

    def find_signs(self, text: str) -> Iterator[tuple[int, int, Named]]:
        """Yield the names without a letter that stand alone in the text, and where."""
        for name, item in self._signs.items():
            at = text.find(name)
            if at >= 0 and f" {text} "[at].isspace() and not text[at + len(name) :][:1].isalnum():
                yield at, at + len(name), Named(name, (item,))

    def search(self, words: tuple[str, ...]) -> tuple[Item, ...]:
        """Return the items whose name holds these words in a row."""
        size = len(words)
        forms = ((item, words_of(item.name)) for item in self._all)
        return tuple(
            item
            for item, form in forms
            if any(form[at : at + size] == words for at in range(len(form) - size + 1))
        )

    def _is_common(self, words: Sequence[str]) -> bool:
        if len(words) == 1 and len(words[0]) < _SHORT and words[0] < _SPACED:
            return True
        return all(word in self._common or word.isdecimal() for word in words)


def _items(listener: Listener) -> Iterator[Item]:
    """Yield every item once, the ranked ones before those that only plays name."""
    tracks = {track.key: track for track in listener.tracks}
    for play in listener.plays:
        tracks.setdefault(play.track.key, play.track)
    artists = {artist.key: artist for artist in listener.artists}
    for track in tracks.values():
        for credit in track.credits:
            artists.setdefault(credit.key, Artist(credit.name, credit.key))
    yield from artists.values()
    yield from tracks.values()
    yield from dict.fromkeys(Album(track.album) for track in tracks.values() if track.album)
    yield from listener.playlists
    yield from _genres(listener)


def _genres(listener: Listener) -> Iterable[Genre]:
    """Return the genres with their shares, and those that only artists have."""
    genres = {words_of(genre.name): genre for genre in listener.genres}
    for artist in listener.artists:
        for name in artist.genres:
            genres.setdefault(words_of(name), Genre(name))
    return genres.values()


def _forms(item: Item, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the words of the name, and those of its short forms."""
    if not words:
        return
    yield words
    if len(item.name) > _SHOWN and (shown := words_of(item.name[:_SHOWN])):
        yield shown
    if isinstance(item, Track | Album) and (edition := _EDITION.search(item.name)):
        short = words_of(item.name[: edition.start()])
        yield from [short] if short else []
    elif isinstance(item, Artist) and words[0] == "the" and words[1:]:
        yield words[1:]
    elif isinstance(item, Genre):
        yield from (spelling for spelling, meant in _SPELLINGS.items() if meant == words)


def _is_marked(text: str, start: int) -> bool:
    """Return whether what begins here is marked as a name, or capitalised within a sentence."""
    before = text[:start]
    if before[-1:] and before[-1] in _MARKS:
        return True
    within = bool(before.strip()) and before.rstrip()[-1] not in ".!?"
    return text[start].isupper() and within and text != text.upper()
