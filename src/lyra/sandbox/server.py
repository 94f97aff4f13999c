"""The sandbox as one HTTP server on the loopback interface."""

import asyncio
import ipaddress
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

import orjson
from aiohttp import web

from lyra.sandbox.accounts import CLIENTS, SCOPE_OF, Accounts
from lyra.sandbox.accounts_server import AccountsServer
from lyra.sandbox.clock import Clock
from lyra.sandbox.faults import Faults, Latency
from lyra.sandbox.listeners import Listeners, account_of
from lyra.sandbox.model_server import ModelServer
from lyra.sandbox.plays import SANDBOX_NOW
from lyra.sandbox.replay import read_recorded
from lyra.sandbox.spotify_api import ROUTES, SpotifyApi
from lyra.sandbox.spotify_errors import JSON, NO_SERVICE, Reply
from lyra.sandbox.stats import Stats
from lyra.sandbox.tokens import parse_token, sandbox_token
from lyra.sandbox.written_playlists import MadePlaylist, WrittenPlaylists

_MAX_BODY = 8 * 2**20
_SHUTDOWN_S = 1.0


class Sandbox:
    """An invented Spotify (Web API and accounts) and Anthropic Messages server on one port.

    Use it as an asynchronous context manager; the addresses hold inside.

    Args:
        port: 0 takes a free one.
        latency: Milliseconds of the quickest endpoint (`me`) and of the slowest (`recent`), for
            tokens without a `lat` fault of their own; None answers at once.
        token_ms: Milliseconds between two words of the model.
        replay: A folder of recorded answers to serve in place of invented listeners.
        host: A loopback address.
        now: The moment at which the listeners' play logs end and `clock` starts.
        clients: The redirect addresses that each client id may be sent back to.

    Raises:
        ValueError: The host is not a loopback address, or a redirect address is one that Spotify
            would refuse; or, on entering, the folder is of no use.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        latency: Latency | None = None,
        token_ms: int = 0,
        replay: Path | None = None,
        host: str = "127.0.0.1",
        now: datetime = SANDBOX_NOW,
        clients: Mapping[str, Sequence[str]] = CLIENTS,
    ) -> None:
        self._host = _loopback(host)
        self._port = port
        self._replay = replay
        self._stopping = asyncio.Event()
        self.clock = Clock(now)
        self._accounts = Accounts(self.clock, clients)
        self._faults = Faults(self._stopping, self.clock, latency)
        self._listeners = Listeners(now)
        self._written = WrittenPlaylists(self.clock)
        self._runner: web.AppRunner | None = None
        self.stats = Stats()
        self._model = ModelServer(self.stats, self._stopping, token_ms)

    @property
    def url(self) -> str:
        """Where the sandbox listens, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def api_url(self) -> str:
        """The base URL of the invented Web API."""
        return f"{self.url}/v1"

    @property
    def accounts_url(self) -> str:
        """The base URL of the invented accounts service: `/authorize` and `/api/token` follow."""
        return f"{self.url}/accounts"

    @property
    def llm_url(self) -> str:
        """The base URL of the invented Messages API, as Anthropic's clients take it."""
        return self.url

    def log_in(
        self, listener: str | None = None, scope: str = " ".join(sorted(set(SCOPE_OF.values())))
    ) -> dict[str, Any]:
        """Tokens for this listener (a sandbox token) as after a login, in the form of its answer.

        Raises:
            ValueError: The listener is not a sandbox token, or one of the scopes is unknown.
        """
        return self._accounts.log_in(listener or sandbox_token(), scope)

    def made_playlists(self, listener: str | None = None) -> list[MadePlaylist]:
        """The playlists that clients have made for this listener (a sandbox token), oldest first.

        Raises:
            ValueError: The listener is not a sandbox token.
        """
        token = parse_token(listener or sandbox_token())
        return self._written.made_by(account_of(token.seed, token.persona))

    async def model_closed(self, count: int = 1) -> None:
        """Return once this many model calls have ended, in whatever way."""
        await self.stats.until(lambda stats: stats.model_closed >= count)

    async def __aenter__(self) -> Self:
        recorded = None
        if self._replay is not None:
            recorded = await asyncio.to_thread(read_recorded, self._replay)
        api = SpotifyApi(
            self.stats,
            self._listeners,
            self._accounts,
            self._faults,
            written=self._written,
            recorded=recorded,
        )
        # Without handler_cancellation a silent stream would not notice that its client left.
        runner = web.AppRunner(
            self._application(api),
            handler_cancellation=True,
            access_log=None,
            shutdown_timeout=_SHUTDOWN_S,
        )
        await runner.setup()
        self._runner = runner
        try:
            await web.TCPSite(runner, self._host, self._port, backlog=1024).start()
        except OSError:
            await runner.cleanup()
            raise
        self._port = runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()

    def _application(self, api: SpotifyApi) -> web.Application:
        application = web.Application(client_max_size=_MAX_BODY)
        for (method, path), endpoint in ROUTES.items():
            handler = partial(api.answer, endpoint=endpoint)
            application.router.add_route(method, path, handler)
        accounts = AccountsServer(self._accounts, self._faults, self.stats)
        application.router.add_get("/accounts/authorize", accounts.authorize)
        application.router.add_post("/accounts/api/token", accounts.token)
        application.router.add_post("/v1/messages", self._model.answer)
        application.router.add_get("/__sandbox/stats", self._show_stats)
        application.router.add_delete("/__sandbox/stats", self._reset_stats)
        application.router.add_get("/__sandbox/clock", self._show_clock)
        application.router.add_post("/__sandbox/clock", self._advance_clock)
        application.router.add_get("/__sandbox/elsewhere", self._elsewhere)
        application.router.add_route("*", "/{path:.*}", _nothing_here)
        return application

    async def _show_stats(self, _: web.Request) -> web.Response:
        body = orjson.dumps(self.stats.as_dict())
        return web.Response(body=body, content_type="application/json")

    async def _reset_stats(self, _: web.Request) -> web.Response:
        self.stats.reset()
        return web.Response(status=204)

    async def _show_clock(self, _: web.Request) -> web.Response:
        return web.Response(
            body=orjson.dumps({"now": self.clock.now}), content_type="application/json"
        )

    async def _advance_clock(self, request: web.Request) -> web.Response:
        try:
            self.clock.advance(float(request.query.get("advance", "")))
        except ValueError:
            return web.Response(status=400, text="advance: give a number of seconds, 0 or more")
        return await self._show_clock(request)

    async def _elsewhere(self, request: web.Request) -> web.Response:
        self.stats.count_followed(with_token="Authorization" in request.headers)
        return Reply(200, b'{"id":"elsewhere","items":[]}', JSON).response()


async def _nothing_here(_: web.Request) -> web.Response:
    return NO_SERVICE.response()


def _loopback(host: str) -> str:
    """The address to bind; everything here is invented and unprotected, so never a public one."""
    address = "127.0.0.1" if host == "localhost" else host
    try:
        local = ipaddress.ip_address(address).is_loopback
    except ValueError:
        local = False
    if not local:
        raise ValueError(f"the sandbox listens on loopback addresses only, not on {host!r}")
    return address
