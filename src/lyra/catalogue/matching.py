"""Which item of a search is the one that was wanted: by names alone, and never a cover of it.

Pure. A search gives what is popular and similar; an item counts only if title and artist agree in
their folded form (`folding`, `editions`).
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from lyra.catalogue.editions import Title, take_apart
from lyra.catalogue.folding import fold, fold_artist
from lyra.catalogue.items import Item, Wanted

_ARTISTS = 12  # of one name, that are told apart
_BETWEEN_ARTISTS = re.compile(
    r"\s*(?:,|;|/|&|\+|\bfeat\.?(?=\s)|\bft\.?(?=\s)|\b(?:featuring|with|and|x|vs\.?)(?=\s))\s*",
    re.IGNORECASE,
)
# What makes a title the name of a work, whose movements Spotify lists one by one.
_WORK = re.compile(r"\b(?:no|op|bwv|kv?|hwv|rv|hob|sz|d) \d")
_BETWEEN_MOVEMENTS = re.compile(r"[:,]\s|\sin\s")  # of number, key, opus and movement
_CUT = re.compile(r"(?:\u2026|\.\.\.)$")
_LEAST_CUT = 20  # code points that name something though the rest is cut off
_ORDER = ("song", "short", "work")


def find_match(wanted: Wanted, items: Iterable[Item]) -> Item | None:
    """Return the item that is wanted, the closest edition first; None: none of them is.

    Items are in the search's order, which decides between equals.
    """
    ranked = [(rank, place, item) for place, (rank, item) in enumerate(_matches(wanted, items))]
    return min(ranked, key=lambda each: each[:2])[2] if ranked else None


def _matches(wanted: Wanted, items: Iterable[Item]) -> Iterator[tuple[tuple[int, ...], Item]]:
    """Yield the items that may pass for what is wanted, each with its rank; the least is best."""
    title = take_apart(wanted.title)
    for item in items:
        if item.kind != wanted.kind:
            continue
        if wanted.kind == "artist":
            if fold_artist(item.name) == fold_artist(wanted.artist):
                yield (fold(item.name) != fold(wanted.artist), item.name != wanted.artist), item
        elif same_artist(wanted.artist, item.artists):
            rank = _rank(wanted.title, title, item.name, take_apart(item.name))
            if rank is not None:
                yield rank, item


def same_artist(wanted: str, artists: Sequence[str]) -> bool:
    """Return whether these artists are the wanted one, or the wanted ones are among them."""
    names = {fold_artist(name) for name in artists[:_ARTISTS]}
    if fold_artist(wanted) in names:
        return True
    parts = [part for part in _BETWEEN_ARTISTS.split(wanted) if part.strip()][:_ARTISTS]
    if len(parts) < 2:  # noqa: PLR2004 - one artist, and it was none of them
        return False
    return all(fold_artist(part) in names for part in parts)


def _rank(asked: str, wanted: Title, name: str, title: Title) -> tuple[int, ...] | None:
    """Return how far the item is from what is wanted, 0 being nearest; None: it is another one."""
    how = _agree(asked, wanted, name, title)
    if how is None or (title.imitated and not wanted.imitated):
        return None
    if wanted.performances and wanted.performances != title.performances:
        return None  # a live version was wanted: the studio's is another one
    issue = title.issue != wanted.issue if wanted.issue else bool(title.issue)
    return (len(title.performances - wanted.performances), _ORDER.index(how), issue)


def _agree(asked: str, wanted: Title, name: str, title: Title) -> str | None:
    """Return by which of their forms two titles agree; None: by none."""
    if wanted.song == title.song:
        return "song"
    if wanted.song in (title.short, _joined(title.song)) or _joined(wanted.song) == _joined(
        title.song
    ):
        return "short"
    if _CUT.search(asked) and len(wanted.song) >= _LEAST_CUT and title.song.startswith(wanted.song):
        return "short"
    if _WORK.search(wanted.song) and wanted.song in _works(name):
        return "work"
    return None


def _joined(folded: str) -> str:
    """Return a folded name without its spaces: "Blackstar" and "Black Star" are one."""
    return folded.replace(" ", "")


def _works(name: str) -> set[str]:
    """Return the folded beginnings of a title that may name the work whose movement it is."""
    ends = [match.start() for match in _BETWEEN_MOVEMENTS.finditer(name)]
    return {fold(name[:end]) for end in ends[:_ARTISTS]}
