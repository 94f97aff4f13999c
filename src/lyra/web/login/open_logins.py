"""Builds what the log-in needs: in this process alone, or in the Redis that all share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from lyra.agent import Lyra
from lyra.chat.runs.registry import RunRegistry
from lyra.metrics import Metrics
from lyra.redis.session_store import SharedSessions
from lyra.settings import Settings
from lyra.spotify.oauth import open_accounts
from lyra.spotify.token import Token
from lyra.web.http.rate_limit import RateLimit
from lyra.web.login.login_service import LoginService
from lyra.web.login.session_store import Pending, Session, SessionStore
from lyra.web.login.session_table import MemoryTable, Table

_SESSIONS_EACH = 10  # browsers of one account
_PENDING_SHARE = 10  # of all log-ins that have begun, one address may have this part
_DONE_BY_ADDRESS = 5  # times what one account may, as with questions


@asynccontextmanager
async def open_logins(
    settings: Settings, lyra: Lyra, runs: RunRegistry, metrics: Metrics, *, terms: str
) -> AsyncIterator[LoginService | None]:
    """The log-ins of the service; None without a client id. `terms`: what a listener agrees to."""

    async def forget(token: Token) -> bool:
        owner = lyra.listeners.key(token)
        runs.stop_all(owner)  # in this very step the fetch is withdrawn too, before anything waits
        cleared = await lyra.listeners.clear(token)
        return await runs.end(owner) and cleared

    def table(kind: Literal["session", "login"], most_each: int) -> Table:
        most = settings.max_sessions
        if lyra.redis is None:
            return MemoryTable(most, lyra.wall_clock, most_each=most_each)
        return SharedSessions(
            lyra.redis, kind, max_entries=most, max_per_owner=most_each, wall_clock=lyra.wall_clock
        )

    def limit(times: int, reason: str) -> RateLimit:
        per_minute, entries = times * settings.rate_per_minute, settings.max_sessions
        return RateLimit(per_minute, entries=entries, clock=lyra.clock, reason=reason)

    secret = settings.secret if lyra.redis is not None else None
    sessions = table("session", _SESSIONS_EACH)
    pending = table("login", max(_SESSIONS_EACH, settings.max_sessions // _PENDING_SHARE))
    async with open_accounts(settings) as accounts:
        if accounts is None:
            yield None
            return
        logins = LoginService(
            settings,
            accounts,
            SessionStore(sessions, Session, secret=secret, wall_clock=lyra.wall_clock),
            SessionStore(pending, Pending, secret=secret, wall_clock=lyra.wall_clock),
            listeners=lyra.listeners,
            spotify=lyra.spotify,
            forget=forget,
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
