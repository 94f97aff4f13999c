"""Details of a listening: read only when they are asked for, one page each.

A detail is a top list over another time range, or the tracks of a playlist of the listener's own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, TypeVar, cast

from lyra.listening.failure_policy import refusal
from lyra.listening.models import Artist, Kept, Listening, Track
from lyra.listening.page_trimming import trim_page
from lyra.listening.parse import (
    Parsed,
    read_artists,
    read_playlist_tracks,
    read_profile,
    read_tracks,
)
from lyra.loop_throttle import LoopThrottle
from lyra.spotify.endpoints import Endpoint, PlaylistEndpoint, playlist_id
from lyra.spotify.failures import MEANINGS, FailureCode, SpotifyFailure

T = TypeVar("T")
TopSection = Literal["top_artists", "top_tracks"]
TimeRange = Literal["short_term", "medium_term", "long_term"]
DetailRefusal = Literal["unknown_playlist", "not_own_playlist"]


@dataclass(frozen=True, slots=True)
class TopItems:
    """One of the top lists, over about 4 weeks, 6 months or a year."""

    section: TopSection
    time_range: TimeRange

    @property
    def name(self) -> str:
        """What this detail is called among those of its listener."""
        return f"{self.section} {self.time_range}"


@dataclass(frozen=True, slots=True)
class PlaylistTracks:
    """The tracks of the playlist at this address (`spotify:playlist:...`)."""

    uri: str

    @property
    def name(self) -> str:
        """What this detail is called among those of its listener."""
        return self.uri


WantedDetail = TopItems | PlaylistTracks


class Detail(Kept, frozen=True):
    """Artists or tracks in Spotify's order, fifty at most, read at `fetched_at` (seconds since the epoch).

    Of the rows that Spotify sent, `skipped` are left out: empty, nameless or unreadable ones, and of
    a playlist the `episodes` and `local_files` too. `total` is how many a playlist has at Spotify.
    """

    artists: tuple[Artist, ...] = ()
    tracks: tuple[Track, ...] = ()
    skipped: int = 0
    episodes: int = 0
    local_files: int = 0
    total: int | None = None
    fetched_at: float = 0.0


class DetailRefusedError(Exception):
    """This detail is not read; `reason` says why: it is not in the data, or not the listener's own."""

    def __init__(self, reason: DetailRefusal) -> None:
        super().__init__(reason.replace("_", " "))
        self.reason = reason


class ReadsDetails(Protocol):
    """Reads endpoints of one listener, also with a query and with a playlist's id in the path."""

    @property
    def calls(self) -> int: ...

    async def get(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], T],
        params: Mapping[str, str] | None = None,
        *,
        playlist: str | None = None,
    ) -> T:
        """Return what `parse` makes of the body, or raise SpotifyFailure. Ends in bounded time."""
        ...


def take_detail(listening: Listening, wanted: WantedDetail) -> Detail | None:
    """Return the detail if the listening itself holds it; None: it may be fetched.

    Raises:
        DetailRefusedError: it is a playlist that the data do not hold as the listener's own.
        SpotifyFailure: the listening should hold it, but Spotify did not give that section.
    """
    if isinstance(wanted, PlaylistTracks):
        _check_playlist(listening, wanted.uri)
        return None
    if wanted.time_range != "medium_term":
        return None
    section = listening.section(wanted.section)
    if section.status != "ok":
        known = section.code in MEANINGS
        raise SpotifyFailure(cast(FailureCode, section.code) if known else "unexpected_status")
    return Detail(
        artists=listening.top_artists if wanted.section == "top_artists" else (),
        tracks=listening.top_tracks if wanted.section == "top_tracks" else (),
        skipped=section.skipped,
        fetched_at=listening.fetched_at,
    )


async def fetch_detail(
    reader: ReadsDetails,
    wanted: WantedDetail,
    *,
    regime: str,
    now: float,
    throttle: LoopThrottle | None = None,
) -> Detail:
    """Return the detail as Spotify has it now: one call, and a second one in two cases.

    An app from before 2026 (see `Listening.regime`) may have to ask for a playlist under its old
    path. A refusal that may be about the token itself is left to /me to judge.

    Raises:
        SpotifyFailure: Spotify does not give this detail.
        SpotifyTokenRejectedError: /me, and so the token, was refused.
        SpotifyForbiddenError: the listener or the app's owner is in the way.
    """
    read = partial(_read, reader, wanted, now=now, throttle=throttle or LoopThrottle())
    try:
        return await read(old_path=False)
    except SpotifyFailure as caught:
        failure = caught
    if _may_have_moved(wanted, failure, regime):
        try:
            return await read(old_path=True)
        except SpotifyFailure as caught:
            failure = caught
    if refusal({"profile": failure}):
        await _judge_token(reader)
    raise failure.with_traceback(None)


def _check_playlist(listening: Listening, uri: str) -> None:
    held = next((each for each in listening.playlists if each.uri == uri), None)
    if held is None or playlist_id(uri) is None:
        raise DetailRefusedError("unknown_playlist")
    if not held.owned:
        raise DetailRefusedError("not_own_playlist")


def _may_have_moved(wanted: WantedDetail, failure: SpotifyFailure, regime: str) -> bool:
    gone = failure.code in ("not_found", "forbidden")
    return isinstance(wanted, PlaylistTracks) and gone and regime != "restricted"


async def _judge_token(reader: ReadsDetails) -> None:
    """Ask /me whether the token is accepted.

    Raises:
        LyraError: it is not; a fault of /me itself says nothing.
    """
    try:
        await reader.get("profile", read_profile)
    except SpotifyFailure as caught:
        refused = refusal({"profile": caught})
    else:
        return
    if refused:
        raise refused


async def _read(
    reader: ReadsDetails,
    wanted: WantedDetail,
    *,
    old_path: bool,
    now: float,
    throttle: LoopThrottle,
) -> Detail:
    if isinstance(wanted, PlaylistTracks):
        endpoint: PlaylistEndpoint = "playlist_tracks" if old_path else "playlist_items"
        identifier = playlist_id(wanted.uri)
        tracks = await trim_page(
            await reader.get(endpoint, read_playlist_tracks, playlist=identifier), throttle
        )
        return _make_detail(tracks, now, tracks=tracks.items, total=tracks.total)
    params = {"time_range": wanted.time_range}
    if wanted.section == "top_artists":
        artists = await trim_page(await reader.get(wanted.section, read_artists, params), throttle)
        return _make_detail(artists, now, artists=artists.items)
    tracks = await trim_page(await reader.get(wanted.section, read_tracks, params), throttle)
    return _make_detail(tracks, now, tracks=tracks.items)


def _make_detail(
    parsed: Parsed[T],
    now: float,
    *,
    artists: tuple[Artist, ...] = (),
    tracks: tuple[Track, ...] = (),
    total: int | None = None,
) -> Detail:
    return Detail(
        artists=artists,
        tracks=tracks,
        skipped=parsed.skipped,
        episodes=parsed.episodes,
        local_files=parsed.local_files,
        total=total,
        fetched_at=now,
    )
