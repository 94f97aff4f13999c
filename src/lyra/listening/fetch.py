"""One listener, read once: five calls at the same time, each with an outcome of its own."""

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

_PIECE_S = 0.001  # a real page is trimmed in half of it

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
class _Outcome(Generic[T]):
    section: Section
    parsed: Parsed[T]
    failure: SpotifyFailure | None = None


async def fetch_listening(
    reader: ReadsSpotify,
    *,
    now: float,
    report: Report,
    held: Listening | None = None,
    turns: LoopThrottle | None = None,
) -> Listening:
    """Return what Spotify tells of this listener, whatever part of it can be read.

    `now` is seconds since the epoch. `report` is called once for each section as it ends. Of
    what is `held` already, only the sections that may be there by now are asked for. What takes
    the event loop's time is done in `turns`.

    If one of these is refused in a way that would settle the whole fetch were it /me's, /me is
    asked after all.

    Raises:
        SpotifyTokenRejectedError: /me, and so the token, was refused.
        SpotifyForbiddenError: the listener, the app's owner or every scope is in the way.
        TryLaterError: no section could be read, for reasons that pass.
    """
    turns = turns or LoopThrottle()
    ask = _SectionFetcher(reader, report, held, turns)
    calls = asyncio.gather(
        ask("profile", read_profile, lambda had: (had.profile,)),
        ask("top_artists", read_artists, lambda had: had.top_artists),
        ask("top_tracks", read_tracks, lambda had: had.top_tracks),
        ask("recently_played", read_plays, lambda had: had.recently_played),
        ask("playlists", read_playlists, _listed),
        return_exceptions=True,
    )
    ask.when_refused = calls.cancel
    try:
        profile, artists, tracks, plays, playlists = await calls
    except asyncio.CancelledError:
        refused = ask.refused
        if refused is None:
            raise
    else:
        rest = (_unwrap(artists), _unwrap(tracks), _unwrap(plays), _unwrap(playlists))
        who = await ask.recheck_profile(_unwrap(profile), [each.failure for each in rest])
        await turns.slice()
        return _assemble(who, *rest, now=now)
    raise refused  # here and not in the block above, so that no context hangs on it


class _SectionFetcher:
    """Asks Spotify for a section, unless it is held for good."""

    def __init__(
        self, reader: ReadsSpotify, report: Report, held: Listening | None, turns: LoopThrottle
    ) -> None:
        self._reader = reader
        self._turns = turns
        self._report = report
        self._held = held
        kept = held.sections if held else ()
        self.refused: LyraError | None = None
        self.when_refused: Callable[[], object] = lambda: None
        self._kept = {section.name: section for section in kept if not section.transient}

    async def __call__(
        self,
        name: SectionName,
        read: Callable[[bytes], Page[T]],
        take: Callable[[Listening], tuple[T, ...]],
    ) -> _Outcome[T]:
        section = self._kept.get(name)
        if self._held is None or section is None:
            outcome = await self._read(name, read, self._report)
            if name == "profile" and outcome.failure:
                self._refuse(outcome.failure)
            return outcome
        self._report(section)
        return _Outcome(section, Parsed(take(self._held), regimes=_regime_evidence(self._held)))

    async def recheck_profile(
        self, kept: _Outcome[Profile], failures: Sequence[SpotifyFailure | None]
    ) -> _Outcome[Profile]:
        """The profile; asked for now if it was not before and one of these casts doubt on it.

        Raises:
            LyraError: /me settles it.
        """
        doubts = [each for each in failures if each and refusal({"profile": each})]
        if "profile" not in self._kept or not doubts:
            return kept
        asked = await self._read("profile", read_profile, lambda _: None)
        if asked.failure is None:
            return asked
        if refused := refusal({"profile": asked.failure}):
            raise refused
        return kept

    async def _read(
        self, name: SectionName, read: Callable[[bytes], Page[T]], report: Report
    ) -> _Outcome[T]:
        clock = asyncio.get_running_loop().time
        started = clock()
        parsed: Parsed[T] = Parsed(())
        failure: SpotifyFailure | None = None
        try:
            parsed = await self._trimmed(await self._reader.get(name, read))
        except SpotifyFailure as caught:
            failure = caught
        ms = round((clock() - started) * 1000)
        section = _failed(name, failure, ms) if failure else _ok(name, parsed, ms)
        report(section)
        return _Outcome(section, parsed, failure)

    async def _trimmed(self, page: Page[T]) -> Parsed[T]:
        """What is on the page; an item that was made to take long is the last of its turn."""
        clock = asyncio.get_running_loop().time
        kept: list[T | None] = []
        until = clock() + _PIECE_S
        for item in page.trimmed:
            kept.append(item)
            if clock() > until:
                await self._turns.yield_turn()
                until = clock() + _PIECE_S
        return page.done(kept)

    def _refuse(self, failure: SpotifyFailure) -> None:
        """End the other calls if this answer of /me settles them; they would only take time."""
        self.refused = refusal({"profile": failure})
        if self.refused is not None:
            self.when_refused()


