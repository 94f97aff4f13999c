"""The invented Web API over HTTP: who is asking, what goes wrong, and else the listener's data."""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from lyra.sandbox.accounts import Accounts
from lyra.sandbox.faults import Faults
from lyra.sandbox.listeners import Listener, Listeners
from lyra.sandbox.pages import ENDPOINTS, BadQueryError, Endpoint, render
from lyra.sandbox.playlist_contents import contents_page
from lyra.sandbox.search import search_page
from lyra.sandbox.spotify_errors import (
    BAD_TOKEN,
    NO_SCOPE,
    NOT_BEARER,
    NOT_FOUND,
    PERSONA_REPLIES,
    Reply,
    refusal,
)
from lyra.sandbox.stats import Stats
from lyra.sandbox.tokens import TOKEN68, SandboxToken, parse_token, token_digest

PATHS = (*ENDPOINTS.values(), "/v1/playlists/{id}/{name:items|tracks}", "/v1/search")

_OK = 200
_BY_PATH: dict[str, Endpoint] = {path: endpoint for endpoint, path in ENDPOINTS.items()}
_BY_PATH["/v1/search"] = "search"


class SpotifyApi:
    """Answers the Web API; `recorded` bodies, if given, replace the invented listeners."""

    def __init__(
        self,
        stats: Stats,
        listeners: Listeners,
        accounts: Accounts,
        faults: Faults,
        recorded: Mapping[Endpoint, bytes] | None = None,
    ) -> None:
        self._stats = stats
        self._listeners = listeners
        self._accounts = accounts
        self._faults = faults
        self._recorded = recorded

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request to one of the endpoints."""
        endpoint = _BY_PATH.get(request.path, "items")
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        self._stats.count(endpoint, token_digest(text) if text else None)
        if scheme and scheme.lower() != "bearer":
            return NOT_BEARER.response()
        if not TOKEN68.fullmatch(text):
            return BAD_TOKEN.response()
        if self._recorded is not None:
            return await self._replay(endpoint, self._recorded)
        token = self._token(text, endpoint)
        if isinstance(token, Reply):
            return token.response()
        return await self._invent(request, endpoint, token)

    def _token(self, text: str, endpoint: Endpoint) -> SandboxToken | Reply:
        """Who is asking: by a sandbox token, or by one that the accounts service has issued."""
        if (access := self._accounts.access(text)) is not None:
            return access.granted.listener if access.allows(endpoint) else NO_SCOPE
        try:
            return parse_token(text)
        except ValueError:
            return BAD_TOKEN

    async def _replay(
        self, endpoint: Endpoint, recorded: Mapping[Endpoint, bytes]
    ) -> web.StreamResponse:
        await self._faults.delay(endpoint)
        if endpoint not in recorded:
            return NOT_FOUND.response()
        return Reply(200, recorded[endpoint]).response()

    async def _invent(
        self, request: web.Request, endpoint: Endpoint, token: SandboxToken
    ) -> web.StreamResponse:
        struck = await self._faults.meet(endpoint, token)
        if token.persona in PERSONA_REPLIES:
            return PERSONA_REPLIES[token.persona].response()
        if struck is not None and struck.reply is not None:
            return struck.reply.response()
        listener = await self._listeners.get(token.seed, token.persona)
        try:
            reply = await _found(request, endpoint, listener, token.regime)
        except BadQueryError as error:
            return refusal(400, str(error)).response()
        if struck is not None and reply.status == _OK:
            return await self._faults.spoil(request, struck.name, reply.body)
        return reply.response()


async def _found(
    request: web.Request, endpoint: Endpoint, listener: Listener, regime: str
) -> Reply:
    """The answer where nothing goes wrong.

    Raises:
        BadQueryError: The query is out of bounds.
    """
    query = request.query
    if endpoint == "items":
        path = request.match_info
        return contents_page(path["id"], path["name"], query, listener, regime)
    if endpoint == "search":
        return Reply(200, await asyncio.to_thread(search_page, query, regime))
    return Reply(200, render(endpoint, query, listener, regime))
