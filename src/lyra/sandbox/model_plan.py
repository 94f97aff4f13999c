"""Which tools a question calls for: the sandbox model's intent, before it knows any result."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lyra.responder.intents import Intent, understand
from lyra.responder.listener import Artist, Listener, Playlist, Track
from lyra.responder.vocabulary import Concept
from lyra.sandbox.model_answers import last_of
from lyra.sandbox.model_listener import read_listener
from lyra.sandbox.model_music import NOUNS_OF, Kind, Wish, genres_in, item_of, suggest_songs
from lyra.sandbox.model_playlist import PROPOSE, PlaylistWish, first_calls, read_playlist_wish
from lyra.sandbox.model_prompt import Prompt

Purpose = Literal["new", "named", "range", "playlist", "proposal"]

FEWEST, MOST = 6, 10  # songs that are looked up for a recommendation

_LAST_MONTH = frozenset({"last month", "this month", "past month"})
_WEEKS = re.compile(r"last (?:few|two|three|four|[234]) weeks")
_ALL_TIME = re.compile(r"(?:of )?all.time|(?:last|this|past) year|last decade|last \w{1,10} years")
_NAMED = re.compile(
    r"(?:please )?(?:is there|are there|find|look up|search for)(?: me)?(?: (?:an?|any|the))?"
    r"(?: (?P<kind>song|track|album|record))?(?P<called> (?:called|named|titled))? (?P<what>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_MARKS = " .?!\"'\u201c\u201d\u2018\u2019"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the model wants to look up: first it says `words`, then it calls.

    `count` is how many songs were asked for, if the question says so. `wish` is the playlist that
    is to be proposed in the end.
    """

    purpose: Purpose
    words: str
    calls: tuple[tuple[str, Mapping[str, Any]], ...]
    count: int | None = None
    wish: PlaylistWish | None = None


def plan(prompt: Prompt) -> Plan | None:
    """Return what this question calls for; None where the listening data are enough."""
    data = prompt.listening
    if data is None or "withheld" in data:
        return None
    listener = read_listener(data, prompt.asked_at)
    question = last_of(prompt.question)
    intents = understand(question, listener)
    planners: tuple[Callable[[], Plan | None], ...] = (
        lambda: _proposal(prompt, listener, intents),
        lambda: _named(question, intents),
        lambda: _new(prompt, listener, intents),
        lambda: _range(intents),
        lambda: _playlist(intents, data),
    )
    return next(filter(None, (planner() for planner in planners)), None)


def plan_any(prompt: Prompt) -> Plan:
    """Return a plan for whatever was asked: songs that may be new."""
    return _plan_songs(prompt, read_listener(prompt.listening or {}, prompt.asked_at))


def _proposal(prompt: Prompt, listener: Listener, intents: Sequence[Intent]) -> Plan | None:
    """A playlist to save, where the request has the tool that proposes it."""
    if all(each["name"] != PROPOSE for each in prompt.tools):
        return None
    question = last_of(prompt.question)
    wish = read_playlist_wish(question, intents, prompt.last_said, prompt.listening or {})
    if wish is None:
        return None
    calls = first_calls(wish, listener, prompt.said)
    said = "Let me look up songs for your playlist."
    return Plan("proposal", said, tuple(calls), wish.count, wish)


def _named(question: str, intents: Sequence[Intent]) -> Plan | None:
    """The item that the question names: "Is there a song called X by Y?"."""
    match = _NAMED.match(question.strip())
    title, _, who = match["what"].rpartition(" by ") if match else ("", "", "")
    title, who = title.strip(_MARKS), who.strip(_MARKS)
    wishes = any(intent.concepts & {Concept.NEW, Concept.RECOMMEND} for intent in intents)
    if match is None or not title or not who or (wishes and not match["called"]):
        return None
    album = (match["kind"] or "").lower() in ("album", "record")
    item = {"artist": who, "title": title, "kind": "album" if album else "track"}
    return Plan("named", "Let me look that up.", (("find_music", {"items": [item]}),))


