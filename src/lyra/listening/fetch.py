"""Fetch one listener: five calls at the same time, each with an outcome of its own."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from msgspec.structs import replace

from lyra.errors import LyraError
from lyra.listening.failure_policy import refusal
from lyra.listening.genres import analyse_genres
from lyra.listening.models import (
    Artist,
    Listening,
    Play,
    Playlist,
    Profile,
    Section,
    SectionName,
    Track,
)
from lyra.listening.page_trimming import trim_page
from lyra.listening.parse import (
    ListedPlaylist,
    Page,
    Parsed,
    Regime,
    read_artists,
    read_playlists,
    read_plays,
    read_profile,
    read_tracks,
)
from lyra.listening.scopes import advice
from lyra.listening.summary import summarise
from lyra.loop_throttle import LoopThrottle
from lyra.spotify.failures import SpotifyFailure

T = TypeVar("T")
Report = Callable[[Section], None]


class ReadsSpotify(Protocol):
    """Reads the endpoints of one listener; `calls` counts the requests it has made so far."""

    @property
    def calls(self) -> int: ...

    async def get(self, endpoint: SectionName, parse: Callable[[bytes], T]) -> T:
        """Return what `parse` makes of the body, or raise SpotifyFailure. Ends in bounded time."""
        ...


@dataclass(frozen=True, slots=True)
class _SectionOutcome(Generic[T]):
    section: Section
    parsed: Parsed[T]
    failure: SpotifyFailure | None = None


async def fetch_listening(
    reader: ReadsSpotify,
    *,
    now: float,
    report: Report,
    held: Listening | None = None,
    throttle: LoopThrottle | None = None,
) -> Listening:
    """Return what Spotify has of this listener; a part of it is an answer too.

    `now` is seconds since the epoch. `report` is called once for each section as it ends. With
    `held`, only its gaps that may be filled by now are fetched. Heavy steps go through `throttle`.

    If one of the gaps fails in a way that would settle the whole fetch if /me did, /me is read
    after all.

    Raises:
        SpotifyTokenRejectedError: /me, and so the token, was refused.
        SpotifyForbiddenError: the listener, the app's owner or every scope is in the way.
        TryLaterError: no section could be read, for reasons that pass.
    """
    throttle = throttle or LoopThrottle()
    fetcher = _SectionFetcher(reader, report, held, throttle)
    try:
        async with asyncio.TaskGroup() as group:
            profile = group.create_task(fetcher.fetch_profile())
            artists = group.create_task(
                fetcher.fetch("top_artists", read_artists, lambda held: held.top_artists)
            )
            tracks = group.create_task(
                fetcher.fetch("top_tracks", read_tracks, lambda held: held.top_tracks)
            )
            plays = group.create_task(
                fetcher.fetch("recently_played", read_plays, lambda held: held.recently_played)
            )
            playlists = group.create_task(
                fetcher.fetch("playlists", read_playlists, _list_held_playlists)
            )
            # Here and not at the block's end: there Python 3.11 leaves this task marked as cancelled
            # when a child fails, and a later timeout could not be told from a cancellation.
            await asyncio.wait((profile, artists, tracks, plays, playlists))
    except ExceptionGroup as ended:
        failure = _first_failure(ended)
    else:
        rest = (artists.result(), tracks.result(), plays.result(), playlists.result())
        outcome = await fetcher.recheck_profile(profile.result(), [each.failure for each in rest])
        await throttle.slice()
        return _assemble(outcome, *rest, now=now)
    raise failure  # here and not in the block above, so that no context hangs on it


class _SectionFetcher:
    """Fetches a section, unless it is held and no gap that may pass."""

    def __init__(
        self, reader: ReadsSpotify, report: Report, held: Listening | None, throttle: LoopThrottle
    ) -> None:
        self._reader = reader
        self._throttle = throttle
        self._report = report
        self._held = held
        sections = held.sections if held else ()
        self._kept = {section.name: section for section in sections if not section.transient}

    async def fetch(
        self,
        name: SectionName,
        read: Callable[[bytes], Page[T]],
        take: Callable[[Listening], tuple[T, ...]],
    ) -> _SectionOutcome[T]:
        """Return the section's outcome: `take` finds what is held, `read` a body from Spotify."""
        section = self._kept.get(name)
        if self._held is None or section is None:
            return await self._read(name, read, self._report)
        self._report(section)
        return _SectionOutcome(
            section, Parsed(take(self._held), regimes=_regime_evidence(self._held))
        )

    async def fetch_profile(self) -> _SectionOutcome[Profile]:
        """Return the profile's outcome.

        Raises:
            LyraError: it settles the whole fetch; the other calls would only take time.
        """
        outcome = await self.fetch("profile", read_profile, lambda held: (held.profile,))
        if outcome.failure and (refused := refusal({"profile": outcome.failure})):
            raise refused
        return outcome

    async def recheck_profile(
        self, kept: _SectionOutcome[Profile], failures: Sequence[SpotifyFailure | None]
    ) -> _SectionOutcome[Profile]:
        """Return the profile; read it now if it was held and one of the failures casts doubt on it.

        Raises:
            LyraError: /me settles it.
        """
        doubts = [each for each in failures if each and refusal({"profile": each})]
        if "profile" not in self._kept or not doubts:
            return kept
        profile = await self._read("profile", read_profile, lambda _: None)
        if profile.failure is None:
            return profile
        if refused := refusal({"profile": profile.failure}):
            raise refused
        return kept

    async def _read(
        self, name: SectionName, read: Callable[[bytes], Page[T]], report: Report
    ) -> _SectionOutcome[T]:
        clock = asyncio.get_running_loop().time
        started = clock()
        parsed: Parsed[T] = Parsed(())
        failure: SpotifyFailure | None = None
        try:
            parsed = await trim_page(await self._reader.get(name, read), self._throttle)
        except SpotifyFailure as caught:
            failure = caught
        ms = round((clock() - started) * 1000)
        section = _failed_section(name, failure, ms) if failure else _ok_section(name, parsed, ms)
        report(section)
        return _SectionOutcome(section, parsed, failure)


