"""Spotify's accounts service as Lyra uses it: Authorization Code with PKCE, and refresh.

https://developer.spotify.com/documentation/web-api/tutorials/code-pkce-flow
"""

import asyncio
import logging
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from itertools import chain
from types import MappingProxyType
from typing import Annotated, Literal
from urllib.parse import urlencode

import aiohttp
import msgspec

from lyra import __version__
from lyra.clocks import wall_clock
from lyra.settings import Settings
from lyra.spotify.decipher import retry_after
from lyra.spotify.prewarm import ConnectionPrewarmer
from lyra.spotify.resolver import Resolver
from lyra.spotify.token import Token
from lyra.upstream import ERROR_BODY_S, error_body

log = logging.getLogger(__name__)

SCOPES = (
    "user-top-read",
    "user-read-recently-played",
    "playlist-read-private",
    "playlist-read-collaborative",
)
# What is asked for beyond SCOPES, by the purpose, once a listener wants it: all of these let write.
FURTHER_SCOPES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "playlists": ("playlist-modify-private",),
        "public_playlists": ("playlist-modify-private", "playlist-modify-public"),
    }
)
WRITING_SCOPES = frozenset(chain.from_iterable(FURTHER_SCOPES.values()))
_BODY_LIMIT = 65_536
_OK, _REFUSALS = 200, (400, 401)
_Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]

GrantFailure = Literal["refused", "misconfigured", "unavailable"]


class GrantError(Exception):
    """No tokens were granted; holds nothing of the request or of the response.

    `refused`: this code or refresh token is no good, and never will be. `misconfigured`: the client
    id or the redirect address is. `unavailable`: the same may go well later.
    """

    def __init__(self, kind: GrantFailure, *, retry_after_s: float | None = None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.retry_after_s = retry_after_s


class Grant(msgspec.Struct, frozen=True):
    """The tokens that a code or a refresh token was exchanged for."""

    access_token: _Secret
    token_type: str
    expires_in: Annotated[int, msgspec.Meta(ge=1, le=86_400)]
    refresh_token: _Secret | None = None
    scope: Annotated[str, msgspec.Meta(max_length=2048)] | None = None

    def __repr__(self) -> str:
        return "Grant(***)"

    def scopes(self, requested: Iterable[str]) -> tuple[str, ...]:
        """Return the granted scopes, sorted; the requested ones, if Spotify does not say."""
        return tuple(sorted(set(requested if self.scope is None else self.scope.split())))


class _Refusal(msgspec.Struct):
    error: str = ""


class AccountsClient:
    """Speaks to one accounts service for one client id; every fault becomes a GrantError."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        client_id: str,
        clock: Callable[[], float],
        *,
        timeout_s: float,
    ) -> None:
        self.client_id = client_id
        self._http = http
        self._error_body_s = min(ERROR_BODY_S, 0.2 * timeout_s)
        self._url = url.rstrip("/")
        self._clock = clock
        self._pool = ConnectionPrewarmer("Spotify's accounts service", http, url, 1)
        self._opening: asyncio.Task[bool] | None = None

    def prewarm(self) -> None:
        """Open a connection for the code that a browser brings in a moment.

        Only when a log-in begins: a POST is never sent again, and a connection that idles for
        longer may be closing when it is used.
        """
        if self._opening is None or self._opening.done():
            self._opening = asyncio.get_running_loop().create_task(self._pool.renew())

    async def close(self) -> None:
        """Stop opening connections."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])

    def authorize_url(
        self, *, state: str, verifier: str, redirect_uri: str, scopes: Iterable[str] = SCOPES
    ) -> str:
        """Return the address at which the listener is asked to consent to these scopes."""
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": redirect_uri,
            "scope": " ".join(scopes),
            "state": state,
            "code_challenge_method": "S256",
            "code_challenge": challenge,
        }
        return f"{self._url}/authorize?{urlencode(query)}"

    async def exchange(self, code: str, *, verifier: str, redirect_uri: str) -> Grant:
        """Return the tokens for a code.

        Raises:
            GrantError: there are none.
        """
        return await self._request_grant(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": redirect_uri,
                "code_verifier": verifier,
            }
        )

    async def refresh(self, refresh_token: str) -> Grant:
        """Return new tokens; the refresh token that is sent may be invalid from then on.

        Raises:
            GrantError: there are none. Even after `unavailable` the old one may be invalid.
        """
        return await self._request_grant(
            {"grant_type": "refresh_token", "refresh_token": refresh_token}
        )

    async def _request_grant(self, form: Mapping[str, str]) -> Grant:
        try:
            status, headers, body = await self._post({**form, "client_id": self.client_id})
        except (OSError, aiohttp.ClientError) as wrong:
            log.warning("Spotify's accounts service fails: %s", type(wrong).__name__)
            failure = GrantError("unavailable")
        else:
            grant = _parse_grant(body) if status == _OK else None
            if grant is not None:
                return grant
            failure = _failure(status, body, retry_after(headers, self._clock()))
            log.warning("Spotify's accounts service answers %d: %s", status, failure.kind)
        # Not in the block above: the vendor's error, which holds the form, would be its context.
        raise failure

    async def _post(self, form: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        url = f"{self._url}/api/token"
        async with self._http.post(url, data=form, allow_redirects=False) as response:
            if response.status != _OK:
                said = await error_body(response, most=_BODY_LIMIT, within_s=self._error_body_s)
                return response.status, response.headers, said
            body = bytearray()
            async for piece in response.content.iter_any():
                body += piece
                if len(body) > _BODY_LIMIT:
                    response.close()
                    return response.status, response.headers, b""
            return response.status, response.headers, bytes(body)


def _parse_grant(body: bytes) -> Grant | None:
    try:
        grant = msgspec.json.decode(body, type=Grant)
        Token(grant.access_token)
    except (ValueError, RecursionError):
        return None
    return grant if grant.token_type.lower() == "bearer" else None


def _failure(status: int, body: bytes, retry_after_s: float | None) -> GrantError:
    if status not in _REFUSALS:
        return GrantError("unavailable", retry_after_s=retry_after_s)
    try:
        error = msgspec.json.decode(body, type=_Refusal).error
    except (ValueError, RecursionError):
        return GrantError("unavailable")
    if error == "invalid_grant":
        return GrantError("refused")
    return GrantError("misconfigured" if error else "unavailable")


@asynccontextmanager
async def open_accounts(settings: Settings) -> AsyncIterator[AccountsClient | None]:
    """Give the client for the log-in; None without a client id. Close its connections at the end."""
    if settings.spotify_client_id is None:
        yield None
        return
    within_s = 0.8 * settings.spotify_timeout_s
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=Resolver()),
        timeout=aiohttp.ClientTimeout(total=within_s, sock_connect=within_s / 2),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"lyra/{__version__}", "Accept": "application/json"},
        raise_for_status=False,
        trust_env=False,
    ) as http:
        url = settings.spotify_accounts_url
        client = AccountsClient(
            http,
            url,
            settings.spotify_client_id,
            wall_clock,
            timeout_s=settings.spotify_timeout_s,
        )
        try:
            yield client
        finally:
            await client.close()
