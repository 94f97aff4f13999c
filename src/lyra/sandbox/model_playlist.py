"""A playlist that the sandbox model is asked for: what to look up, what to propose, what to say of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lyra.responder.intents import Intent
from lyra.responder.listener import Artist, Listener, Playlist, Track
from lyra.responder.vocabulary import Concept
from lyra.responder.wording import count as counted
from lyra.sandbox.model_conversation import Called
from lyra.sandbox.model_findings import Find, finds_in, item_in, listings_in
from lyra.sandbox.model_music import Wish, genres_in, suggest_songs

PROPOSE, FIND = "propose_playlist", "find_music"
LOOK_UPS = 2  # calls of find_music in one answer
MOST = 10  # songs in each of them

_MOST_URIS, _MOST_MINUTES = 100, 600
_SPARE = 2  # songs that may turn out to be known, or not to exist
_SONG_S = 200  # rather less than a song lasts, so that there are enough
_USUAL = 10  # songs, where no length is asked for
_OF_THE_OWN = 20  # likewise, of what the listener plays most

_MADE = r"(?:playlist|mixtape)\b"
_QUESTION = re.compile(r"(?:how|what|what's|which|why|when|where|who)\b", re.IGNORECASE)
_ASKS = re.compile(
    r"\b(?:make|create|build|compile|compose|generate|put together|assemble|curate|propose|give me|"
    rf"i want|i need|i(?: woul|')d like)\b[^.?!]{{0,80}}\b{_MADE}"
    rf"|\A(?:please,? )?(?:an? |new |[0-9])[^.?!]{{0,40}}\b{_MADE} (?:of|with|for|from|by)\b",
    re.IGNORECASE,
)
_KEEPS = re.compile(
    rf"\b(?:put|turn|save|keep|make)\b[^.?!]{{0,40}}\b(?:these|those|them|that|it)\b[^.?!]{{0,40}}\b{_MADE}"
    rf"|\b{_MADE} (?:of|with|from) (?:these|those|them|that)\b",
    re.IGNORECASE,
)
_EXTENDS = re.compile(
    rf"\b(?:add|put)\b(?! on\b)[^.?!]{{0,80}}\b(?:to|on|onto|into)\b[^.?!]{{0,40}}\b{_MADE}",
    re.IGNORECASE,
)
_NEW = re.compile(
    r"\bnew\b(?! (?:playlist|mixtape))|\b(?:don.?t|do not) know|\bunknown\b|\bdiscover"
    r"|\bnever heard|\bhaven.?t heard",
    re.IGNORECASE,
)
_OWN = re.compile(
    r"\bmy (?:\w+ ){0,2}(?:top|favou?rites?|most played)\b|\bi (?:already )?(?:know|love|like)\b",
    re.IGNORECASE,
)
_CALLED = re.compile(
    r"\b(?:called|named|titled) [\"'\u201c]?([^\"'\u201d.?!]{1,60})", re.IGNORECASE
)
_SONGS = re.compile(
    r"\b([0-9]{1,3}) (?:[\w'-]{1,20} ){0,3}?(?:songs?|tracks?|tunes?)\b", re.IGNORECASE
)
_MINUTES = re.compile(r"\b([0-9]{1,3})[ -]?min(?:ute)?s?\b", re.IGNORECASE)
_HOURS = re.compile(r"\b([0-9]{1,2}|an|one|two|three)[ -]hours?\b", re.IGNORECASE)
_HALF_HOUR = re.compile(r"\bhalf[ -](?:an[ -])?hour\b", re.IGNORECASE)
_NUMBERS = {"an": 1, "one": 1, "two": 2, "three": 3}
_TOLD = re.compile(
    r"^\s*(?:[-*]|[0-9]+\.) \*\*(.{1,200}?)\*\* \u2013 ([^:\n]{1,200})", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class PlaylistWish:
    """The playlist that is asked for: of songs as `music` says, or of those that were `told` before.

    `playlist` is the listener's own playlist that they are to be added to. Without `music` and
    `told` it is of what the listener plays most.
    """

    name: str
    count: int | None = None
    minutes: int | None = None
    only_new: bool = False
    playlist: str | None = None
    music: Wish | None = None
    told: tuple[tuple[str, str], ...] = ()

    @property
    def enough(self) -> int:
        """How many songs it takes, as far as that is known beforehand."""
        if self.count is not None:
            return self.count
        return _USUAL if self.minutes is None else -(-self.minutes * 60 // _SONG_S)

    @property
    def most(self) -> int:
        """How many songs to propose of those that are there; the length is the service's to keep."""
        read = not (self.music or self.told or self.minutes)
        return (self.count or _OF_THE_OWN) if read else _MOST_URIS


