"""The model of the offline mode: it answers from the listening data alone, and says so.

Deterministic: the same data and the same question give the same answer. It names only what the data
holds, so it cannot invent anything.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from lyra.chat.model.port import Done, ModelStream, OnPiece, Prompt
from lyra.listening.models import Listening, Section, Track

NOTICE = "Offline mode: no language model is configured, so this comes straight from your data.\n\n"
_MAX_LISTED = 5

_Reply = Callable[[Listening], str]


class OfflineModel:
    """Answers when no language model is configured."""

    name = "lyra-offline"
    offline = True

    @asynccontextmanager
    async def open(self, prompt: Prompt) -> AsyncIterator[ModelStream]:
        """See ChatModel.open."""
        reply = _choose_reply(prompt.turns[-1].text)
        yield _OfflineStream(NOTICE + reply(prompt.listening()))


class _OfflineStream:
    """Streams a text word by word, each with the space before it."""

    def __init__(self, text: str) -> None:
        self._words = re.findall(r"\s*\S+|\s+$", text)

    async def stream_to(self, on_piece: OnPiece) -> None:
        """See ModelStream.stream_to."""
        if not any(map(on_piece, self._words)):
            on_piece(Done("stop"))


def _choose_reply(question: str) -> _Reply:
    folded = question.casefold()
    for keywords, reply in _REPLIES:
        if any(keyword in folded for keyword in keywords):
            return reply
    return _help


def _list_artists(listening: Listening) -> str:
    names = [artist.name for artist in listening.top_artists[:_MAX_LISTED]]
    return _make_list(
        listening, "top_artists", "Your top artists of about six months, in order", names
    )


def _list_tracks(listening: Listening) -> str:
    names = [_format_track(track) for track in listening.top_tracks[:_MAX_LISTED]]
    return _make_list(
        listening, "top_tracks", "Your top tracks of about six months, in order", names
    )


def _list_recent(listening: Listening) -> str:
    names = [_format_track(play.track) for play in listening.recently_played[:_MAX_LISTED]]
    return _make_list(listening, "recently_played", "Your latest plays, newest first", names)


def _list_playlists(listening: Listening) -> str:
    names = [playlist.name for playlist in listening.playlists[:_MAX_LISTED]]
    return _make_list(
        listening, "playlists", f"The first of your {len(listening.playlists)} playlists", names
    )


def _list_genres(listening: Listening) -> str:
    analysis = listening.genre_analysis
    if not analysis.genres:
        return "Spotify sent no genres for your artists, so I cannot say which you prefer."
    shares = [f"{genre.name} ({genre.share:.0%})" for genre in analysis.genres[:_MAX_LISTED]]
    known = f"{analysis.artists_known} of {analysis.artists_considered} artists have one"
    return f"Your genres, by share ({known}):\n" + _join_bullets(shares)


def _recommend(listening: Listening) -> str:
    """Recommend old favourites: top tracks that are not among the latest plays."""
    recent = {(play.track.name, play.track.artists) for play in listening.recently_played}
    forgotten = [
        track for track in listening.top_tracks if (track.name, track.artists) not in recent
    ]
    names = [_format_track(track) for track in forgotten[:_MAX_LISTED]]
    return _make_list(
        listening, "top_tracks", "Among your favourites, but not in your latest plays", names
    )


def _help(listening: Listening) -> str:
    hint = "Ask me about your artists, tracks, genres, recent plays, playlists or what to play."
    return f"{listening.summary}\n\n{hint}"


_REPLIES: tuple[tuple[tuple[str, ...], _Reply], ...] = (
    (("recommend", "suggest", "should i play", "what to play", "forgotten"), _recommend),
    (("genre", "style", "kind of music"), _list_genres),
    (("recent", "lately", "last ", "latest", "today"), _list_recent),
    (("playlist",), _list_playlists),
    (("artist", "band", "singer", "who "), _list_artists),
    (("track", "song", "title"), _list_tracks),
)


def _format_track(track: Track) -> str:
    return f"{track.name} by {', '.join(track.artists)}" if track.artists else track.name


def _make_list(listening: Listening, section: str, heading: str, names: list[str]) -> str:
    if names:
        return f"{heading}:\n{_join_bullets(names)}"
    return _explain_empty(next((s for s in listening.sections if s.name == section), None))


def _explain_empty(section: Section | None) -> str:
    if section is None or section.status == "ok":
        return "Spotify has nothing to tell about that for your account yet."
    return f"I could not read that from Spotify. {section.message or ''}".strip()


def _join_bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
