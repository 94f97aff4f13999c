"""Logging in with Spotify, what a listener has agreed to, and signing out.

Invariant, hunted by tests/web/login/test_sign_out.py: once a session has ended, or its data were
forgotten, nothing that had begun before reads Spotify with its token, is kept, or is answered. So
the session is removed first; then, in one step of the loop, its listener's answers are stopped and
the fetch under way is withdrawn; and each token looks its session up again (`Token.confirm`) right
before Spotify is read, however long the request has waited in between.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace

from lyra.cache.listeners import ListenerCache
from lyra.errors import (
    ConsentRequiredError,
    ForgottenError,
    NotForgottenError,
    SessionEndedError,
)
from lyra.listening.models import Profile
from lyra.listening.parse import parse_profile
from lyra.secret_store import SecretStore
from lyra.settings import Settings
from lyra.spotify.client import SpotifyClient
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.oauth import (
    FURTHER_SCOPES,
    SCOPES,
    WRITING_SCOPES,
    AccountsClient,
    Grant,
    GrantError,
)
from lyra.spotify.token import GrantedToken, LoginToken, Token
from lyra.web.http.rate_limit import RateLimit
from lyra.web.login.outcomes import (
    BY_FAILURE,
    BY_GRANT,
    FurtherScopes,
    LoginError,
    classify_error,
    compare_scopes,
)
from lyra.web.login.session_store import PENDING_S, SESSION_S, Pending, Session
from lyra.web.login.token_renewal import TokenRenewer

Result = TypeVar("Result")

_VERIFIER_BYTES = 64


class FinishedLogin(NamedTuple):
    """The id of a new session; and, if more than SCOPES was asked for, whether all was granted."""

    session_id: str
    further: FurtherScopes | None


class LoginService:
    """The log-ins of one service. `terms`: what a listener consents to before Spotify is read.

    `forget_listening` ends a listener's answers and forgets what was read, for this token's identity.
    """

    def __init__(
        self,
        settings: Settings,
        accounts: AccountsClient,
        sessions: SecretStore[Session],
        pending: SecretStore[Pending],
        *,
        listeners: ListenerCache,
        spotify: SpotifyClient,
        forget_listening: Callable[[Token], Awaitable[bool]],
        forget_proposals: Callable[[Token], Awaitable[bool]],
        wall_clock: Callable[[], float],
        terms: str,
        by_account: RateLimit,
        by_address: RateLimit,
    ) -> None:
        self.terms = terms
        self._accounts = accounts
        self._sessions = sessions
        self._pending = pending
        self._listeners = listeners
        self._spotify = spotify
        self._forget_listening = forget_listening
        self._forget_proposals = forget_proposals
        self._wall_clock = wall_clock
        self._by_account = by_account
        self._by_address = by_address
        self._renewals = TokenRenewer(
            accounts,
            sessions,
            listeners,
            end=self.end,
            wall_clock=wall_clock,
            within_s=settings.spotify_timeout_s,
        )
        self._endings: set[asyncio.Task[Any]] = set()  # each takes at most as long as Redis may
        self._counts = {"begun_total": 0, "done_total": 0, "ended_total": 0}

    def stats(self) -> dict[str, int]:
        """Return counters (names in `_total`), and how many tokens are being renewed."""
        renewals = {"renewed_total": self._renewals.renewed_total, "renewing": len(self._renewals)}
        return {**self._counts, **renewals}

    async def begin(self, redirect_uri: str, address: str, *, purpose: str = "") -> tuple[str, str]:
        """Begin a log-in: return where to redirect the browser, and the state that it has to send back.

        A purpose that is in FURTHER_SCOPES asks for those scopes too; any other is passed over.

        Raises:
            SessionsUnavailableError: log-ins cannot be kept now.
        """
        verifier = secrets.token_urlsafe(_VERIFIER_BYTES)
        until = self._wall_clock() + PENDING_S
        owner = self._listeners.keys.address(address)
        scopes = (*SCOPES, *FURTHER_SCOPES.get(purpose, ()))
        state = await self._pending.add(Pending(verifier, redirect_uri, until, owner, scopes))
        self._counts["begun_total"] += 1
        self._accounts.prewarm()
        url = self._accounts.authorize_url(
            state=state, verifier=verifier, redirect_uri=redirect_uri, scopes=scopes
        )
        return url, state

    async def finish(
        self,
        *,
        state: str,
        code: str,
        error: str,
        address: str,
        replaces: str | None = None,
    ) -> FinishedLogin:
        """Finish a log-in: return the id of a new session, and end the one that it replaces.

        The state has to be one that this very browser has begun with. Until Spotify has said whose
        the new session is, the old one stays as it is, whatever fails.

        Raises:
            LoginError: the log-in has failed.
            TooManyRequestsError: this address or account finishes too many log-ins.
            SessionsUnavailableError: log-ins cannot be looked up now.
        """
        pending = await self._pending.take(state)
        if pending is None:
            raise LoginError("expired")
        if error or not code:
            raise LoginError(classify_error(error))
        self._by_address.spend(address)
        grant = await self._exchange(code, pending)
        profile = await self._read_profile(GrantedToken(grant.access_token))
        session = self._make_session(grant.scopes(requested=pending.scopes), grant, profile)
        self._by_account.spend(session.owner)
        session_id = await self._run_to_end(self._keep(session, replaces))
        self._listeners.clear_negative(session.token(self._wall_clock()))
        self._counts["done_total"] += 1
        return FinishedLogin(session_id, compare_scopes(pending.scopes, session.scopes))

    async def _keep(self, session: Session, replaces: str | None) -> str:
        """Keep a new session in place of the browser's old one, and return its id."""
        if replaces is not None:
            session = await self._replace(replaces, session)
        return await self._sessions.add(session)

    async def _replace(self, session_id: str, session: Session) -> Session:
        """End a browser's old session; return the new one with what it takes over from that.

        Of the same account it takes over the consent, unless that was signed out of meanwhile, and
        what is held of the listener stays, under the key that both sessions have. Where they have
        not, because other scopes read, nobody could name the old key any more. If the old session
        is another account's, that listener is forgotten.
        """
        old = await self._sessions.find(session_id)
        if old is None:
            return session
        if old.identity != session.identity and old.account != session.account:
            await self._end_session(session_id)
            return session
        try:
            taken = await self._sessions.take(session_id)
        finally:
            if old.identity != session.identity:
                await self._forget_listening(old.token(self._wall_clock()))
        if taken is None:
            return session
        return replace(session, agreed=taken.agreed, forgotten=taken.forgotten)

    async def _exchange(self, code: str, pending: Pending) -> Grant:
        try:
            return await self._accounts.exchange(
                code, verifier=pending.verifier, redirect_uri=pending.redirect_uri
            )
        except GrantError as failure:
            raise LoginError(BY_GRANT[failure.kind]) from None

    async def _read_profile(self, token: Token) -> Profile:
        """Return the profile that Spotify has for this token."""
        try:
            parsed = await self._spotify.reader(token).get("profile", parse_profile)
        except SpotifyFailure as failure:
            raise LoginError(BY_FAILURE.get(failure.code, "unavailable")) from None
        return parsed.items[0]

    def _make_session(self, scopes: tuple[str, ...], grant: Grant, profile: Profile) -> Session:
        now = self._wall_clock()
        access_until = now + grant.expires_in
        account = self._accounts.client_id, profile.id, profile.account_id or ""
        return Session(
            # The scopes too: data that one log-in may not read must not look missing to another.
            # Those that only write are left out: all stays where it is when they are asked for.
            identity=self._listeners.identity(*account, *sorted({*scopes} - WRITING_SCOPES)),
            account=self._listeners.identity(*account),
            name=None,
            scopes=scopes,
            access=grant.access_token,
            refresh=grant.refresh_token or "",
            issued_at=now,
            access_until=access_until,
            # A session that cannot be renewed ends with its token, not after thirty days of failures.
            until=now + SESSION_S if grant.refresh_token else access_until,
        )

    async def find_session(self, session_id: str) -> Session | None:
        """Return the session of this id, if there is one.

        Raises:
            SessionsUnavailableError: log-ins cannot be looked up now.
        """
        return await self._sessions.find(session_id)

    async def consent(self, session_id: str) -> None:
        """Record that this listener consents to the terms as they are now.

        Raises:
            SessionEndedError: there is no such session.
            SessionsUnavailableError: log-ins cannot be looked up now.
        """
        if (
            await self._sessions.change(session_id, lambda kept: replace(kept, agreed=self.terms))
            is None
        ):
            raise SessionEndedError

    async def end(self, session_id: str) -> None:
        """End this session: forget it and its listener's data, and end the listener's running answers.

        Afterwards nothing is read with its token, whatever had begun before, and no answer of its
        listener goes on. A caller that is cancelled while it waits stops none of this.

        Raises:
            SessionsUnavailableError: log-ins cannot be looked up now.
        """
        await self._run_to_end(self._end_session(session_id))

    async def forget(self, session_id: str) -> None:
        """Do the same but keep the session: later requests read Spotify anew.

        Raises:
            SessionEndedError: there is no such session.
            SessionsUnavailableError: log-ins cannot be looked up now.
            NotForgottenError: Redis does not take it. It is tried again, at no promised time.
        """
        await self._run_to_end(self._forget_data(session_id))

    async def _run_to_end(self, work: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.get_running_loop().create_task(work)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
        await asyncio.wait([task])  # a caller that is cancelled here does not cancel the work
        return task.result()

    async def _end_session(self, session_id: str) -> None:
        # Looked up before: Redis may remove it, and its reply be lost.
        session = await self._sessions.find(session_id)
        try:
            await self._sessions.take(session_id)
        finally:
            if session is not None:
                self._counts["ended_total"] += 1
                # What Redis does not take now stays pending: without its session nobody could ask again.
                await self._forget_listener(session)

    async def _forget_listener(self, session: Session) -> bool:
        """Forget all that is held of this listener; return False where Redis does not take it now."""
        token = session.token(self._wall_clock())
        cleared = await self._forget_listening(token)  # first: its answers stop in this very step
        return await self._forget_proposals(token) and cleared

    async def _forget_data(self, session_id: str) -> None:
        session = await self._sessions.change(
            session_id, lambda kept: replace(kept, forgotten=kept.forgotten + 1)
        )
        if session is None:
            raise SessionEndedError
        if not await self._forget_listener(session):
            raise NotForgottenError(retry_after_s=1)

    async def token(
        self, session_id: str, *, reads_spotify: bool, on_wait: Callable[[], None]
    ) -> LoginToken:
        """Return the token of this session's listener, renewed if Spotify is to be read.

        `on_wait` is called before Spotify is waited for.

        Raises:
            SessionEndedError: there is no such session, or Spotify has ended it.
            ConsentRequiredError: nothing may be read before the listener agrees.
            TryLaterError: the session is there, but cannot be looked up or renewed now.
        """
        session = await self._sessions.find(session_id)
        if session is None:
            raise SessionEndedError
        if reads_spotify:
            if session.agreed != self.terms:
                raise ConsentRequiredError
            if await self._renewals.is_due(session):
                on_wait()
                session = await self._renewals.renew(session_id, session)
        confirm = partial(self._confirm, session_id, session.forgotten)
        return session.token(self._wall_clock(), confirm=confirm)

    async def _confirm(self, session_id: str, forgotten: int) -> None:
        """See Token.confirm. In one process nothing runs between this look-up and what follows it."""
        session = await self._sessions.find(session_id)
        if session is None:
            raise SessionEndedError
        if session.forgotten != forgotten:
            raise ForgottenError(retry_after_s=1)

    async def close(self) -> None:
        """Wait for renewals and endings under way; each has its deadline."""
        await self._renewals.close()
        await asyncio.gather(*self._endings, return_exceptions=True)
