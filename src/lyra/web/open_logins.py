"""Builds what the log-in needs: in this process alone, or in the Redis that all share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from lyra.agent import Lyra
from lyra.chat.runs import Runs
from lyra.metrics import Metrics
from lyra.redis.sessions import SharedSessions
from lyra.settings import Settings
from lyra.spotify.accounts import open_accounts
from lyra.spotify.token import Token
from lyra.web.logins import Logins
from lyra.web.session_table import MemoryTable, Table
from lyra.web.sessions import Pending, Session, Vault


@asynccontextmanager
async def open_logins(
    settings: Settings, lyra: Lyra, runs: Runs, metrics: Metrics, *, terms: str
) -> AsyncIterator[Logins | None]:
    """The log-ins of the service; None without a client id. `terms` names the model."""

    async def forget(token: Token) -> None:
        await lyra.listeners.clear(token)
        await runs.forget(lyra.listeners.key(token))

    def table(kind: Literal["session", "login"]) -> Table:
        most = settings.max_sessions
        if lyra.redis is None:
            return MemoryTable(most, lyra.wall_clock)
        return SharedSessions(lyra.redis, kind, most=most, wall_clock=lyra.wall_clock)

    secret = settings.secret if lyra.redis is not None else None
    async with open_accounts(settings) as accounts:
        if accounts is None:
            yield None
            return
        logins = Logins(
            settings,
            accounts,
            Vault(table("session"), Session, secret=secret, wall_clock=lyra.wall_clock),
            Vault(table("login"), Pending, secret=secret, wall_clock=lyra.wall_clock),
            listeners=lyra.listeners,
            spotify=lyra.spotify,
            forget=forget,
            wall_clock=lyra.wall_clock,
            terms=f"{terms} {settings.llm_context}",
        )
        metrics.watch("lyra_logins", logins.stats)
        try:
            yield logins
        finally:
            await logins.close()