def _listed(held: Listening) -> tuple[ListedPlaylist, ...]:
    return tuple(ListedPlaylist(playlist, None) for playlist in held.playlists)


def _regime_evidence(held: Listening) -> frozenset[Regime]:
    """The evidence that led to the regime of what is held."""
    match held.regime:
        case "mixed":
            return frozenset({"restricted", "full"})
        case "unknown":
            return frozenset()
        case regime:
            return frozenset({regime})


def _unwrap(outcome: _Outcome[T] | BaseException) -> _Outcome[T]:
    """Return the outcome; an exception here is a bug, and hiding it would help nobody."""
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _ok(name: SectionName, parsed: Parsed[T], ms: int) -> Section:
    count = None if name == "profile" else len(parsed.items)
    return Section(name, "ok", count=count, skipped=parsed.skipped, ms=ms)


def _failed(name: SectionName, failure: SpotifyFailure, ms: int) -> Section:
    # Spotify sometimes refuses a good token for one call; the token is judged by /me alone.
    status = "unavailable" if failure.kind == "rejected" else failure.kind
    return Section(name, status, code=failure.code, message=advice(name, failure), ms=ms)


def _assemble(
    profile: _Outcome[Profile],
    artists: _Outcome[Artist],
    tracks: _Outcome[Track],
    plays: _Outcome[Play],
    playlists: _Outcome[ListedPlaylist],
    *,
    now: float,
) -> Listening:
    outcomes = (profile, artists, tracks, plays, playlists)
    refused = refusal({each.section.name: each.failure for each in outcomes if each.failure})
    if refused:
        raise refused
    who = next(iter(profile.parsed.items), Profile())
    heard = Listening(
        profile=who,
        sections=tuple(each.section for each in outcomes),
        top_artists=artists.parsed.items,
        top_tracks=tracks.parsed.items,
        recently_played=plays.parsed.items,
        playlists=tuple(_owned(listed, who.id) for listed in playlists.parsed.items),
        genre_analysis=analyse_genres(
            artists.parsed.items, tracks.parsed.items, plays.parsed.items
        ),
        fetched_at=now,
        regime=_regime([each.parsed.regimes for each in outcomes]),
    )
    return replace(heard, summary=summarise(heard))


def _owned(listed: ListedPlaylist, listener: str) -> Playlist:
    """Return the playlist with `owned` set, as far as both ids are known."""
    playlist = listed.playlist
    if not (listener and listed.owner_id):
        return playlist
    owned = listed.owner_id == listener
    # Of other people's lists the restricted regime may tell 0 when it means nothing to tell.
    hidden = not owned and not playlist.collaborative and playlist.total == 0
    return replace(playlist, owned=owned, total=None if hidden else playlist.total)


def _regime(
    seen: Sequence[frozenset[Regime]],
) -> Literal["restricted", "full", "mixed", "unknown"]:
    regimes = frozenset[Regime]().union(*seen)
    if len(regimes) > 1:
        return "mixed"
    return next(iter(regimes), "unknown")
