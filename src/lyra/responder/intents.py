"""What a question asks: a kind from the table of rules, with what the answer has to heed.

To add a kind: its phrases in `vocabulary.PHRASES`, a rule here in the place where it comes first,
and its function in `answers.ANSWERS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from lyra.responder.names import Item, Named, Names
from lyra.responder.reading import Reading, read_question
from lyra.responder.slots import Count, Hours, Period, Rank, Years
from lyra.responder.vocabulary import Concept as C  # noqa: N817 - a table of them
from lyra.responder.words import words_of

MAX_LETTERS = 1000  # of a question
_MAX_INTENTS = 3
_MAX_SOUGHT = 4  # words of a name
_LISTS = (C.ARTIST, C.TRACK, C.ALBUM, C.GENRE, C.PLAYLIST)

Kind = Literal[
    "artists", "tracks", "albums", "genres", "playlists", "artist_genres", "artists_by_tracks",
    "playlist_contents", "playlist_fit", "plays", "repeated", "hours", "years", "track_extremes",
    "explicit", "item", "search", "common", "similar", "forgotten", "recommend", "new",
    "make_playlist", "control", "beyond", "summary", "listener_name", "sections", "who", "help",
    "forget", "privacy", "follow_up", "greeting", "thanks", "farewell", "too_long", "denied",
    "unclear",
]  # fmt: skip
_COURTESIES: frozenset[Kind] = frozenset({"greeting", "thanks", "farewell"})
_UNKNOWN: frozenset[Kind] = frozenset({"unclear", "denied"})
# They say what cannot be done, whatever else the question holds.
_EXPLAINING: frozenset[Kind] = frozenset(
    {"control", "forget", "privacy", "make_playlist", "new", "who", "follow_up"}
)
_NAMES = Named
Feature = C | type[Years] | type[Hours] | type[Period] | type[Count] | type[Rank] | type[Named]

# They shape a question without narrowing what is asked for.
_NEUTRAL: frozenset[Feature] = frozenset(
    {C.DATA, C.LOOK_UP, C.TOP, C.WHERE, C.BY, C.GREETING, C.THANKS, C.FAREWELL, C.HOW_MANY, C.HELP,
     C.ABOUT_LISTENER, C.HOW_OFTEN, C.FOLLOW_UP, C.LIKES, C.FITS, C.MOST_PLAYED}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """A question is of this kind if it speaks of all features of one of `when`."""

    kind: Kind
    when: tuple[frozenset[Feature], ...]
    heeds: frozenset[Feature] = frozenset()


def _rule(
    kind: Kind, *when: Feature | tuple[Feature, ...], heeds: tuple[Feature, ...] = ()
) -> Rule:
    alternatives = (each if isinstance(each, tuple) else (each,) for each in when)
    return Rule(kind, tuple(map(frozenset, alternatives)), frozenset(heeds))


# The first that fits decides.
RULES: tuple[Rule, ...] = (
    _rule("control", C.CONTROL, (C.FORGET, C.PLAYLIST), (C.FORGET, C.TRACK), (C.FORGET, _NAMES)),
    _rule("forget", C.FORGET),
    _rule("privacy", C.PRIVACY),
    _rule("make_playlist", (C.MAKE, C.PLAYLIST), (C.MAKE, C.RECOMMEND), (C.MAKE, C.TRACK)),
    _rule("common", C.COMMON, heeds=(_NAMES, C.ARTIST, C.TRACK, C.GENRE)),
    _rule("similar", C.SIMILAR, heeds=(_NAMES, C.ARTIST, C.TRACK, C.RECOMMEND)),
    _rule("forgotten", C.NOT_LATELY,
          heeds=(_NAMES, C.TRACK, C.ARTIST, C.RECOMMEND, C.RECENT, Count)),
    _rule("new", (C.NEW, C.RECOMMEND), (C.NEW, C.TRACK), (C.NEW, C.ARTIST), (C.NEW, C.ALBUM), C.NEW),
    _rule("who", C.WHO_ARE_YOU),
    _rule("listener_name", C.LISTENER_NAME),
    _rule("playlist_fit", (C.PLAYLIST, C.FITS), heeds=(Hours, Period, C.RECOMMEND, Count)),
    _rule("recommend", C.RECOMMEND, heeds=(_NAMES, C.TRACK, C.ARTIST, Count)),
    _rule("years", Years, (C.OLDEST, C.TRACK), (C.NEWEST, C.TRACK), (C.YEAR, C.TRACK), C.OLDEST,
          C.NEWEST, C.YEAR, heeds=(_NAMES, C.ARTIST, C.TRACK, C.OLDEST, C.NEWEST, C.YEAR, Count)),
    _rule("repeated", C.REPEATED, heeds=(C.TRACK, C.RECENT, Count)),
    _rule("plays", Period, Hours, (C.RECENT, C.ARTIST), (C.RECENT, C.ALBUM), (C.RECENT, C.GENRE),
          heeds=(_NAMES, Period, Hours, C.RECENT, C.TRACK, C.ARTIST, C.ALBUM, C.GENRE, C.WHEN,
                 Count, Rank)),
    _rule("item", _NAMES, heeds=(_NAMES, C.ARTIST, C.TRACK, C.ALBUM, C.GENRE, C.PLAYLIST, C.RECENT,
                                 C.WHEN, C.LISTENER_NAME, Rank, Count)),
    _rule("hours", C.WHEN),
    _rule("playlist_contents", (C.PLAYLIST, C.TRACK), (C.PLAYLIST, C.ARTIST), (C.PLAYLIST, C.GENRE),
          heeds=(C.LARGEST, C.SMALLEST, C.HOW_MANY)),
    _rule("playlists", C.PLAYLIST,
          heeds=(C.LARGEST, C.SMALLEST, C.LONGEST, C.SHORTEST, C.OWNED, C.FOLLOWED, Count, Rank)),
    _rule("track_extremes", C.LONGEST, C.SHORTEST, heeds=(C.TRACK, Count)),
    _rule("explicit", C.EXPLICIT, heeds=(C.TRACK, Count)),
    _rule("artist_genres", (C.ARTIST, C.GENRE), heeds=(Count,)),
    _rule("genres", C.GENRE, heeds=(Count, Rank, C.LEAST)),
    _rule("albums", C.ALBUM, heeds=(C.TRACK, C.ARTIST, Count, Rank)),
    _rule("artists_by_tracks", (C.ARTIST, C.TRACK), heeds=(Count, Rank, C.LARGEST)),
    _rule("plays", C.RECENT, heeds=(C.RECENT, C.TRACK, Count, Rank)),
    _rule("artists", C.ARTIST, heeds=(Count, Rank, C.LEAST)),
    _rule("tracks", C.TRACK, heeds=(Count, Rank, C.LEAST)),
    _rule("sections", C.SECTIONS),
    _rule("summary", (C.HELP, C.ABOUT_LISTENER)),
    _rule("help", C.HELP),
    _rule("summary", C.ABOUT_LISTENER),
    _rule("tracks", (C.TOP, Count), C.MOST_PLAYED, heeds=(Count,)),
    _rule("follow_up", C.REFERENCE, C.FOLLOW_UP, heeds=(Count, Rank)),
    _rule("greeting", C.GREETING),
    _rule("thanks", C.THANKS),
    _rule("farewell", C.FAREWELL),
)  # fmt: skip


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
    hours: Hours | None = None
    period: Period | None = None
    count: int | None = None
    rank: int | None = None
    unheeded: tuple[str, ...] = ()
    sought: str = ""
    words: tuple[str, ...] = ()
    sentence: str = ""


def understand(question: str, names: Names) -> tuple[Intent, ...]:
    """Return what the question asks, one to three intents; `unclear` where nothing is understood."""
    if len(question) > MAX_LETTERS:
        return (Intent("too_long"),)
    readings = [reading for reading in read_question(question, names) if not _is_blank(reading)]
    intents = [intent for reading in readings for intent in _intents(reading, names)]
    asked = [intent for intent in intents if intent.kind not in _UNKNOWN] or intents[:1]
    asked = [intent for intent in asked if intent.kind not in _COURTESIES] or asked[:1]
    return tuple(dict.fromkeys(asked))[:_MAX_INTENTS] or (Intent("unclear"),)


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
    if reading.names:
        features.add(Named)
    return frozenset(features)


def _make(rule: Rule, reading: Reading, others: set[C] | None = None) -> Intent:
    """Fill the rule's intent; too many words that mean nothing make it unclear."""
    features = _features(reading)
    used = frozenset().union(*rule.when) | rule.heeds | _NEUTRAL | (others or set())
    missed = [reading.heard[each] for each in features - used if each in reading.heard]
    if Named not in used:
        missed += [named.words for named in reading.names]
    known = len(features & used - {C.DATA, C.FOLLOW_UP})
    if rule.kind in _EXPLAINING:
        return _fill(rule.kind, reading)
    unknown = [] if rule.kind in ("playlist_fit", "common") else reading.unknown
    if len(unknown) > known or (unknown and not reading.personal):
        return replace(_fill("unclear", reading), unheeded=tuple(unknown))
    refused = [] if rule.kind in _COURTESIES else [f"not {words}" for words in reading.refused]
    return replace(_fill(rule.kind, reading), unheeded=(*unknown, *sorted(missed), *refused))