def read_playlist_wish(
    question: str, intents: Sequence[Intent], said: str, data: Mapping[str, Any]
) -> PlaylistWish | None:
    """Return what playlist is asked for, None where none is; `said` is the assistant's last message."""
    extended = _extended(question, intents, data)
    keeps = bool(_KEEPS.search(question))
    asks = not _QUESTION.match(question.strip()) and bool(_ASKS.search(question))
    if not (extended or keeps or asks):
        return None
    only_new = bool(_NEW.search(question))
    wish = PlaylistWish(
        name="",
        count=_first(_SONGS, question, _MOST_URIS),
        minutes=_minutes(question),
        only_new=only_new,
        playlist=extended,
    )
    if keeps and (told := _songs_told(said)):
        wish = replace(wish, told=told[:MOST])
    elif only_new or not _OWN.search(question):
        wish = replace(wish, music=_music(question, intents))
    return replace(wish, name=_name(question, wish))


def first_calls(wish: PlaylistWish, listener: Listener, said: str) -> list[tuple[str, Any]]:
    """Return the calls that find the songs; `said` is all that was named before."""
    if wish.told:
        items = [{"artist": who, "title": title, "kind": "track"} for title, who in wish.told]
        return [(FIND, {"items": items})]
    if wish.music is None:
        return [("get_listening", {"section": "top_tracks", "range": "long_term"})]
    return _look_up(wish.music, listener, wish.enough + _SPARE, said)


def next_calls(
    wish: PlaylistWish, listener: Listener, rounds: Sequence[Sequence[Called]], said: str
) -> list[tuple[str, Any]]:
    """Return the calls that go on from these: a second look-up, or the proposal; none at its end."""
    calls = [call for each in rounds for call in each]
    if any(call.name == PROPOSE for call in calls):
        return []
    tracks = _usable(wish, calls)
    if wish.music and not _suffice(wish, tracks) and _may_look_up(calls):
        named = [str(find.get("asked", {}).get("title")) for find in finds_in(calls)]
        missing = max(wish.enough - len(tracks), 0) + _SPARE
        if more := _look_up(wish.music, listener, missing, "\n".join([said, *named])):
            return more
    return [(PROPOSE, proposal_of(wish, [*tracks][: wish.most]))] if tracks else []


def proposal_of(wish: PlaylistWish, uris: Sequence[str]) -> dict[str, Any]:
    """Return the input of the call that proposes these tracks."""
    about = {"playlist": wish.playlist} if wish.playlist else {"name": wish.name}
    asked = {"count": wish.count, "minutes": wish.minutes, "only_new": wish.only_new or None}
    return {**about, "uris": [*uris], **{key: each for key, each in asked.items() if each}}


def tell_proposal(calls: Sequence[Called]) -> str | None:
    """Return what is said of the proposal in these calls; None where there is none."""
    made = [call for call in calls if call.name == PROPOSE and isinstance(call.result, Mapping)]
    result = made[-1].result if made else {}
    proposed = result.get("proposed")
    if not isinstance(proposed, Mapping):
        return None
    name = f"\u201c{proposed.get('name')}\u201d"
    what = f"more for {name}" if made[-1].input.get("playlist") else name
    length = counted(int(proposed.get("count") or 0), "song")
    if minutes := proposed.get("minutes"):
        length += f", {counted(int(minutes), 'minute')}"
    notes = [note for note in result.get("notes") or () if isinstance(note, str)]
    told = (
        f"I have put {what} together: {length}. The list is below; it is up to you whether to save it, "
        "and nothing is saved yet."
    )
    return " ".join([told, *notes])


