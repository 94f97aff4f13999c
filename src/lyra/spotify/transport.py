"""The transport: one request, its response read in full within its limits, or a failure."""

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

import aiohttp
from yarl import URL

from lyra.compression import inflate
from lyra.spotify.decipher import decipher
from lyra.spotify.endpoints import Endpoint, fill_path, method_of
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import Token
from lyra.upstream import ERROR_BODY_S, error_body

BODY_LIMIT = 1536 * 1024  # more than four times the largest answer seen
_ERROR_LIMIT = 8 * 1024
_SUCCESS = (200, 201)


class AttemptCounter:
    """A client middleware that counts what is sent.

    aiohttp sends a GET or a PUT a second time by itself when the connection breaks, and there is no
    switch for it (aio-libs/aiohttp#10790); only a middleware sees both. It never does so with a POST.
    """

    def __init__(self, sending: Callable[[], None]) -> None:
        self.sent = 0
        self._sending = sending

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        self.sent += 1
        self._sending()
        return await handler(request)


class RawResponse(NamedTuple):
    """A response with its body still compressed: to unpack it is work that can wait its turn."""

    status: int
    headers: Mapping[str, str]
    packed: bytes


class Transport:
    """Sends single requests to one base address; every fault becomes a SpotifyFailure."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        *,
        timeout_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self._error_body_s = min(ERROR_BODY_S, 0.2 * timeout_s)
        # sock_read notices silence, total a body that drips for ever. The TLS handshakes of many new
        # connections share one core: `connect` leaves room for them, or they would look like an outage.
        self._timeout = aiohttp.ClientTimeout(
            total=0.8 * timeout_s,
            connect=0.4 * timeout_s,
            sock_connect=0.2 * timeout_s,
            sock_read=0.4 * timeout_s,
        )

    async def send(
        self,
        endpoint: Endpoint,
        token: Token,
        *,
        tally: AttemptCounter,
        deadline: float,
        params: Mapping[str, str] | None = None,
        playlist: str | None = None,
        body: bytes | None = None,
    ) -> RawResponse:
        """Return the whole response; `deadline` is a time of the running loop's clock.

        `params` take the place of the path's own of the same names; `playlist` is the id in it.
        `body` is the JSON of a write.

        Raises:
            SpotifyFailure: there is none; it holds nothing of the request.
            ValueError: `playlist` is no id of a playlist.
        """
        url = URL(self._base_url + fill_path(endpoint, playlist)).update_query(params or {})
        try:
            async with asyncio.timeout_at(deadline):
                return await self._exchange(method_of(endpoint), url, token, tally, body)
        except (OSError, aiohttp.ClientError) as wrong:
            failure = explain(wrong)
        # Here and not in the block above, or the vendor's error would be this one's context.
        raise failure

    def read(self, answer: RawResponse) -> bytes:
        """Return the body of a 200 or 201.

        Raises:
            SpotifyFailure: the body is too large or broken, or it is another status.
        """
        limit = _limit(answer.status)
        body = _unpack(answer, limit)
        if len(body) > limit and limit == BODY_LIMIT:
            raise SpotifyFailure("too_large")
        return decipher(answer.status, answer.headers, body, now=self._clock())

    async def _exchange(
        self, method: str, url: URL, token: Token, tally: AttemptCounter, body: bytes | None
    ) -> RawResponse:
        json = {} if body is None else {"Content-Type": "application/json"}
        async with self._session.request(
            method,
            url,
            data=body,
            headers={"Authorization": f"Bearer {token.reveal()}", **json},
            allow_redirects=False,
            timeout=self._timeout,
            middlewares=(tally,),
        ) as response:
            packed = await self._receive(response)
            return RawResponse(response.status, response.headers, packed)

    async def _receive(self, response: aiohttp.ClientResponse) -> bytes:
        """Return the body as it is sent, up to a piece over the limit."""
        limit = _limit(response.status)
        if response.status not in _SUCCESS:
            return await error_body(response, most=limit, within_s=self._error_body_s)
        body = bytearray()
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > limit:
                response.close()
                break
        return bytes(body)


def _limit(status: int) -> int:
    """Return how much of the body is read: of an error only the beginning."""
    return BODY_LIMIT if status in _SUCCESS else _ERROR_LIMIT


def _unpack(answer: RawResponse, limit: int) -> bytes:
    """Return the body, at most a byte over the limit if it was packed."""
    if answer.headers.get("Content-Encoding", "identity").lower() == "identity":
        return answer.packed
    try:
        return inflate(answer.packed, limit + 1)
    except ValueError:
        if answer.status not in _SUCCESS:
            return b""  # the status says enough
    raise SpotifyFailure("truncated")


def explain(error: OSError | aiohttp.ClientError) -> SpotifyFailure:
    """Return the failure that this error of the network or of aiohttp means."""
    match error:
        case TimeoutError():
            return SpotifyFailure("timeout")
        case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch():
            return SpotifyFailure("tls")
        case aiohttp.ClientPayloadError():
            return SpotifyFailure("truncated")
        case _:
            return SpotifyFailure("connection")
