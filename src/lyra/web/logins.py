"""Logging in with Spotify, and the tokens of those who have: renewed once, however many ask."""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Literal

from msgspec.structs import replace

from lyra.cache.listeners import ListenerCache
from lyra.errors import (
    ConsentRequiredError,
    LyraError,
    SessionEndedError,
    SessionsUnavailableError,
    SpotifyUnavailableError,
)
from lyra.listening.models import Profile
from lyra.listening.parse import parse_profile
from lyra.settings import Settings
from lyra.spotify.accounts import AccountsClient, Grant, GrantError
from lyra.spotify.client import SpotifyClient
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import GrantedToken, LoginToken, Token
from lyra.web.sessions import PENDING_S, SESSION_S, Pending, Session, Vault, name_of

log = logging.getLogger(__name__)

_RENEW_S = 60.0  # a reading of Spotify should not outlive its token
_YOUNG_S = 30.0  # a token that Spotify refuses so soon is not mended by another one
_SAVE_AGAIN_S = 0.25
_VERIFIER_BYTES = 64

Trouble = Literal[
    "denied",
    "expired",
    "refused",
    "not_listed",
    "owner",
    "forbidden",
    "misconfigured",
    "unavailable",
    "busy",
    "address",
]
TROUBLES: dict[str, str] = {
    "denied": "You cancelled at Spotify. Nothing was read.",
    "expired": "That log-in was too old, or used already. Connect once more.",
    "refused": "Spotify did not accept that log-in. Connect once more.",
    "not_listed": "This app's owner has not added your account in Spotify's developer dashboard.",
    "owner": "Spotify answers this app only while its owner has Premium. The owner must act.",
    "forbidden": "Spotify refuses this app your data.",
    "misconfigured": "Spotify does not know this app as it is set up. Tell the operator.",
    "unavailable": "Spotify's log-in does not answer right now. Try again in a moment.",
    "busy": "Lyra cannot log anybody in right now. Try again in a moment.",
    "address": "Nobody can log in at this address. The operator has to set LYRA_PUBLIC_URL.",
}
_BY_GRANT: dict[str, Trouble] = {
    "refused": "refused",
    "misconfigured": "misconfigured",
    "unavailable": "unavailable",
}
_BY_FAILURE: dict[str, Trouble] = {
    "not_registered": "not_listed",
    "owner_not_premium": "owner",
    "forbidden": "forbidden",
    "token_rejected": "refused",
}


