"""What a question asks: kinds from the table of rules, with what their answers have to heed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lyra.responder.listener import Listener
from lyra.responder.names import Item, Named, Names
from lyra.responder.reading import Question, Reading, common_words
from lyra.responder.rules import (
    COURTESIES,
    EXPLAINING,
    NEUTRAL,
    RULES,
    SAYING_LITTLE,
    UNKNOWN,
    Feature,
    Kind,
    Rule,
)
from lyra.responder.slots import Count, Hours, Period, Rank, Years
from lyra.responder.vocabulary import Concept as C  # noqa: N817 - as in the table of rules
from lyra.responder.words import words_of

MAX_LETTERS = 1000  # of a question
_MAX_SENTENCES = 10
_MAX_INTENTS = 3
_MAX_SOUGHT = 4  # words of a name
_LISTS = (C.ARTIST, C.TRACK, C.ALBUM, C.GENRE, C.PLAYLIST)


@dataclass(frozen=True, slots=True)
class Intent:
    """A kind of question with its slots.

    `unheeded` are the words that an answer of this kind does not take into account, and has to
    say so. `items` are what `search` found, `sought` the words that it looked for.
    """

    kind: Kind
    concepts: frozenset[C] = frozenset()
    names: tuple[Named, ...] = ()
    years: Years | None = None
    hours: tuple[Hours, ...] = ()
    period: Period | None = None
    count: int | None = None
    rank: int | None = None
    unheeded: tuple[str, ...] = ()
    sought: str = ""
    words: tuple[str, ...] = ()
    sentence: str = ""


def understand(question: str, listener: Listener) -> tuple[Intent, ...]:
    """Return what the question asks, one to three intents; `unclear` where nothing is understood."""
    if len(question) > MAX_LETTERS:
        return (Intent("too_long"),)
    asked = Question(question)
    names = Names(listener, asked.words, common_words())
    readings = [reading for reading in asked.read(names) if not _is_blank(reading)]
    if len(readings) > _MAX_SENTENCES:
        return (Intent("too_long"),)
    intents = [intent for reading in readings for intent in _intents(reading, names)]
    heard = [intent for intent in intents if intent.kind not in UNKNOWN] or intents[:1]
    heard = [intent for intent in heard if intent.kind not in COURTESIES] or heard[:1]
    return tuple(dict.fromkeys(heard))[:_MAX_INTENTS] or (Intent("unclear"),)


def _is_blank(reading: Reading) -> bool:
    return not (
        reading.concepts
        or reading.denied
        or reading.slots
        or reading.names
        or reading.unknown
        or reading.beyond
        or reading.refused
    )


def _intents(reading: Reading, names: Names) -> list[Intent]:
    if reading.beyond:
        return [replace(_fill("beyond", reading), sentence=reading.beyond)]
    if sought := _sought(reading):
        return [_search(reading, names, sought)]
    features = _features(reading)
    listed = [each for each in _LISTS if each in reading.concepts]
    rule = next((rule for rule in RULES if any(when <= features for when in rule.when)), None)
    if rule is None:
        kind: Kind = "denied" if reading.denied or reading.refused else "unclear"
        return [replace(_fill(kind, reading), unheeded=tuple(reading.unknown))]
    if rule.kind in ("playlist_contents", "artist_genres", "artists_by_tracks", "albums", "artists",
                     "tracks", "genres", "playlists") and reading.joined and listed[1:]:  # fmt: skip
        return [_make(_list_rule(each), reading, others=set(listed)) for each in listed]
    return [_make(rule, reading)]


def _list_rule(concept: C) -> Rule:
    return next(rule for rule in RULES[::-1] if frozenset({concept}) in rule.when)


def _features(reading: Reading) -> frozenset[Feature]:
    features: set[Feature] = set(reading.concepts)
    features.update(type(slot) for slot in reading.slots)
    for named in reading.names:
        features.add(Named)
        features.update(type(item) for item in named.items)
    return frozenset(features)


def _make(rule: Rule, reading: Reading, others: set[C] | None = None) -> Intent:
    """Fill the rule's intent; too many words that mean nothing make it unclear."""
    features = _features(reading)
    used = frozenset().union(*rule.when) | rule.heeds | NEUTRAL | (others or set())
    missed = [reading.heard[each] for each in features - used if each in reading.heard]
    if Named not in rule.heeds:
        missed += [named.words for named in reading.names]
    known = len(features & used - SAYING_LITTLE)
    if rule.kind in EXPLAINING:
        return _fill(rule.kind, reading)
    unknown = [] if rule.kind in ("playlist_fit", "common") else reading.unknown
    personal = reading.personal or bool(reading.names)
    alone = bool(rule.strict & features) and features <= rule.strict | SAYING_LITTLE
    if len(unknown) > known or (unknown and (alone or not personal)):
        return replace(_fill("unclear", reading), unheeded=tuple(unknown))
    refused = [] if rule.kind in COURTESIES else [f"not {words}" for words in reading.refused]
    return replace(_fill(rule.kind, reading), unheeded=(*unknown, *sorted(missed), *refused))


def _fill(kind: Kind, reading: Reading) -> Intent:
    slots = {type(slot): slot for slot in reversed(reading.slots)}
    years, period = slots.get(Years), slots.get(Period)
    count, rank = slots.get(Count), slots.get(Rank)
    moods = [*reading.unknown, *filter(None, (reading.heard.get(each) for each in (Hours, Period)))]
    return Intent(
        kind,
        concepts=frozenset(reading.concepts),
        names=tuple(reading.names),
        years=years if isinstance(years, Years) else None,
        hours=_narrowest([slot for slot in reading.slots if isinstance(slot, Hours)]),
        period=period if isinstance(period, Period) else None,
        count=count.number if isinstance(count, Count) else None,
        rank=rank.number if isinstance(rank, Rank) else None,
        words=tuple(word for text in moods for word in words_of(text)),
    )


def _narrowest(hours: Sequence[Hours]) -> tuple[Hours, ...]:
    """Return the spans without those that another makes more precise: "this morning at 9"."""
    return tuple(
        each for each in hours if not any(other != each and other.lies_in(each) for other in hours)
    )


def _sought(reading: Reading) -> str:
    """Return the words that the listener's names are to be searched for, if it asks for that."""
    if reading.names or reading.slots or not 0 < len(reading.unknown) <= _MAX_SOUGHT:
        return ""
    if reading.has(C.PLAYLIST, C.FITS):
        return ""
    asks = bool(reading.concepts & {C.LOOK_UP, C.BY, C.WHERE, C.HOW_OFTEN})
    if C.LIKES in reading.concepts and reading.places[C.LIKES] < reading.unknown_at:
        # "sad songs" tells which songs, "the song Sad" names one.
        nouns = [reading.places[each] for each in _LISTS if each in reading.concepts]
        asks = asks or not any(place > reading.unknown_at for place in nouns)
    return " ".join(reading.unknown) if asks else ""


def _search(reading: Reading, names: Names, sought: str) -> Intent:
    items: Sequence[Item] = names.search(words_of(sought))
    if items:
        return replace(_fill("item", reading), names=(Named(sought, tuple(items)),), sought=sought)
    return replace(_fill("search", reading), sought=sought)
