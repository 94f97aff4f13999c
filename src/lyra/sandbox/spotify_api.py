"""The invented Web API over HTTP: who is asking, what goes wrong, and else the listener's data."""

import asyncio
from collections.abc import Collection, Mapping
from typing import NamedTuple

from aiohttp import web

from lyra.sandbox.accounts import SCOPES, Accounts, allows, withheld_scopes
from lyra.sandbox.catalogue import track_of
from lyra.sandbox.faults import Faults, Struck
from lyra.sandbox.listeners import Listener, Listeners
from lyra.sandbox.pages import ENDPOINTS, WRITES, BadQueryError, Endpoint, render
from lyra.sandbox.playlist_contents import contents_page
from lyra.sandbox.playlist_writes import Write, create_playlist, edit_playlist
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
from lyra.sandbox.written_playlists import WrittenPlaylists

_CONTENTS = "/v1/playlists/{id}/{name:items|tracks}"
# Which endpoint answers a method at a path; `user` is where playlists were made before 2026.
ROUTES: Mapping[tuple[str, str], Endpoint] = {
    **{("GET", path): endpoint for endpoint, path in ENDPOINTS.items()},
    ("GET", _CONTENTS): "items",
    ("GET", "/v1/search"): "search",
    ("POST", "/v1/me/playlists"): "create",
    ("POST", "/v1/users/{user}/playlists"): "create",
    ("PUT", _CONTENTS): "replace",
    ("POST", _CONTENTS): "add",
}

_DONE = (200, 201)


class _Caller(NamedTuple):
    token: SandboxToken
    scopes: Collection[str]


class SpotifyApi:
    """Answers the Web API; `recorded` bodies, if given, replace the invented listeners."""

    def __init__(
        self,
        stats: Stats,
        listeners: Listeners,
        accounts: Accounts,
        faults: Faults,
        *,
        written: WrittenPlaylists,
        recorded: Mapping[Endpoint, bytes] | None = None,
    ) -> None:
        self._stats = stats
        self._listeners = listeners
        self._accounts = accounts
        self._faults = faults
        self._written = written
        self._recorded = recorded

    async def answer(self, request: web.Request, endpoint: Endpoint) -> web.StreamResponse:
        """Answer one request to this endpoint."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        self._stats.count(endpoint, token_digest(text) if text else None)
        if scheme and scheme.lower() != "bearer":
            return NOT_BEARER.response()
        if not TOKEN68.fullmatch(text):
            return BAD_TOKEN.response()
        if self._recorded is not None:
            return await self._replay(endpoint, self._recorded)
        caller = self._caller(text)
        if caller is None:
            return BAD_TOKEN.response()
        if not allows(endpoint, caller.scopes):
            return NO_SCOPE.response()
        return await self._invent(request, endpoint, caller)

    def _caller(self, text: str) -> _Caller | None:
        """Who is asking: by a sandbox token, or by one that the accounts service has issued."""
        if (access := self._accounts.access(text)) is not None:
            return _Caller(access.granted.listener, access.granted.scopes)
        try:
            token = parse_token(text)
        except ValueError:
            return None
        return _Caller(token, SCOPES - withheld_scopes(token))

    async def _replay(
        self, endpoint: Endpoint, recorded: Mapping[Endpoint, bytes]
    ) -> web.StreamResponse:
        await self._faults.delay(endpoint)
        if endpoint not in recorded:
            return NOT_FOUND.response()
        return Reply(200, recorded[endpoint]).response()

    async def _invent(
        self, request: web.Request, endpoint: Endpoint, caller: _Caller
    ) -> web.StreamResponse:
        token = caller.token
        struck = await self._faults.meet(endpoint, token)
        if token.persona in PERSONA_REPLIES:
            return PERSONA_REPLIES[token.persona].response()
        if struck.reply is not None and not struck.writes:
            return struck.reply.response()
        try:
            reply = await self._found(request, endpoint, caller, struck)
        except BadQueryError as error:
            return refusal(400, str(error)).response()
        if struck.reply is not None:
            return struck.reply.response()
        if struck.name and reply.status in _DONE:
            return await self._faults.spoil(request, struck.name, reply.body)
        return reply.response()

    async def _found(
        self, request: web.Request, endpoint: Endpoint, caller: _Caller, struck: Struck
    ) -> Reply:
        """The answer where nothing goes wrong.

        Raises:
            BadQueryError: The query or the body is not what the endpoint takes.
        """
        token, query = caller.token, request.query
        if endpoint == "search":
            return Reply(200, await asyncio.to_thread(search_page, query, token.regime))
        listener = await self._listeners.get(token.seed, token.persona)
        if endpoint in WRITES:
            return await self._write(request, endpoint, caller, listener, struck)
        if endpoint == "items":
            if not self._written.empty:
                await asyncio.to_thread(track_of, "")  # the first look takes half a second
            path = request.match_info
            return contents_page(
                path["id"], path["name"], query, listener, token.regime, written=self._written
            )
        if endpoint == "playlists":
            listener = self._written.seen(listener)
        return Reply(200, render(endpoint, query, listener, token.regime))

    async def _write(
        self,
        request: web.Request,
        endpoint: Endpoint,
        caller: _Caller,
        listener: Listener,
        struck: Struck,
    ) -> Reply:
        write = Write(
            path=request.match_info,
            query=request.query,
            body=await request.read(),
            listener=listener,
            regime=caller.token.regime,
            scopes=caller.scopes,
            late_s=struck.late_s,
            half=struck.extent == "half",
        )
        if not struck.writes:
            return Reply(200)
        if endpoint == "create":
            reply = create_playlist(write, self._written)
        else:
            reply = edit_playlist(write, self._written, replaces=endpoint == "replace")
        if reply.status in _DONE:
            self._stats.count_written(endpoint)
        return reply
