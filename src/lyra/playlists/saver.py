"""Save a proposal: once, whatever fails on the way, and exactly what the listener confirmed.

Invariants, hunted by tests/properties/test_save_storm.py and tests/web/api/test_playlists.py:
- one proposal makes at most one playlist, however often, from wherever and in whatever weather it is
  saved: before a call that may change something is sent, that is noted; a call whose outcome is not
  known is looked for at Spotify, and sent again only when it cannot take effect any more;
- what is saved is what was confirmed with the call that began it;
- a proposal counts as saved when Spotify holds all of it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec.structs import replace

from lyra.cache.listeners import ListenerCache
from lyra.errors import (
    DrainingError,
    LyraError,
    NotFoundError,
    OverloadedError,
    PlaylistScopeError,
    ProposalsUnavailableError,
    PublicPlaylistScopeError,
    RequestError,
    SpotifyForbiddenError,
    SpotifyQuotaExceededError,
    SpotifyRateLimitedError,
    SpotifyTimeoutError,
    SpotifyTokenRejectedError,
    SpotifyUnavailableError,
)
from lyra.playlists import spotify
from lyra.playlists.proposal import Progress, Proposal
from lyra.playlists.proposals import Caller, Proposals
from lyra.playlists.save_limit import SaveLimit
from lyra.secret_store import name_of
from lyra.spotify.client import SpotifyClient, SpotifyReader
from lyra.spotify.endpoints import SAVES_AT_ONCE, playlist_id
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import Token

log = logging.getLogger(__name__)

T = TypeVar("T")
_STEPS = 3  # calls that a save waits for one after the other, each within Spotify's timeout
_SETTLED = 2  # times that timeout: a write has no effect later than that after it was sent
_TAKEN_OUT = 50  # rows that may be taken out of a playlist while tracks are added to it
_NOTE_AGAIN_S = 0.2
_LATE_NOTE_S = 2.0  # between the note of a call and the call; a process that was paused gives up
_SKEW_S = 1.0  # between the clocks of two processes
_MARK = "Made with Lyra"
_UNKNOWN = (
    "Spotify has not said whether it saved this. Save again in a moment: it is looked for first, and "
    "not made twice."
)
_GONE = "Spotify does not find the playlist any more."
_LATE = "Saving took too long. Save again: it goes on where it stopped."


@dataclass(frozen=True)
class Choice:
    """What the listener confirms: a name, and tracks of the proposal. None: as it was proposed."""

    name: str | None = None
    uris: tuple[str, ...] | None = None


@dataclass
class _Save:
    """One save under way. `proposal` is as it was last noted."""

    proposal_id: str
    proposal: Proposal
    choice: Choice
    token: Token
    resumed: bool = field(init=False)

    def __post_init__(self) -> None:
        self.resumed = self.proposal.progress is not None

    @property
    def progress(self) -> Progress:
        assert self.proposal.progress is not None  # noqa: S101 - asked for only once it has begun
        return self.proposal.progress


class PlaylistSaver:
    """Saves proposals; one task for each that is being saved, whoever waits for it."""

    def __init__(
        self,
        proposals: Proposals,
        client: SpotifyClient,
        listeners: ListenerCache,
        limit: SaveLimit,
        *,
        timeout_s: float,
        wall_clock: Callable[[], float],
    ) -> None:
        self._proposals = proposals
        self._spotify = client
        self._listeners = listeners
        self._limit = limit
        self._within_s = _STEPS * timeout_s
        self._settled_s = _SETTLED * timeout_s + _LATE_NOTE_S + _SKEW_S
        self._wall_clock = wall_clock
        self._running: dict[str, asyncio.Task[Progress | LyraError]] = {}
        self._draining = False
        self._counts: Counter[str] = Counter(
            saved=0, extended=0, resumed=0, failed=0, unknown=0, found=0
        )

    def stats(self) -> dict[str, int]:
        """Return counters (names in `_total`), and how many saves are under way."""
        counts = {**self._proposals.counts, **self._counts}
        return {f"{name}_total": n for name, n in counts.items()} | {"saving": len(self._running)}

    async def save(
        self, proposal_id: str, caller: Caller, token: Token, choice: Choice
    ) -> Progress:
        """Save the caller's proposal, or go on with it; return what Spotify holds then.

        Once it has begun, `choice` is what it began with, and a repeat changes nothing of it. A caller
        that leaves does not stop it.

        Raises:
            NotFoundError: there is no such proposal, or it is another listener's.
            RequestError: the choice holds a track that was not proposed, or none.
            PlaylistScopeError, PublicPlaylistScopeError: the token may not; nothing was changed.
            TooManyRequestsError: this listener has saved too many playlists today.
            TryLaterError: it is not all saved; saving again goes on.
        """
        proposal = await self._proposals.find(proposal_id, caller)
        if proposal.progress is None:
            check_choice(proposal, choice)
        elif proposal.progress.saved:
            return proposal.progress
        name = name_of(proposal_id)
        task = self._running.get(name)
        if task is None:
            self._admit()
            # Nothing of it is left open: an answer that still runs may replace what it has proposed.
            chosen = Choice(choice.name or proposal.name, choice.uris or proposal.uris)
            save = _Save(proposal_id, proposal, chosen, token)
            task = asyncio.get_running_loop().create_task(self._save_in_time(save))
            self._running[name] = task
            task.add_done_callback(lambda _: self._running.pop(name, None))
        await asyncio.wait([task])
        if task.cancelled():
            raise DrainingError(retry_after_s=1)
        outcome = task.result()
        if isinstance(outcome, LyraError):
            raise outcome.copy()
        return outcome

    def _admit(self) -> None:
        if self._draining:
            raise DrainingError(retry_after_s=1)
        if len(self._running) >= SAVES_AT_ONCE:
            raise OverloadedError(retry_after_s=1)

    async def _save_in_time(self, save: _Save) -> Progress | LyraError:
        store = self._proposals.store
        try:
            async with asyncio.timeout(self._within_s), store.lock(save.proposal_id):
                await self._save(save)
        except TimeoutError:
            failure: LyraError = SpotifyTimeoutError(_LATE, retry_after_s=1)
        except SpotifyFailure as caught:
            failure = await self._explain(save, caught)
        except LyraError as caught:
            failure = caught
        except Exception:
            log.exception("saving a playlist broke: this is a fault in Lyra")
            failure = LyraError()
        else:
            return save.progress
        self._counts["failed"] += 1
        return failure

    async def _save(self, save: _Save) -> None:
        kept = await self._proposals.store.find(save.proposal_id)
        if kept is None:
            raise NotFoundError(_GONE)
        save.proposal = kept
        if kept.saved:
            return  # another process was quicker
        if kept.progress is None:
            check_choice(kept, save.choice)
            await self._limit.spend(kept.account or kept.owner)
        else:
            self._counts["resumed"] += 1
        await (self._extend(save) if kept.extends else self._make(save))
        await self._note_outcome(save, replace(save.progress, sent_at=0.0, saved=True))
        self._counts["extended" if kept.extends else "saved"] += 1
        log.info(
            "a listener's playlist was %s: tracks=%d resumed=%s",
            "extended" if kept.extends else "saved",
            len(save.progress.uris),
            save.resumed,
        )
        await self._listeners.clear(save.token)  # its playlists are read again at the next look

    # ---- a new playlist

    async def _make(self, save: _Save) -> None:
        if save.proposal.progress is None or not save.progress.playlist_id:
            playlist = await self._create_or_find(save)
            await self._note_outcome(
                save, replace(save.progress, sent_at=0.0, playlist_id=playlist)
            )
        await save.token.confirm()
        await spotify.replace_tracks(
            self._reader(save), save.progress.playlist_id, save.progress.uris
        )

    async def _create_or_find(self, save: _Save) -> str:
        if save.proposal.progress is not None:
            found = await self._find(save)
            if found is not None:
                return found
            self._require_settled(save)
        await self._note_sending(save, self._begin(save))
        marked = f"{save.proposal.description} {_MARK} ({save.proposal.marker})".strip()
        try:
            return await self._send(
                save, lambda reader: spotify.create_playlist(reader, save.progress.name, marked)
            )
        except SpotifyFailure as failure:
            if not failure.may_be_done:
                await self._note_outcome(save, None)
                raise
        self._counts["unknown"] += 1
        found = await self._find(save)
        if found is None:
            self._require_settled(save)
            raise SpotifyUnavailableError(_UNKNOWN, retry_after_s=1)
        return found

    async def _find(self, save: _Save) -> str | None:
        await save.token.confirm()
        found = await spotify.find_playlist(self._reader(save), save.proposal.marker)
        if found is not None:
            self._counts["found"] += 1
        return found

    # ---- more of one of the listener's own

    async def _extend(self, save: _Save) -> None:
        playlist = playlist_id(save.proposal.extends)
        assert playlist is not None  # noqa: S101 - it came out of the listener's data
        reader = self._reader(save)
        if save.proposal.progress is None:
            await save.token.confirm()
            rows = await spotify.count_rows(reader, playlist)
            begun = replace(self._begin(save), playlist_id=playlist, rows_before=rows)
            missing: Sequence[str] = begun.uris
        else:
            begun, missing = save.progress, await self._find_missing(save)
            if not missing:
                return
            self._require_settled(save)
        await self._note_sending(save, begun)
        try:
            await self._send(save, lambda reader: spotify.add_tracks(reader, playlist, [*missing]))
        except SpotifyFailure as failure:
            if not failure.may_be_done:
                if len(missing) == len(begun.uris):
                    await self._note_outcome(save, None)
                raise
        else:
            return
        self._counts["unknown"] += 1
        if await self._find_missing(save):
            self._require_settled(save)
            raise SpotifyUnavailableError(_UNKNOWN, retry_after_s=1)

    async def _find_missing(self, save: _Save) -> list[str]:
        """Return the confirmed tracks that do not stand behind what the playlist had before.

        The listener may have taken rows out meanwhile, so some before are looked at too.
        """
        await save.token.confirm()
        progress = save.progress
        there = await spotify.read_uris(
            self._reader(save),
            progress.playlist_id,
            offset=max(0, progress.rows_before - _TAKEN_OUT),
            most=_TAKEN_OUT + 2 * len(progress.uris),
        )
        return [uri for uri in progress.uris if uri not in there]

    # ---- what both share

    def _begin(self, save: _Save) -> Progress:
        """Return the progress of a save that begins, or begins again, with what was confirmed first."""
        if save.proposal.progress is not None:
            return save.progress
        proposal, choice = save.proposal, save.choice
        name = proposal.name if proposal.extends else choice.name or proposal.name
        return Progress(name, choice.uris or proposal.uris)

    async def _note_sending(self, save: _Save, progress: Progress) -> None:
        """Keep that a call is about to be sent.

        Raises:
            ProposalsUnavailableError: it cannot be kept, so nothing may be sent.
        """
        await self._note(save, replace(progress, sent_at=self._wall_clock()))

    async def _note_outcome(self, save: _Save, progress: Progress | None) -> None:
        """Keep how a call went, which nobody else knows: tried until the deadline of the save."""
        while True:
            try:
                return await self._note(save, progress)
            except ProposalsUnavailableError:
                await asyncio.sleep(_NOTE_AGAIN_S)

    async def _note(self, save: _Save, progress: Progress | None) -> None:
        """Keep how far it has come; a proposal that is gone meanwhile is saved to its end without.

        Raises:
            SpotifyUnavailableError: another process goes on with it: this one was taken for dead.
        """
        before = save.proposal.progress

        def update(kept: Proposal) -> Proposal:
            if kept.progress not in (before, progress):
                raise SpotifyUnavailableError(_UNKNOWN, retry_after_s=1)
            return replace(kept, progress=progress)

        kept = await self._proposals.store.change(save.proposal_id, update)
        save.proposal = kept or replace(save.proposal, progress=progress)

    async def _send(self, save: _Save, call: Callable[[SpotifyReader], Awaitable[T]]) -> T:
        """Send a call that was noted, if that is not long ago: another process may look for it."""
        await save.token.confirm()
        if self._wall_clock() - save.progress.sent_at > _LATE_NOTE_S:
            raise SpotifyUnavailableError(_UNKNOWN, retry_after_s=1)
        return await call(self._reader(save))

    def _require_settled(self, save: _Save) -> None:
        """Refuse to send again what may still take effect.

        Raises:
            SpotifyUnavailableError: it may; says when it cannot any more.
        """
        left_s = save.progress.sent_at + self._settled_s - self._wall_clock()
        if left_s > 0:
            raise SpotifyUnavailableError(_UNKNOWN, retry_after_s=left_s)

    def _reader(self, save: _Save) -> SpotifyReader:
        return self._spotify.reader(save.token)

    async def _explain(self, save: _Save, failure: SpotifyFailure) -> LyraError:
        """Return the error that this failure of Spotify's is for the listener."""
        if failure.kind == "rejected":
            return await self._judge_token(save.token)
        return explain(failure, extends=bool(save.proposal.extends))

    async def _judge_token(self, token: Token) -> LyraError:
        """Let a read of the listener decide: a log-in is renewed after Spotify refused it there."""
        await self._listeners.clear(token)
        try:
            await (await self._listeners.lookup(token)).entry()
        except LyraError as failure:
            return failure
        return SpotifyTokenRejectedError()

    async def drain(self, within_s: float) -> None:
        """Begin no more saves, and let those under way end within this time."""
        self._draining = True
        if self._running:
            await asyncio.wait([*self._running.values()], timeout=within_s)

    async def close(self) -> None:
        """End what is still under way; saving again, at another process, goes on."""
        self._draining = True
        tasks = [*self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def check_choice(proposal: Proposal, choice: Choice) -> None:
    """Refuse a choice of anything but the proposal's own tracks, each at most once.

    Raises:
        RequestError: says which member is wrong.
    """
    if choice.uris is None:
        return
    if not choice.uris:
        raise RequestError("`uris` is empty: at least one track has to stay.")
    left = set(proposal.uris)
    for place, uri in enumerate(choice.uris):
        if uri not in left:
            raise RequestError(f"`$.uris[{place}]` is not in the proposal, or stands there twice.")
        left.remove(uri)


def explain(failure: SpotifyFailure, *, extends: bool) -> LyraError:
    """Return the error for people that a failed call means; `extends`: of a playlist they had."""
    wait_s = failure.retry_after_s or 1
    by_code: dict[str, LyraError] = {
        "missing_scope": (PublicPlaylistScopeError if extends else PlaylistScopeError)(
            reason="missing_scope"
        ),
        "not_found": NotFoundError(_GONE),
        "quota_exceeded": SpotifyQuotaExceededError(retry_after_s=failure.retry_after_s),
        "rate_limited": SpotifyRateLimitedError(retry_after_s=wait_s),
        "timeout": SpotifyTimeoutError(retry_after_s=wait_s),
    }
    if failure.kind == "forbidden":
        by_code.setdefault(failure.code, SpotifyForbiddenError(str(failure), reason=failure.code))
    return by_code.get(failure.code) or SpotifyUnavailableError(str(failure), retry_after_s=wait_s)
