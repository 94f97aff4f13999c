"""Token renewal: a single flight (request coalescing) per session, among all processes.

A refresh token can be used once. So a process that uses it says so in the session first (`renewer`).
If Spotify refuses a token that another process has used a moment ago, that process may have the new
tokens and not have saved them yet: then the session is not ended.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from lyra.cache.listeners import ListenerCache
from lyra.errors import (
    LyraError,
    SessionEndedError,
    SessionsUnavailableError,
    SpotifyUnavailableError,
)
from lyra.secret_store import SecretStore, name_of
from lyra.spotify.oauth import AccountsClient, Grant, GrantError
from lyra.web.login.session_store import Session

log = logging.getLogger(__name__)

_RENEW_S = 60.0  # a fetch should not outlive its token
_MIN_AGE_S = 30.0  # a token that Spotify refuses so soon is not helped by another one
_LATE_S = 60.0  # so long may a process be paused after it has asked for new tokens
_SAVE_AGAIN_S = 0.25
UNAVAILABLE = "Spotify's log-in does not answer right now. Try again in a moment."


class TokenRenewer:
    """Renew the tokens of one service's sessions; `end` ends one that cannot be renewed."""

    def __init__(
        self,
        accounts: AccountsClient,
        sessions: SecretStore[Session],
        listeners: ListenerCache,
        *,
        end: Callable[[str], Awaitable[None]],
        wall_clock: Callable[[], float],
        within_s: float,
    ) -> None:
        self.renewed_total = 0
        self._process_id = secrets.token_hex(8)
        self._accounts = accounts
        self._sessions = sessions
        self._listeners = listeners
        self._end = end
        self._wall_clock = wall_clock
        self._within_s = within_s
        self._running: dict[str, asyncio.Task[Session | LyraError]] = {}  # by session

    def __len__(self) -> int:
        return len(self._running)

    async def is_due(self, session: Session) -> bool:
        """Return whether Spotify should not be read any more with the token that the session has."""
        now = self._wall_clock()
        if session.access_until - now < _RENEW_S:
            return True
        refused = await self._listeners.is_negative(session.token(now))
        return refused and now - session.issued_at >= _MIN_AGE_S

    async def renew(self, session_id: str, session: Session) -> Session:
        """Return the session with new tokens, from the one task that gets them.

        It is not the caller's own task: a cancelled caller would lose tokens that exist once.

        Raises:
            SessionEndedError: there is no such session, or Spotify has ended it.
            TryLaterError: it is there, but cannot be renewed now.
        """
        name = name_of(session_id)
        task = self._running.get(name)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._renew_in_time(session_id))
            self._running[name] = task
            task.add_done_callback(lambda _: self._running.pop(name, None))
            task.add_done_callback(_log_failure)
        await asyncio.wait([task])
        if task.cancelled():
            raise SpotifyUnavailableError(retry_after_s=1)
        outcome = task.result()
        if isinstance(outcome, LyraError):
            raise outcome.copy()
        if outcome.access != session.access:
            self._listeners.clear_negative(outcome.token(self._wall_clock()))
        return outcome

    async def _renew_in_time(self, session_id: str) -> Session | LyraError:
        try:
            async with asyncio.timeout(self._within_s), self._sessions.lock(session_id):
                return await self._refresh(session_id)
        except TimeoutError:
            return SpotifyUnavailableError(UNAVAILABLE, retry_after_s=1)
        except LyraError as failure:
            return failure

    async def _refresh(self, session_id: str) -> Session:
        session = await self._sessions.find(session_id)
        if session is None:
            raise SessionEndedError
        if not await self.is_due(session):
            return session  # another process was quicker
        if not session.refresh:
            return await self._reload_or_end(
                session_id, session
            )  # Spotify gave none: it cannot be renewed
        if not (late := self._may_be_late(session)):
            session = await self._announce(session_id)
        try:
            grant = await self._accounts.refresh(session.refresh)
        except GrantError as caught:
            failure = caught
        else:
            self.renewed_total += 1
            return await self._save(session_id, grant)
        if failure.kind == "refused":
            return await self._reload_or_end(session_id, session, late=late)
        raise SpotifyUnavailableError(UNAVAILABLE, retry_after_s=failure.retry_after_s or 1)

    def _may_be_late(self, session: Session) -> bool:
        """Return whether another process may have used this refresh token, and not saved the result."""
        elsewhere = session.renewer not in ("", self._process_id)
        return elsewhere and self._wall_clock() - session.renewing_since < _LATE_S

    async def _announce(self, session_id: str) -> Session:
        """Record in the session that this process is about to use its refresh token, and return it."""
        now = self._wall_clock()
        kept = await self._sessions.change(
            session_id, lambda old: replace(old, renewer=self._process_id, renewing_since=now)
        )
        if kept is None:
            raise SessionEndedError
        return kept

    async def _save(self, session_id: str, grant: Grant) -> Session:
        """Save the session with these tokens, and return it: the old refresh token is dead by now."""
        now = self._wall_clock()
        while True:
            try:
                kept = await self._sessions.change(
                    session_id, lambda old: old.with_grant(grant, now)
                )
            except SessionsUnavailableError:
                await asyncio.sleep(_SAVE_AGAIN_S)  # the deadline of the whole bounds this
                continue
            if kept is None:
                raise SessionEndedError
            return kept

    async def _reload_or_end(
        self, session_id: str, session: Session, *, late: bool = False
    ) -> Session:
        """Return the session as another process has renewed it; else end it, unless one may be late."""
        for pause_s in self._sessions.recheck_delays_s:
            await asyncio.sleep(pause_s)
            kept = await self._sessions.find(session_id)
            if kept is not None and kept.refresh != session.refresh:
                return kept
            late = late or (kept is not None and self._may_be_late(kept))
        if late:
            raise SpotifyUnavailableError(UNAVAILABLE, retry_after_s=1)
        await self._end(session_id)
        raise SessionEndedError

    async def close(self) -> None:
        """Wait for renewals under way; each has its deadline."""
        if self._running:
            await asyncio.wait(list(self._running.values()))


def _log_failure(task: asyncio.Task[Session | LyraError]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("renewing a token broke: this is a fault in Lyra", exc_info=task.exception())