class LoginError(Exception):
    """Nobody has been logged in; `trouble` says why, TROUBLES says it to people."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble)
        self.trouble = trouble


class Logins:
    """The log-ins of one service. `terms` is what a listener has to agree to before a reading."""

    def __init__(
        self,
        settings: Settings,
        accounts: AccountsClient,
        sessions: Vault[Session],
        pending: Vault[Pending],
        *,
        listeners: ListenerCache,
        spotify: SpotifyClient,
        forget: Callable[[Token], Awaitable[None]],
        wall_clock: Callable[[], float],
        terms: str,
    ) -> None:
        self.terms = terms
        self._within_s = settings.spotify_timeout_s
        self._accounts = accounts
        self._sessions = sessions
        self._pending = pending
        self._listeners = listeners
        self._spotify = spotify
        self._forget = forget
        self._wall_clock = wall_clock
        self._renewing: dict[str, asyncio.Task[Session | LyraError]] = {}
        self._counts = {"begun_total": 0, "done_total": 0, "renewed_total": 0, "ended_total": 0}

    def stats(self) -> dict[str, int]:
        """Counters (names in `_total`), and how many tokens are being renewed."""
        return {**self._counts, "renewing": len(self._renewing)}

    async def begin(self, redirect_uri: str) -> tuple[str, str]:
        """Where to send the browser, and the state that it has to bring back.

        Raises:
            SessionsUnavailableError: log-ins cannot be kept now.
        """
        verifier = secrets.token_urlsafe(_VERIFIER_BYTES)
        until = self._wall_clock() + PENDING_S
        state = await self._pending.add(Pending(verifier, redirect_uri, until))
        self._counts["begun_total"] += 1
        self._accounts.expect()
        url = self._accounts.authorize_url(
            state=state, verifier=verifier, redirect_uri=redirect_uri
        )
        return url, state

    async def finish(
        self, *, state: str, expected: str, code: str, error: str, replaces: str | None = None
    ) -> str:
        """The id of a new session for who comes back from Spotify; the one it replaces is over.

        Raises:
            LoginError: it came to nothing.
            SessionsUnavailableError: log-ins cannot be looked up now.
        """
        same = hmac.compare_digest(*(each.encode("utf-8", "replace") for each in (state, expected)))
        pending = await self._pending.take(state) if same else None
        if pending is None:
            raise LoginError("expired")
        if error or not code:
            raise LoginError("denied" if error == "access_denied" else "misconfigured")
        grant = await self._exchanged(code, pending)
        profile = await self._who(GrantedToken(grant.access_token))
        session = self._opened(grant, profile)
        given = await self._sessions.add(session)
        self._listeners.pardon(session.token(self._wall_clock()))
        if replaces is not None:
            await self._sessions.take(replaces)
        self._counts["done_total"] += 1
        return given

    async def _exchanged(self, code: str, pending: Pending) -> Grant:
        try:
            return await self._accounts.exchange(
                code, verifier=pending.verifier, redirect_uri=pending.redirect_uri
            )
        except GrantError as failure:
            raise LoginError(_BY_GRANT[failure.kind]) from None

    async def _who(self, token: Token) -> Profile:
        """Whose token this is, as Spotify itself says under it."""
        try:
            parsed = await self._spotify.reader(token).get("profile", parse_profile)
        except SpotifyFailure as failure:
            raise LoginError(_BY_FAILURE.get(failure.code, "unavailable")) from None
        return parsed.items[0]

    def _opened(self, grant: Grant, profile: Profile) -> Session:
        now, scopes = self._wall_clock(), grant.scopes
        # The scopes too: what one log-in may not read must not look missing to another.
        identity = self._listeners.identity(
            self._accounts.client_id, profile.id, profile.account_id or "", *scopes
        )
        return Session(
            identity=identity,
            name=profile.display_name,
            scopes=scopes,
            access=grant.access_token,
            refresh=grant.refresh_token or "",
            issued_at=now,
            access_until=now + grant.expires_in,
            until=now + SESSION_S,
        )

    async def session(self, given: str) -> Session | None:
        """The session of this id, if there is one.

        Raises:
            SessionsUnavailableError: log-ins cannot be looked up now.
        """
        return await self._sessions.find(given)

    async def agree(self, given: str) -> None:
        """Take note that this listener agrees to the terms as they are now.

        Raises:
            SessionEndedError: there is no such session.
            SessionsUnavailableError: log-ins cannot be looked up now.
        """
        if (
            await self._sessions.change(given, lambda kept: replace(kept, agreed=self.terms))
            is None
        ):
            raise SessionEndedError

    async def end(self, given: str) -> None:
        """Forget this session, and what is held of its listener.

        Raises:
            SessionsUnavailableError: log-ins cannot be looked up now.
        """
        session = await self._sessions.take(given)
        if session is not None:
            self._counts["ended_total"] += 1
            await self._forget(session.token(self._wall_clock()))

    async def token(
        self, given: str, *, reads_spotify: bool, waiting: Callable[[], None]
    ) -> LoginToken:
        """The token of this session's listener; a good one, if Spotify is to be read.

        `waiting` is called before Spotify is waited for.

        Raises:
            SessionEndedError: there is no such session, or Spotify has ended it.
            ConsentRequiredError: nothing may be read before the listener agrees.
            TryLaterError: the session is there, but cannot be looked up or renewed now.
        """
        session = await self._sessions.find(given)
        if session is None:
            raise SessionEndedError
        if reads_spotify:
            if session.agreed != self.terms:
                raise ConsentRequiredError
            if await self._is_due(session):
                waiting()
                session = await self._renewed(given, session)
        return session.token(self._wall_clock())

    async def _is_due(self, session: Session) -> bool:
        now = self._wall_clock()
        if session.access_until - now < _RENEW_S:
            return True
        refused = await self._listeners.refuses(session.token(now))
        return refused and now - session.issued_at >= _YOUNG_S

    async def _renewed(self, given: str, session: Session) -> Session:
        """The session with new tokens, from the one task that gets them.

        Not the caller's own: a caller who leaves would take along tokens that nobody else has.
        """
        name = name_of(given)
        task = self._renewing.get(name)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._renew(given))
            self._renewing[name] = task
            task.add_done_callback(lambda _: self._renewing.pop(name, None))
            task.add_done_callback(_report)
        await asyncio.wait([task])
        if task.cancelled():
            raise SpotifyUnavailableError(retry_after_s=1)
        outcome = task.result()
        if isinstance(outcome, LyraError):
            raise outcome.again()
        if outcome.access != session.access:
            self._listeners.pardon(outcome.token(self._wall_clock()))
        return outcome

    async def _renew(self, given: str) -> Session | LyraError:
        try:
            async with asyncio.timeout(self._within_s), self._sessions.alone(given):
                return await self._refreshed(given)
        except TimeoutError:
            return SpotifyUnavailableError(TROUBLES["unavailable"], retry_after_s=1)
        except LyraError as failure:
            return failure

    async def _refreshed(self, given: str) -> Session:
        session = await self._sessions.find(given)
        if session is None:
            raise SessionEndedError
        if not await self._is_due(session):
            return session  # another process was quicker
        try:
            grant = await self._accounts.refresh(session.refresh)
        except GrantError as caught:
            failure = caught
        else:
            self._counts["renewed_total"] += 1
            return await self._saved(given, grant)
        if failure.kind == "refused":
            return await self._ended(given, session)
        raise SpotifyUnavailableError(
            TROUBLES["unavailable"], retry_after_s=failure.retry_after_s or 1
        )

    async def _saved(self, given: str, grant: Grant) -> Session:
        """The session with these tokens, kept: the old refresh token is dead by now."""
        now = self._wall_clock()
        while True:
            try:
                kept = await self._sessions.change(given, lambda old: old.renewed(grant, now))
            except SessionsUnavailableError:
                await asyncio.sleep(_SAVE_AGAIN_S)  # the deadline of the whole bounds this
                continue
            if kept is None:
                raise SessionEndedError
            return kept

    async def _ended(self, given: str, session: Session) -> Session:
        """The session as another process has renewed it; else its end."""
        for pause_s in self._sessions.second_looks_s:
            await asyncio.sleep(pause_s)
            kept = await self._sessions.find(given)
            if kept is not None and kept.refresh != session.refresh:
                return kept
        await self.end(given)
        raise SessionEndedError

    async def close(self) -> None:
        """Let tokens that are being renewed arrive; each has its deadline."""
        if self._renewing:
            await asyncio.wait(list(self._renewing.values()))


def _report(task: asyncio.Task[Session | LyraError]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("renewing a token broke: this is a fault in Lyra", exc_info=task.exception())
