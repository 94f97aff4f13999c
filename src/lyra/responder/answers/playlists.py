"""Answers about playlists: by name, length and description, which is all that is read of them."""

from collections.abc import Sequence

from lyra.responder.intents import Intent
from lyra.responder.listener import Listener, Playlist, Voice
from lyra.responder.vocabulary import MOODS, Concept
from lyra.responder.wording import (
    LISTED,
    MOST,
    bullets,
    count,
    enumerate_,
    missing,
    quote,
)
from lyra.responder.words import words_of

_MAX_NAMED = 10


def list_playlists(listener: Listener, intent: Intent, _: Voice) -> str:
    """List the playlists, or those of one owner, or the largest or smallest."""
    if gap := missing(listener, "playlists"):
        return gap
    if Concept.OWNED in intent.concepts or Concept.FOLLOWED in intent.concepts:
        return _by_owner(listener, intent)
    whole = _how_many(listener)
    if Concept.HOW_MANY in intent.concepts:
        return whole
    for concepts, word, high in _SIZES:
        if intent.concepts & concepts:
            return _by_length(listener, intent, word, high=high)
    if intent.rank:
        return _one(listener, intent.rank)
    shown = listener.playlists[: min(intent.count or LISTED, MOST)]
    first = f" The first {len(shown)}:" if len(shown) < len(listener.playlists) else ""
    return f"{whole}{first}\n{bullets(map(_line, shown))}"


_SIZES = (
    (frozenset({Concept.LARGEST, Concept.LONGEST}), "longest", True),
    (frozenset({Concept.SMALLEST, Concept.SHORTEST}), "shortest", False),
)


def _how_many(listener: Listener) -> str:
    read, total = len(listener.playlists), listener.playlists_total
    if total is not None and total > read:
        return f"Spotify counts {total:,} playlists in your library; I have read {read} of them."
    return f"I have read {count(read, 'playlist')} of yours, your own and those you follow."


def _one(listener: Listener, rank: int) -> str:
    if rank > len(listener.playlists):
        return f"There is no number {rank}. {_how_many(listener)}"
    named = _line(listener.playlists[rank - 1])
    return f"Number {rank} in Spotify's order of your playlists, which is no ranking, is {named}."


def _line(playlist: Playlist) -> str:
    if playlist.tracks is None:
        return quote(playlist.name)
    return f"{quote(playlist.name)} ({count(playlist.tracks, 'track')})"


def _by_owner(listener: Listener, intent: Intent) -> str:
    own = Concept.OWNED in intent.concepts
    found = [each for each in listener.playlists if each.owned is own]
    unknown = sum(each.owned is None for each in listener.playlists)
    unsaid = (
        f" Of {unknown} it is not known whose {'it is' if unknown == 1 else 'they are'}."
        if unknown
        else ""
    )
    kind = "your own" if own else "those of others that you follow"
    whole = count(
        len(listener.playlists), "playlist that I have read", "playlists that I have read"
    )
    heading = f"Of the {whole}, {len(found)} {'is' if len(found) == 1 else 'are'} {kind}."
    if not found or Concept.HOW_MANY in intent.concepts:
        return heading + unsaid
    shown = found[: min(intent.count or LISTED, MOST)]
    first = f" The first {len(shown)}:" if len(shown) < len(found) else ""
    return f"{heading}{unsaid}{first}\n{bullets(map(_line, shown))}"


def _by_length(listener: Listener, intent: Intent, word: str, *, high: bool) -> str:
    known = [each for each in listener.playlists if each.tracks is not None]
    if not known:
        return "The length of none of your playlists is known."
    ordered = sorted(known, key=lambda each: each.tracks or 0, reverse=high)
    shown = bullets(map(_line, ordered[: min(intent.count or LISTED, MOST)]))
    return f"The {word} of the {count(len(known), 'playlist')} whose length I know, by number of tracks:\n{shown}"


def tell_contents(listener: Listener, intent: Intent, _: Voice) -> str:
    """Say that the songs of playlists are not read, and how many there are."""
    reason = "I read the names and lengths of your playlists alone, not the songs in them."
    if gap := missing(listener, "playlists"):
        return f"{reason} {gap}"
    known = [each for each in listener.playlists if each.tracks is not None]
    if intent.concepts & {Concept.LARGEST, Concept.SMALLEST}:
        return f"{reason} {list_playlists(listener, intent, _)}"
    together = sum(each.tracks or 0 for each in known)
    if not known:
        return reason
    return (
        f"{reason} The {count(len(known), 'playlist')} whose length I know "
        f"{'has' if len(known) == 1 else 'together have'} {count(together, 'track')}, "
        "repeated ones counted each time."
    )


def find_fitting(listener: Listener, intent: Intent, voice: Voice) -> str:
    """Name the playlists whose name or description has a word of the mood."""
    if gap := missing(listener, "playlists"):
        return gap
    asked = set(intent.words)
    moods = [mood for mood in MOODS if mood & asked]
    sought = asked.union(*moods)
    found = [(each, hit) for each in listener.playlists if (hit := _hit(each, sought, asked))]
    limits = f"{voice.limits} I can only go by the names and descriptions of playlists"
    read = f"the {count(len(listener.playlists), 'playlist')} that I have read"
    if not found:
        named = [quote(each.name) for each in listener.playlists[:_MAX_NAMED]]
        among = "They are" if len(listener.playlists) <= _MAX_NAMED else "Among them are"
        if len(listener.playlists) == 1:
            among = "It is"
        return f"{limits}, and none of {read} says anything like that. {among} {enumerate_(named)}."
    found.sort(key=lambda each: each[1] not in asked)
    shown = found[: min(intent.count or LISTED, MOST)]
    lines = bullets(f"{_line(playlist)}, for the word {quote(hit)}" for playlist, hit in shown)
    return f"{limits}. Of {read}, these may fit:\n{lines}"


def _hit(playlist: Playlist, sought: set[str], asked: set[str]) -> str:
    """Return the word by which a playlist may fit, one of the question's own before others."""
    words: Sequence[str] = (*words_of(playlist.name), *words_of(playlist.description or ""))
    hits = [word for word in words if word in sought]
    return next((word for word in hits if word in asked), hits[0] if hits else "")
