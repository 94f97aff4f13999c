"""The model of the offline mode: it answers from the listening data alone, and says so.

Deterministic: the same data and the same question give the same answer. It names only what the data
or a search of Spotify's catalogue holds, so it cannot invent anything.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from lyra.chat.model.offline_discovery import SAID_BEFORE, Discovery, plan_discovery
from lyra.chat.model.port import Done, ModelStream, OnPiece, Prompt, ToolStart
from lyra.listening import models
from lyra.listening.identity import ArtistKeys, track_key
from lyra.listening.insights import hour
from lyra.listening.models import Listening
from lyra.responder import listener as known
from lyra.responder.respond import respond
from lyra.timezones import UTC_ZONE, Zone

NOTICE = "Offline mode: no language model is configured, so this comes straight from your data.\n\n"

VOICE = known.Voice(
    introduction="I am Lyra, without a language model: fixed rules count and list what Spotify says of you.",
    limits="Without a language model",
    privacy="No language model is connected, so this stays on the server that you talk to.",
)
_SECTIONS: tuple[tuple[models.SectionName, known.Section, str], ...] = (
    ("top_artists", "artists", "top artists"),
    ("top_tracks", "tracks", "top tracks"),
    ("recently_played", "plays", "last plays"),
    ("playlists", "playlists", "playlists"),
)


class OfflineModel:
    """Answers when no language model is configured."""

    name = "lyra-offline"
    offline = True

    @asynccontextmanager
    async def open(self, prompt: Prompt) -> AsyncIterator[ModelStream]:
        """See ChatModel.open."""
        listener = describe_listener(prompt.listening(), prompt.zone)
        question = prompt.turns[-1].last_message
        discovery = plan_discovery(question, listener) if prompt.tools else None
        if discovery is None:
            yield _OfflineStream(NOTICE + respond(question, listener, VOICE))
        elif not prompt.rounds:
            yield _OfflineStream(NOTICE + SAID_BEFORE, discovery)
        else:
            yield _OfflineStream(discovery.tell(prompt.rounds[0].results))


class _OfflineStream:
    """Streams a text word by word, each with the space before it; then come the calls of tools."""

    def __init__(self, text: str, discovery: Discovery | None = None) -> None:
        self._words = re.findall(r"\s*\S+|\s+$", text)
        self._discovery = discovery

    async def stream_to(self, on_piece: OnPiece) -> None:
        """See ModelStream.stream_to."""
        if any(map(on_piece, self._words)):
            return
        if self._discovery is None:
            on_piece(Done("stop"))
            return
        calls = self._discovery.calls()
        for call in calls:
            on_piece(ToolStart(call.name))
        on_piece(Done("other", calls=calls, blocks=self._discovery.blocks()))


def describe_listener(listening: Listening, zone: Zone = UTC_ZONE) -> known.Listener:
    """Return what the responder knows of this listener, by the clock of this zone."""
    plays = listening.section("recently_played")
    tracks = [*listening.top_tracks, *(play.track for play in listening.recently_played)]
    keys = ArtistKeys(listening.top_artists, tracks)
    return known.Listener(
        name=listening.profile.display_name,
        artists=tuple(
            known.Artist(each.name, keys.of_artist(each), each.genres or (), each.rank or place)
            for place, each in enumerate(listening.top_artists, 1)
        ),
        tracks=tuple(
            replace(_track(track, keys), rank=track.rank or place)
            for place, track in enumerate(listening.top_tracks, 1)
        ),
        plays=tuple(
            known.Play(_track(play.track, keys), hour(play, zone), _moment(play.played_at, zone))
            for play in listening.recently_played
        ),
        episodes=plays.episodes,
        unreadable_plays=plays.skipped - plays.episodes,
        playlists=tuple(map(_playlist, listening.playlists)),
        playlists_total=listening.section("playlists").total,
        genres=_genres(listening),
        genres_known_for=_genres_known_for(listening),
        read_at=zone.local(datetime.fromtimestamp(listening.fetched_at, UTC)),
        zone=zone,
        gaps=_gaps(listening),
    )


def _track(track: models.Track, keys: ArtistKeys) -> known.Track:
    credited = zip(track.artists, keys.of_track(track), strict=False)
    return known.Track(
        track.name,
        str(track_key(track)),
        credits=tuple(known.Credit(name, key) for name, key in credited),
        album=track.album,
        year=track.released,
        duration_s=None if track.duration_ms is None else track.duration_ms // 1000,
        explicit=track.explicit,
    )


def _moment(text: str | None, zone: Zone) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
        return zone.local(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def _playlist(playlist: models.Playlist) -> known.Playlist:
    return known.Playlist(
        playlist.name, playlist.total, playlist.owned, playlist.owner, playlist.description
    )


def _genres(listening: Listening) -> tuple[known.Genre, ...]:
    analysis = listening.genre_analysis
    return tuple(
        known.Genre(genre.name, None if analysis.thin else genre.share) for genre in analysis.genres
    )


def _genres_known_for(listening: Listening) -> str:
    analysis = listening.genre_analysis
    if not analysis.genres:
        return ""
    return f"known for {analysis.artists_known} of {analysis.artists_considered} artists"


def _gaps(listening: Listening) -> dict[known.Section, str]:
    """Return a sentence for every section that was not read; genres come with the artists."""
    gaps: dict[known.Section, str] = {}
    for name, section, words in _SECTIONS:
        outcome = listening.section(name)
        if outcome.status != "ok":
            gaps[section] = (
                f"I could not read your {words} from Spotify. {outcome.message or ''}".strip()
            )
    if "artists" in gaps and not listening.genre_analysis.genres:
        gaps["genres"] = f"{gaps['artists']} The genres come with them."
    return gaps
