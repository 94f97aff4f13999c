"""Build the log-in service: over the memory of this process, or over the Redis that all share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from lyra.agent import Lyra
from lyra.chat.runs.registry import RunRegistry
from lyra.errors import SessionsUnavailableError
from lyra.metrics import Metrics
from lyra.secret_store import Kept, SecretStore, make_table
from lyra.settings import Settings
from lyra.spotify.oauth import open_accounts
from lyra.spotify.token import Token
from lyra.web.http.rate_limit import RateLimit
from lyra.web.login.login_service import LoginService
from lyra.web.login.session_store import Pending, Session

_SESSIONS_EACH = 10  # of one account, a session for each browser
_PENDING_SHARE = 10  # one address may have one of so many parts of all begun log-ins
_DONE_BY_ADDRESS = 5  # times the rate of one account, as with chats


@asynccontextmanager
async def open_logins(
    settings: Settings, lyra: Lyra, runs: RunRegistry, metrics: Metrics, *, terms: str
) -> AsyncIterator[LoginService | None]:
    """Open the service's log-ins; None without a client id. `terms`: what a listener consents to."""

    async def forget_listening(token: Token) -> bool:
        owner = lyra.listeners.key(token)
        runs.stop_all(owner)  # the fetch is withdrawn in the same step, before anything waits
        cleared = await lyra.listeners.clear(token)
        return await runs.end(owner) and cleared

    def open_store(
        kind: Literal["session", "login"], shape: type[Kept], max_per_owner: int
    ) -> SecretStore[Kept]:
        table = make_table(
            lyra.redis,
            kind,
            max_entries=settings.max_sessions,
            max_per_owner=max_per_owner,
            wall_clock=lyra.wall_clock,
        )
        return SecretStore(
            table,
            shape,
            secret=settings.secret if lyra.redis is not None else None,
            wall_clock=lyra.wall_clock,
            unavailable=SessionsUnavailableError,
        )

    def limit(times: int, reason: str) -> RateLimit:
        per_minute, entries = times * settings.rate_per_minute, settings.max_sessions
        return RateLimit(per_minute, entries=entries, clock=lyra.clock, reason=reason)

    pending_each = max(_SESSIONS_EACH, settings.max_sessions // _PENDING_SHARE)
    async with open_accounts(settings) as accounts:
        if accounts is None:
            yield None
            return
        logins = LoginService(
            settings,
            accounts,
            open_store("session", Session, _SESSIONS_EACH),
            open_store("login", Pending, pending_each),
            listeners=lyra.listeners,
            spotify=lyra.spotify,
            forget_listening=forget_listening,
            forget_proposals=lyra.forget_proposals,
            wall_clock=lyra.wall_clock,
            terms=terms,
            by_account=limit(1, "rate"),
            by_address=limit(_DONE_BY_ADDRESS, "address"),
        )
        metrics.register_callback("lyra_logins", logins.stats)
        try:
            yield logins
        finally:
            await logins.close()