def _first_failure(ended: ExceptionGroup[Exception]) -> Exception:
    """Return what ended the group; of a refusal without the frames, which hold the reader."""
    first = ended.exceptions[0]
    return first.with_traceback(None) if isinstance(first, LyraError) else first


def _list_held_playlists(held: Listening) -> tuple[ListedPlaylist, ...]:
    return tuple(ListedPlaylist(playlist, None) for playlist in held.playlists)


def _regime_evidence(held: Listening) -> frozenset[Regime]:
    """Return the evidence that led to the regime of what is held."""
    match held.regime:
        case "mixed":
            return frozenset({"restricted", "full"})
        case "unknown":
            return frozenset()
        case regime:
            return frozenset({regime})


def _ok_section(name: SectionName, parsed: Parsed[T], ms: int) -> Section:
    return Section(
        name,
        "ok",
        count=None if name == "profile" else len(parsed.items),
        skipped=parsed.skipped,
        episodes=parsed.episodes,
        # Of top items it is known to be wrong.
        total=parsed.total if name == "playlists" else None,
        ms=ms,
    )


def _failed_section(name: SectionName, failure: SpotifyFailure, ms: int) -> Section:
    # Spotify sometimes refuses a good token for one call; the token is judged by /me alone.
    status = "unavailable" if failure.kind == "rejected" else failure.kind
    return Section(name, status, code=failure.code, message=advice(name, failure), ms=ms)


def _assemble(
    profile: _SectionOutcome[Profile],
    artists: _SectionOutcome[Artist],
    tracks: _SectionOutcome[Track],
    plays: _SectionOutcome[Play],
    playlists: _SectionOutcome[ListedPlaylist],
    *,
    now: float,
) -> Listening:
    outcomes = (profile, artists, tracks, plays, playlists)
    refused = refusal({each.section.name: each.failure for each in outcomes if each.failure})
    if refused:
        raise refused
    listener = next(iter(profile.parsed.items), Profile())
    heard = Listening(
        profile=listener,
        sections=tuple(each.section for each in outcomes),
        top_artists=artists.parsed.items,
        top_tracks=tracks.parsed.items,
        recently_played=plays.parsed.items,
        playlists=tuple(_mark_owned(listed, listener.id) for listed in playlists.parsed.items),
        genre_analysis=analyse_genres(
            artists.parsed.items, tracks.parsed.items, plays.parsed.items
        ),
        fetched_at=now,
        regime=_regime([each.parsed.regimes for each in outcomes]),
    )
    return replace(heard, summary=summarise(heard))


def _mark_owned(listed: ListedPlaylist, listener_id: str) -> Playlist:
    """Return the playlist with `owned` set, if both ids are known."""
    playlist = listed.playlist
    if not (listener_id and listed.owner_id):
        return playlist
    owned = listed.owner_id == listener_id
    # For other people's lists the restricted regime may send 0 where the size is hidden.
    hidden = not owned and not playlist.collaborative and playlist.total == 0
    return replace(playlist, owned=owned, total=None if hidden else playlist.total)


def _regime(
    seen: Sequence[frozenset[Regime]],
) -> Literal["restricted", "full", "mixed", "unknown"]:
    regimes = frozenset[Regime]().union(*seen)
    if len(regimes) > 1:
        return "mixed"
    return next(iter(regimes), "unknown")
