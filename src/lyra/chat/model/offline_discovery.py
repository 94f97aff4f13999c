"""Music that the listener may not know, without a language model: more by artists whom they play.

The searches are calls of the tool `search_catalogue`, as a language model would make them; what is
said of the results is what they hold.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import msgspec

from lyra.catalogue.editions import take_apart
from lyra.catalogue.folding import fold_artist
from lyra.catalogue.items import Wanted
from lyra.catalogue.queries import query_artist
from lyra.chat.model.port import Block, ToolCall, ToolResult
from lyra.responder.intents import Intent, understand
from lyra.responder.listener import Artist, Listener
from lyra.responder.vocabulary import Concept
from lyra.responder.wording import bullets, enumerate_

TOOL = "search_catalogue"
SAID_BEFORE = (
    "What is new is not in them: I look in Spotify's catalogue for more by artists whom you play."
)
_ARTISTS, _SONGS, _MOST = 3, 6, 12


class _Found(msgspec.Struct):
    name: str
    artists: list[str]
    album: str | None = None
    year: int | None = None
    known: dict[str, Any] | None = None


class _Result(msgspec.Struct):
    items: list[_Found]


@dataclass(frozen=True, slots=True)
class Discovery:
    """What is to be found: this many songs by these artists, the listener's own."""

    artists: tuple[str, ...]
    count: int
    gaps: tuple[str, ...] = ()  # sentences on lists that could not be read

    def calls(self) -> tuple[ToolCall, ...]:
        """Return the searches: one for each artist."""
        queries = [query_artist(Wanted("track", name)) for name in self.artists]
        return tuple(
            ToolCall(number, f"toolu_{number}", TOOL, {"query": query.words, "kind": query.kind})
            for number, query in enumerate(queries)
        )

    def blocks(self) -> tuple[Block, ...]:
        """Return the same as the blocks of a turn."""
        return tuple(
            {"type": "tool_use", "id": call.call_id, "name": call.name, "input": call.arguments}
            for call in self.calls()
        )

    def tell(self, results: Sequence[ToolResult]) -> str:
        """Return the songs of these results that are new, or why there are none."""
        names = enumerate_(list(self.artists))
        failed = next((each.content for each in results if each.failed), "")
        by_artist = [
            list(_new_songs(result, artist))
            for artist, result in zip(self.artists, results, strict=False)
        ]
        in_turn = [song for songs in zip_longest(*by_artist) for song in songs if song is not None]
        if not in_turn:
            nothing = f"I have found nothing by {names} that your lists do not hold already."
            return " ".join(filter(None, (nothing, failed, *self.gaps)))
        opening = "These are by artists whom you play, and in none of the lists that I have read:"
        answer = f"{opening}\n{bullets(in_turn[: self.count])}"
        return "\n\n".join([answer, *self.gaps])


def plan_discovery(question: str, listener: Listener) -> Discovery | None:
    """Return what to look for; None for a question that the listener's own data answer."""
    intent = next(filter(_wants_new, understand(question, listener)), None)
    if intent is None:
        return None
    named = [item.name for each in intent.names for item in each.items if isinstance(item, Artist)]
    artists = named or [artist.name for artist in listener.artists]
    if not artists:
        return None
    gaps = tuple([listener.gaps[name] for name in ("tracks", "plays") if name in listener.gaps])
    return Discovery(tuple(artists[:_ARTISTS]), min(intent.count or _SONGS, _MOST), gaps)


def _wants_new(intent: Intent) -> bool:
    if intent.kind == "recommend":
        return not intent.names
    return intent.kind == "new" or (
        intent.kind == "make_playlist" and Concept.NEW in intent.concepts
    )


def _new_songs(result: ToolResult, artist: str) -> Iterator[str]:
    """Yield what a search has found by this very artist that is new, each song once."""
    if result.failed:
        return
    songs: set[str] = set()
    for found in msgspec.json.decode(result.content, type=_Result).items:
        title = take_apart(found.name)
        by = {fold_artist(name) for name in found.artists}
        again = title.song in songs or title.performances or title.imitated
        if found.known is None and fold_artist(artist) in by and not again:
            songs.add(title.song)
            yield _say(found)


def _say(found: _Found) -> str:
    about = ", ".join(filter(None, (found.album, str(found.year or ""))))
    return f"**{found.name}** \u2013 {enumerate_(found.artists)}{f' ({about})' if about else ''}"
