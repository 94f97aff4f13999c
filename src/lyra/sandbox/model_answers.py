"""The sandbox model's words: a few sentences about the listening data, chosen by keywords.

The same question about the same data always gets the same answer.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lyra.sandbox.model_pointed import pointed

Data = Mapping[str, Any]

_TOLD_NOTHING = (
    "I was told nothing about what you listen to, so I can only speak in general. "
    "Connect your listening data and ask me again."
)
_PIECE = re.compile(r"\s*\S+|\s+\Z")  # without the second, blanks at the end take their square
_OTHER_KEYS = {"recently_played": ("recent_plays",), "genres": ("genre_analysis",)}


@dataclass(frozen=True, slots=True)
class _Topic:
    """`section` holds what the topic speaks of; empty for none in particular."""

    keywords: tuple[str, ...]
    section: str
    speak: Callable[[Data], str]


def answer(question: str, data: Data | None) -> str:
    """A few sentences or lines; every name in them is in the data."""
    if data is None:
        return _TOLD_NOTHING
    if isinstance(data.get("withheld"), str):
        return f"I know nothing of your listening. {data['withheld']}"
    if said := pointed(question, data):
        return said
    words = question.casefold()
    for topic in _TOPICS:
        if any(re.search(rf"\b{keyword}", words) for keyword in topic.keywords):
            return _gap(topic, data) or topic.speak(data)
    return _overview(data)


def _gap(topic: "_Topic", data: Data) -> str:
    """What stands in the way of an answer; empty where nothing does."""
    missing = data.get("missing")
    if isinstance(missing, Mapping) and topic.section in missing:
        return f"I could not read your {topic.section.replace('_', ' ')} from Spotify this time."
    keys = (topic.section, *_OTHER_KEYS.get(topic.section, ()))
    if topic.section and not any(key in data for key in keys):
        return f"I was not told that. {_overview(data)}"
    return ""


def pieces(text: str) -> list[str]:
    """The text in pieces of a word each, which joined give the text again."""
    return _PIECE.findall(text)


def names(data: Data, section: str) -> list[str]:
    """The names in a section, whether it holds strings, objects or objects by time range."""
    keys = (section, *_OTHER_KEYS.get(section, ()))
    found = next((data[key] for key in keys if data.get(key)), None)
    if isinstance(found, Mapping):
        found = found.get("medium_term") or found.get("genres")
    if not isinstance(found, list):
        return []
    return [name for name in map(_name, found) if name]


def _name(item: object) -> str:
    """`Title by Artist` for a track, the name alone for all else, empty where there is none."""
    if isinstance(item, str):
        return item
    if not isinstance(item, Mapping):
        return ""
    if isinstance(item.get("track"), Mapping):
        return _name(item["track"])
    artists = item.get("artists", item.get("artist"))
    by = _name(artists[0]) if isinstance(artists, list) and artists else _name(artists)
    name = item.get("name") or item.get("track") or ""
    return f"{name} by {by}" if name and by else str(name)


def _artists(data: Data) -> str:
    found = names(data, "top_artists")
    if not found:
        return "I see no top artists of yours yet. Play some more, and they will show up."
    rest = f" After that come {_listed(found[1:5])}." if found[1:] else ""
    return f"Your top artist of the last months is {found[0]}.{rest}"


def _tracks(data: Data) -> str:
    found = names(data, "top_tracks")
    if not found:
        return "I see no top tracks of yours yet. Play some more, and they will show up."
    rest = f" You also return to {_listed(found[1:4])}." if found[1:] else ""
    return f"The track you return to most is {found[0]}.{rest}"


def _genres(data: Data) -> str:
    found = names(data, "genres")
    if not found:
        artists = _listed(names(data, "top_artists")[:3])
        hint = f" Your top artists are {artists}, if that helps." if artists else ""
        return f"No genre data is available for your artists.{hint}"
    return f"You listen mostly to {_listed(found[:3])}. I know {len(found)} genres of yours."


def _recent(data: Data) -> str:
    found = list(dict.fromkeys(names(data, "recently_played")))
    if not found:
        return "I see no recent plays of yours."
    rest = f" Before that you heard {_listed(found[1:4])}." if found[1:] else ""
    return f"The latest play that I see is {found[0]}.{rest}"


def _playlists(data: Data) -> str:
    found = names(data, "playlists")
    if not found:
        return "I see no playlists of yours."
    return f"I see {len(found)} of your playlists. Among them are {_listed(list(dict.fromkeys(found))[:4])}."


def _recommend(data: Data) -> str:
    """Well loved tracks that were not played lately: nothing has to be invented."""
    recent = set(names(data, "recently_played"))
    found = [name for name in names(data, "top_tracks") if name not in recent]
    found = found or names(data, "top_tracks") or names(data, "top_artists")
    if not found:
        return "I know too little of your listening to suggest anything yet."
    return (
        f"Try {_listed(found[:3])}. You play a lot of this, though not lately. "
        "Shall I look in another direction?"
    )


def _hello(data: Data) -> str:
    found = _listed(names(data, "top_artists")[:2])
    known = f" I see that you like {found}." if found else ""
    return f"Hello!{known} Ask me about your artists, tracks, genres, recent plays or playlists."


def _overview(data: Data) -> str:
    summary = data.get("summary")
    if isinstance(summary, str) and summary.strip():
        return f"Here is what I know. {summary.strip()}"
    return _hello(data)


def _listed(items: list[str]) -> str:
    if not items[1:]:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


# The first topic with a word of the question wins: the narrow ones come first.
_TOPICS = (
    _Topic(("recommend", "suggest", "should i", "what next"), "top_tracks", _recommend),
    _Topic(("playlist",), "playlists", _playlists),
    _Topic(("genre", "style", "kind of music"), "genres", _genres),
    _Topic(("recent", "last", "lately", "just", "today", "yesterday"), "recently_played", _recent),
    _Topic(("artist", "band", "singer", "who "), "top_artists", _artists),
    _Topic(("track", "song", "tune"), "top_tracks", _tracks),
    _Topic(("hello", "hi\\b", "hey", "good morning", "good evening"), "", _hello),
)
