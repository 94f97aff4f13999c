"""The kinds of questions, as a table: which concepts, slots and names make each of them.

To add a kind: its phrases in `vocabulary.PHRASES`, a rule here in the place where it comes first,
and its function in `answers.ANSWERS`.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from lyra.responder.listener import Artist, Genre, Playlist, Track
from lyra.responder.names import Album, Item, Named
from lyra.responder.slots import Count, Hours, Period, Rank, SlotValue, Years
from lyra.responder.vocabulary import Concept as C  # noqa: N817 - a table of them

Kind = Literal[
    "artists", "tracks", "albums", "genres", "playlists", "artist_genres", "artists_by_tracks",
    "playlist_contents", "playlist_fit", "plays", "repeated", "hours", "years", "track_extremes",
    "explicit", "chosen", "item", "search", "common", "similar", "forgotten", "recommend", "new",
    "make_playlist", "control", "beyond", "summary", "listener_name", "sections", "who", "help", "compare",
    "forget", "privacy", "follow_up", "greeting", "thanks", "farewell", "too_long", "denied",
    "unclear",
]  # fmt: skip
Feature = C | type[SlotValue] | type[Named] | type[Item]
COURTESIES: frozenset[Kind] = frozenset({"greeting", "thanks", "farewell"})
SAYING_LITTLE: frozenset[Feature] = frozenset(
    {C.DATA, C.FOLLOW_UP, Artist, Track, Album, Playlist, Genre}
)
UNKNOWN: frozenset[Kind] = frozenset({"unclear", "denied"})
# They say what cannot be done, whatever else the question holds.
EXPLAINING: frozenset[Kind] = frozenset(
    {"compare", "control", "forget", "privacy", "make_playlist", "new", "who"}
)
_NAMES = Named

# They shape a question without narrowing what is asked for.
NEUTRAL: frozenset[Feature] = frozenset(
    {C.DATA, C.LOOK_UP, C.TOP, C.WHERE, C.BY, C.GREETING, C.THANKS, C.FAREWELL, C.HOW_MANY, C.HELP,
     C.ABOUT_LISTENER, C.HOW_OFTEN, C.FOLLOW_UP, C.LIKES, C.FITS, C.MOST_PLAYED,
     C.LISTEN, C.MAKE, Named, Artist, Track, Album, Playlist, Genre}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """A question is of this kind if it speaks of all features of one of `when`.

    `heeds` is what its answer takes into account beside them. Where a feature of `strict` is all
    that speaks for the kind, a word that is not understood speaks against it.
    """

    kind: Kind
    when: tuple[frozenset[Feature], ...]
    heeds: frozenset[Feature] = frozenset()
    strict: frozenset[Feature] = frozenset()


def _rule(
    kind: Kind,
    *when: Feature | tuple[Feature, ...],
    heeds: tuple[Feature, ...] = (),
    strict: tuple[Feature, ...] = (),
) -> Rule:
    alternatives = (each if isinstance(each, tuple) else (each,) for each in when)
    return Rule(kind, tuple(map(frozenset, alternatives)), frozenset(heeds), frozenset(strict))


# The first that fits decides.
RULES: tuple[Rule, ...] = (
    _rule("control", C.CONTROL, (C.FORGET, C.PLAYLIST), (C.FORGET, C.TRACK), (C.FORGET, _NAMES)),
    _rule("forget", C.FORGET),
    _rule("privacy", C.PRIVACY),
    _rule("make_playlist", (C.MAKE, C.PLAYLIST), (C.MAKE, C.RECOMMEND), (C.MAKE, C.TRACK)),
    _rule("common", (C.COMMON, _NAMES), (C.COMMON, C.ARTIST), heeds=(_NAMES, C.ARTIST, C.TRACK, C.GENRE)),
    _rule("similar", C.SIMILAR, heeds=(_NAMES, C.ARTIST, C.TRACK, C.RECOMMEND)),
    _rule("forgotten", C.NOT_LATELY,
          heeds=(_NAMES, C.TRACK, C.ARTIST, C.RECOMMEND, C.RECENT, Count)),
    _rule("new", (C.NEW, C.RECOMMEND), (C.NEW, C.TRACK), (C.NEW, C.ARTIST), (C.NEW, C.ALBUM), C.NEW),
    _rule("who", C.WHO_ARE_YOU),
    _rule("listener_name", C.LISTENER_NAME, strict=(C.LISTENER_NAME,)),
    _rule("sections", (C.SECTIONS, C.WHEN)),
    _rule("playlist_fit", (C.PLAYLIST, C.FITS), heeds=(Hours, Period, C.RECOMMEND, Count)),
    _rule("recommend", C.RECOMMEND, heeds=(_NAMES, C.TRACK, C.ARTIST, Count)),
    _rule("item", (C.YEAR, Track), (C.YEAR, Album), heeds=(_NAMES, C.TRACK, C.ALBUM)),
    _rule("years", Years, (C.OLDEST, C.TRACK), (C.NEWEST, C.TRACK), (C.YEAR, C.TRACK), C.OLDEST,
          C.NEWEST, C.YEAR, heeds=(_NAMES, C.ARTIST, C.TRACK, C.OLDEST, C.NEWEST, C.YEAR, Count)),
    _rule("repeated", C.REPEATED, heeds=(C.TRACK, C.RECENT, Count)),
    _rule("compare", (C.COMPARE, Period)),
    _rule("plays", (C.COMPARE, Hours), heeds=(Hours, C.LISTEN)),
    _rule("item", (C.COMPARE, _NAMES), heeds=(_NAMES, C.ARTIST, C.TRACK, C.GENRE, C.ALBUM)),
    _rule("compare", C.COMPARE),
    _rule("plays", Period, Hours, (C.RECENT, C.ARTIST), (C.RECENT, C.ALBUM), (C.RECENT, C.GENRE),
          strict=(Period, Hours), heeds=(_NAMES, Period, Hours, C.RECENT, C.TRACK, C.ARTIST, C.ALBUM, C.GENRE, C.WHEN,
                 Count, Rank)),
    _rule("item", Playlist, Track, heeds=(_NAMES, C.ARTIST, C.TRACK, C.ALBUM, C.PLAYLIST, C.RECENT,
                                          C.WHEN, C.LISTENER_NAME, C.YEAR, Rank, Count)),
    _rule("playlist_contents", (C.PLAYLIST, _NAMES), heeds=(_NAMES, C.TRACK, C.ARTIST)),
    _rule("chosen", (C.TRACK, Artist), (C.TRACK, Album), (C.TRACK, Genre), (C.ARTIST, Genre),
          heeds=(_NAMES, C.ARTIST, Count)),
    _rule("item", _NAMES, heeds=(_NAMES, C.ARTIST, C.ALBUM, C.GENRE, C.RECENT, C.WHEN,
                                 C.LISTENER_NAME, Rank, Count)),
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

KINDS: tuple[Kind, ...] = get_args(Kind)