def _fill(kind: Kind, reading: Reading) -> Intent:
    slots = {type(slot): slot for slot in reversed(reading.slots)}
    years, hours, period = slots.get(Years), slots.get(Hours), slots.get(Period)
    count, rank = slots.get(Count), slots.get(Rank)
    moods = [*reading.unknown, *filter(None, (reading.heard.get(each) for each in (Hours, Period)))]
    return Intent(
        kind,
        concepts=frozenset(reading.concepts),
        names=tuple(reading.names),
        years=years if isinstance(years, Years) else None,
        hours=hours if isinstance(hours, Hours) else None,
        period=period if isinstance(period, Period) else None,
        count=count.number if isinstance(count, Count) else None,
        rank=rank.number if isinstance(rank, Rank) else None,
        words=tuple(word for text in moods for word in words_of(text)),
    )


def _sought(reading: Reading) -> str:
    """Return the words that the listener's names are to be searched for, if it asks for that."""
    if reading.names or reading.slots or not 0 < len(reading.unknown) <= _MAX_SOUGHT:
        return ""
    if reading.has(C.PLAYLIST, C.FITS):
        return ""
    asks = bool(reading.concepts & {C.LOOK_UP, C.BY, C.WHERE})
    if C.LIKES in reading.concepts:
        # "sad songs" tells which songs, "the song Sad" names one.
        nouns = [reading.places[each] for each in _LISTS if each in reading.concepts]
        asks = asks or not any(place > reading.unknown_at for place in nouns)
    return " ".join(reading.unknown) if asks else ""


def _search(reading: Reading, names: Names, sought: str) -> Intent:
    items: Sequence[Item] = names.search(words_of(sought))
    if items:
        return replace(_fill("item", reading), names=(Named(sought, tuple(items)),), sought=sought)
    return replace(_fill("search", reading), sought=sought)


KINDS: tuple[Kind, ...] = get_args(Kind)