def _look_up(music: Wish, listener: Listener, count: int, told: str) -> list[tuple[str, Any]]:
    songs = suggest_songs(listener, replace(music, count=min(count, MOST), told=told))
    items = [{"artist": who, "title": title, "kind": "track"} for who, title in songs]
    return [(FIND, {"items": items})] if items else []


def _may_look_up(calls: Sequence[Called]) -> bool:
    """Whether there is a look-up left: none was refused, and there were not two yet."""
    looked = [call for call in calls if call.name == FIND]
    refused = any(find.get("reason") not in (None, "not_found") for find in finds_in(looked))
    return len(looked) < LOOK_UPS and not refused and all(each.result for each in looked)


def _usable(wish: PlaylistWish, calls: Sequence[Called]) -> dict[str, int | None]:
    """Return the tracks that were found, by address, with their milliseconds where they are known."""
    tracks: dict[str, int | None] = {}
    for item in _found(finds_in(calls), only_new=wish.only_new):
        tracks[str(item["uri"])] = item.get("duration_ms")
    for listing in listings_in(calls):
        rows = [row for row in listing["rows"] if isinstance(row, Mapping)]
        tracks.update({row["uri"]: None for row in rows if isinstance(row.get("uri"), str)})
    return tracks


def _found(finds: Sequence[Find], *, only_new: bool) -> Iterator[Mapping[str, Any]]:
    for find in finds:
        item = item_in(find)
        if item is not None and item.get("uri") and not (only_new and find.get("known")):
            yield item


def _suffice(wish: PlaylistWish, tracks: Mapping[str, int | None]) -> bool:
    lengths = [each for each in tracks.values() if each]
    if wish.minutes and len(lengths) == len(tracks):
        long_enough = sum(lengths) >= wish.minutes * 60_000
        return long_enough and len(tracks) >= (wish.count or 0)
    return len(tracks) >= wish.enough


def _extended(question: str, intents: Sequence[Intent], data: Mapping[str, Any]) -> str | None:
    """Return the own playlist that songs are to be added to: its address, else its name."""
    if not _EXTENDS.search(question):
        return None
    named = [item for intent in intents for each in intent.names for item in each.items]
    own = next((item for item in named if isinstance(item, Playlist) and item.owned), None)
    if own is None:
        return None
    uris = {each["name"]: each.get("uri") for each in data.get("playlists") or []}
    return uris.get(own.name) or own.name


def _music(question: str, intents: Sequence[Intent]) -> Wish:
    intent = next((each for each in intents if each.names or each.years), intents[0])
    named = [item for each in intent.names for item in each.items]
    like = [item.name for item in named if isinstance(item, Artist)]
    like += [item.credits[0].name for item in named if isinstance(item, Track) and item.credits]
    return Wish(
        count=_USUAL,
        genres=genres_in(question.replace("-", " ")),
        years=intent.years,
        like=tuple(like),
        by=Concept.BY in intent.concepts and bool(like),
        sure=True,
    )


def _songs_told(said: str) -> tuple[tuple[str, str], ...]:
    """Return title and first artist of the songs that a message lists."""
    return tuple((title, re.split(r", | and ", who)[0]) for title, who in _TOLD.findall(said))


def _name(question: str, wish: PlaylistWish) -> str:
    if called := _CALLED.search(question):
        return called[1].strip()
    if wish.music is None:
        return "From our chat" if wish.told else "Played most"
    genres = " ".join(sorted(wish.music.genres)[:1])
    songs = " ".join(filter(None, ("new" if wish.only_new else "", genres, "songs")))
    by = f" by {wish.music.like[0]}" if wish.music.by else ""
    return f"{songs[0].upper()}{songs[1:]}{by}"


def _minutes(question: str) -> int | None:
    if _HALF_HOUR.search(question):
        return 30
    if hours := _HOURS.search(question):
        number = hours[1].lower()
        return min(60 * (_NUMBERS.get(number) or int(number)), _MOST_MINUTES) or None
    return _first(_MINUTES, question, _MOST_MINUTES)


def _first(pattern: re.Pattern[str], question: str, most: int) -> int | None:
    match = pattern.search(question)
    return min(int(match[1]), most) or None if match else None
