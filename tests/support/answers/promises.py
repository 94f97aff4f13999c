"""What Lyra answers for, whatever a model says: each broken promise is one sentence.

Cards and what is called new or known, facts, the limits of an answer, the receipt, one ending.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.answers import catalogue
from tests.support.answers.asked import Asked, Part
from tests.support.answers.catalogue import fold, song
from tests.support.answers.truth import Truth
from tests.support.statements.asked_shapes import judge_fact

MAX_ROUNDS, MAX_CALLS, MAX_SEARCHES, MAX_TOKENS = 4, 8, 10, 60_000
_LIMITS = {"rounds": MAX_ROUNDS, "calls": MAX_CALLS, "searches": MAX_SEARCHES, "tokens": MAX_TOKENS}


def broken_promises(asked: Asked, truth: Truth) -> Iterator[str]:
    """Yield what Lyra has done wrong in this answer."""
    if asked.broken:
        if not asked.refused.startswith("llm_"):  # else the model has failed, and Lyra says so
            yield f"the stream: {asked.broken}"
        return
    yield from outside(asked, truth)
    for card in asked.cards:
        yield from _wrong_card(card, asked, truth)
    yield from _wrong_proposal(asked, truth)
    for row in asked.found:
        yield from _wrong_row(row, asked, truth)
    for fact in asked.facts:
        if (verdict := judge_fact(truth.raw, fact)[1]) != "true":
            yield f"the fact {fact!r} is {verdict}"
    yield from _wrong_limits(asked)


def outside(asked: Asked, truth: Truth) -> Iterator[str]:
    """Yield the cards and proposed tracks that neither the data nor a result of this answer hold."""
    held = truth.uris | {row["item"]["uri"] for row in asked.found}
    read = {row.get("uri") for row in asked.read}
    for track in asked.proposed:
        if track["uri"] not in held | read:
            yield f"the proposed {track['name']!r} is neither in the data nor in a result"
    for card in asked.cards:
        if card["uri"] not in held and not asked.has_read(card):
            yield f"the card {card['name']!r} is neither in the data nor in a result"


def _wrong_card(card: Part, asked: Asked, truth: Truth) -> Iterator[str]:
    new, name = card.get("new") is True, card["name"]
    if new and not _exists(card):
        yield f"the card {name!r} is not in the catalogue"
    known = _known(card, truth) or asked.has_read(card)
    if new and known:
        yield f"the card {name!r} is called new, and is known"
    if new and not str(card.get("note", "")).strip():
        yield f"the card {name!r} does not say why it is new"
    if new and (wrong := _wrong_note(str(card.get("note")), truth)):
        yield f"the card {name!r} says: {wrong}"
    if not new and not known:
        yield f"the card {name!r} is not called new, and is"


def _wrong_proposal(asked: Asked, truth: Truth) -> Iterator[str]:
    proposal, tracks = asked.proposal, asked.proposed
    for each in tracks:
        known = _known(each, truth) or asked.has_read(each)
        if bool(each.get("new")) == known:
            yield f"the proposed {each['name']!r} is told as {'new' if known else 'known'}"
    if len({each["uri"] for each in tracks}) < len(tracks):
        yield "a track is proposed twice"
    if tracks and [each["uri"] for each in tracks] != proposal["uris"]:
        yield "the proposed tracks are not those that would be saved"
    if tracks and proposal["count"] != len(tracks):
        yield f"{len(tracks)} tracks are proposed as {proposal['count']}"
    length = sum(each.get("duration_ms", 0) for each in tracks) / 60_000
    if "minutes" in proposal and abs(proposal["minutes"] - length) > 1:
        yield f"{length:.0f} minutes are proposed as {proposal['minutes']}"
    if tracks and proposal["state"] != "open":
        yield "the proposal is saved before anybody has confirmed it"


def _wrong_note(note: str, truth: Truth) -> str:
    """Return what is wrong with the reason why something is new; empty if nothing is."""
    for words, section in (
        ("top tracks", "top_tracks"),
        ("recent plays", "recently_played"),
        ("top artists", "top_artists"),
    ):
        if words in note and not truth.raw.read(section):
            return f"{note!r}, though {words} were not read"
    named, found, place = note.partition(", number ")
    if found:
        rank = int(place.partition(" ")[0])
        names = {each.name for each in truth.raw.top_artists if each.place == rank}
        if fold(named.removeprefix("By ")) not in map(fold, names):
            return f"{note!r}, which is another artist's rank"
    return ""


def _wrong_row(row: Part, asked: Asked, truth: Truth) -> Iterator[str]:
    item = row["item"]
    if not _exists(item):
        yield f"the result {item['name']!r} is not in the catalogue"
    known = _known(item, truth) or asked.has_read(item)
    if "known" in row and bool(row["known"]) != known:
        yield f"the result {item['name']!r} is told as {'known' if row['known'] else 'unknown'}"
    if row.get("known") and not asked.read and not _is_there(item, row["known"], truth):
        yield f"the result {item['name']!r} is not where it is said to be known from"


def _is_there(item: Part, place: Mapping[str, Any], truth: Truth) -> bool:
    """Return whether the row of this rank, where one is told, is the item or is by its artist."""
    section, rank = place["section"], place.get("rank")
    if rank is None or section not in ("top_artists", "top_tracks"):
        return truth.raw.read(section)
    rows = [each for each in getattr(truth.raw, section) if each.place == rank]
    return any(song(each.name) == song(item["name"]) for each in rows)


def _known(item: Part, truth: Truth) -> bool:
    kind = item["uri"].split(":")[1]
    return truth.knows(kind, item["uri"], item["name"], tuple(item.get("artists", ())))


def _exists(item: Part) -> bool:
    entry = catalogue.find(item["uri"])
    return entry is not None and song(entry.name) == song(item["name"])


def _wrong_limits(asked: Asked) -> Iterator[str]:
    for name, most in _LIMITS.items():
        if (spent := getattr(asked, name)) > most:
            yield f"{spent} {name}, where {most} are the most"
    told = asked.receipt.get("searches", 0)
    if told != asked.searches:
        yield f"the receipt tells {told} searches of {asked.searches}"
    if asked.calls < len(asked.outputs):
        yield f"the receipt tells {asked.calls} calls of {len(asked.outputs)}"
