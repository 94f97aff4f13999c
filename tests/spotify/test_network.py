"""What a server of ours cannot do: names that do not resolve, and certificates that are wrong.

aioresponses 0.7.9 needs a cure on aiohttp 3.14 (pnuckowski/aioresponses#289).
"""

import socket
import ssl
from collections.abc import AsyncIterator
from random import Random
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from aioresponses import aioresponses

from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.client import SpotifyClient, open_spotify
from lyra.spotify.endpoints import PATHS
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import Token

API = "https://api.spotify.invalid/v1"
CANARY = "canary-token-of-a-listener"
KEY = ConnectionKey("api.spotify.invalid", 443, True, True, None, None, None)


class CuredResponse(aiohttp.ClientResponse):
    """The answer class that aioresponses should make."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", SimpleNamespace(output_size=0))
        super().__init__(*args, **kwargs)


@pytest.fixture
async def network(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """A network that does what a test says."""
    monkeypatch.setattr("aioresponses.core.ClientResponse", CuredResponse)
    # It would copy the client and its event loop along with the request that it notes down.
    monkeypatch.setattr("aioresponses.core.copy", SimpleNamespace(deepcopy=lambda kept: kept))
    with aioresponses() as mocked:
        yield mocked


@pytest.fixture
async def client() -> AsyncIterator[SpotifyClient]:
    settings = Settings(spotify_api_url=API, spotify_timeout_s=5)
    async with open_spotify(settings, Metrics(), rng=Random(7)) as opened:
        yield opened


async def read(client: SpotifyClient) -> bytes:
    return await client.reader(Token(CANARY)).get("profile", bytes)


async def test_the_cure_works(network: Any, client: SpotifyClient) -> None:
    network.get(API + PATHS["profile"], body=b'{"id": "vesna"}')

    assert await read(client) == b'{"id": "vesna"}'


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "unknown")), "connection"),
        (aiohttp.ClientConnectorError(KEY, OSError(113, "No route")), "connection"),
        (aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError("expired")), "tls"),
        (aiohttp.ClientConnectorSSLError(KEY, OSError("handshake")), "tls"),
        (aiohttp.ServerDisconnectedError(), "connection"),
        (aiohttp.ConnectionTimeoutError(), "timeout"),
        (ConnectionResetError(104, "reset"), "connection"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
async def test_a_fault_of_the_network_is_a_failure_without_the_token(
    network: Any, client: SpotifyClient, error: Exception, code: str
) -> None:
    network.get(API + PATHS["profile"], exception=error, repeat=True)
    with pytest.raises(SpotifyFailure) as failed:
        await read(client)

    assert failed.value.code == code
    assert CANARY not in repr(vars(failed.value)) + str(failed.value)


async def test_a_bad_certificate_is_never_tried_again(network: Any, client: SpotifyClient) -> None:
    bad = aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError("expired"))
    network.get(API + PATHS["profile"], exception=bad, repeat=True)
    with pytest.raises(SpotifyFailure):
        await read(client)

    assert sum(map(len, network.requests.values())) == 1