def _new(prompt: Prompt, listener: Listener, intents: Sequence[Intent]) -> Plan | None:
    """Songs for a listener who asks for a recommendation."""
    intent = next(filter(_recommends, intents), None)
    return None if intent is None else _plan_songs(prompt, listener, intent)


def _recommends(intent: Intent) -> bool:
    if intent.kind == "recommend":  # of the listener's own artists the data can tell
        return not intent.names
    if intent.kind == "similar":
        return bool(intent.concepts & {Concept.NEW, Concept.RECOMMEND})
    return intent.kind == "new" or (
        intent.kind == "make_playlist" and Concept.NEW in intent.concepts
    )


def _plan_songs(prompt: Prompt, listener: Listener, intent: Intent | None = None) -> Plan:
    count = intent.count if intent else None
    named = [item for each in intent.names for item in each.items] if intent else []
    wish = Wish(
        count=min(max(count or 8, FEWEST), MOST),
        genres=genres_in(last_of(prompt.question)),
        years=intent.years if intent else None,
        like=tuple(_artists_of(named)),
        by=intent is not None and Concept.BY in intent.concepts and bool(_artists_of(named)),
        told=prompt.said,
    )
    songs = suggest_songs(listener, wish)
    kind = _kind_of(intent)
    items = [item_of(kind, who, title) for who, title in songs]
    items = [item for place, item in enumerate(items) if item not in items[:place]]
    items = items or [{"artist": name} for name in wish.like]  # whom the model does not know
    said = f"Let me look up some {NOUNS_OF[kind]}s that you may not know yet."
    return Plan("new", said, (("find_music", {"items": items}),), count)


def _kind_of(intent: Intent | None) -> Kind:
    """Return what is wished for: albums, artists, or songs where neither is named."""
    concepts = intent.concepts if intent and not intent.names else frozenset()
    if Concept.ALBUM in concepts:
        return "album"
    return "artist" if Concept.ARTIST in concepts else "track"


def _artists_of(items: Sequence[object]) -> list[str]:
    names = [item.name for item in items if isinstance(item, Artist)]
    return names + [
        credit.name for item in items if isinstance(item, Track) for credit in item.credits[:1]
    ]


def _range(intents: Sequence[Intent]) -> Plan | None:
    """The ranking of another time than that of the listening data."""
    for intent in intents:
        months = _range_of(intent)
        sections = [
            name
            for name, concept in (("top_artists", Concept.ARTIST), ("top_tracks", Concept.TRACK))
            if concept in intent.concepts
        ]
        others = intent.concepts & {Concept.GENRE, Concept.ALBUM, Concept.PLAYLIST, Concept.COMPARE}
        if intent.kind == "plays" and months and not intent.names and not others:
            wanted = sections or ["top_artists", "top_tracks"]
            calls = [("get_listening", {"section": name, "range": months}) for name in wanted]
            return Plan("range", "Let me look at that range.", tuple(calls), intent.count)
    return None


def _range_of(intent: Intent) -> str | None:
    words = intent.period.words if intent.period and intent.period.kind == "long" else ""
    if words in _LAST_MONTH or _WEEKS.fullmatch(words):
        return "short_term"
    return "long_term" if _ALL_TIME.fullmatch(words) else None


def _playlist(intents: Sequence[Intent], data: Mapping[str, Any]) -> Plan | None:
    """What is on one of the listener's own playlists, by its address where the data hold it."""
    uris = {each["name"]: each.get("uri") for each in data.get("playlists") or []}
    for intent in intents:
        if intent.kind not in ("item", "playlist_contents"):
            continue
        for item in [item for named in intent.names for item in named.items]:
            if isinstance(item, Playlist) and (uris.get(item.name) or item.owned):
                uri = uris.get(item.name)
                value = {"section": "playlist", **({"uri": uri} if uri else {"name": item.name})}
                said = "Let me look into that playlist."
                return Plan("playlist", said, (("get_listening", value),))
    return None
