"""Connections that are open before the first listener comes, counted by the other side."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.client import SpotifyClient, open_spotify
from lyra.spotify.endpoints import PATHS
from lyra.spotify.token import Token

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Door(asyncio.Protocol):
    """The server's end of a connection; `all` has every one that was ever opened."""

    all: list["Door"]

    def __init__(self) -> None:
        self.received = b""
        self.closed = asyncio.Event()
        self.all.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        if data.endswith(b"\r\n\r\n"):
            self.transport.write(ANSWER)

    def connection_lost(self, _: Exception | None) -> None:
        self.closed.set()


@asynccontextmanager
async def spotify(port: int = 0) -> AsyncIterator[tuple[str, list[Door]]]:
    """A Spotify's address, and the connections to it."""
    doors: list[Door] = []
    kind = type("Here", (Door,), {"all": doors})
    server = await asyncio.get_running_loop().create_server(kind, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", doors
    finally:
        server.close()
        for door in doors:
            door.transport.abort()


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[SpotifyClient]:
    settings = Settings(spotify_api_url=url)
    async with open_spotify(settings, Metrics(), rng=Random(3)) as client:
        yield client


async def read_all(client: SpotifyClient) -> None:
    reader = client.reader(Token("listener-one-token"))
    async with asyncio.TaskGroup() as group:
        for endpoint in PATHS:
            group.create_task(reader.get(endpoint, bytes))


async def test_the_first_listener_uses_a_prewarmed_unused_connection() -> None:
    async with spotify() as (url, doors), client_of(url) as client:
        assert await client.prewarmer.renew()
        assert [door.received for door in doors] == [b""] * len(PATHS)

        await read_all(client)

        assert len(doors) == len(PATHS)
        assert all(door.received.startswith(b"GET /v1/me") for door in doors)


async def test_looking_after_them_opens_none_while_they_last() -> None:
    async with spotify() as (url, doors), client_of(url) as client:
        for _ in range(3):
            assert await client.prewarmer.renew()

        assert len(doors) == len(PATHS)


async def test_what_the_other_side_has_closed_is_opened_anew() -> None:
    async with spotify() as (url, doors), client_of(url) as client:
        await client.prewarmer.renew()
        for door in doors[:2]:
            door.transport.close()
            await door.closed.wait()
        while sum(not door.closed.is_set() for door in doors) < len(PATHS):
            assert await client.prewarmer.renew()

        await read_all(client)

        assert len(doors) == len(PATHS) + 2


async def test_an_address_where_nobody_answers_is_one_line_in_the_log(
    unused_tcp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/v1"
    with caplog.at_level(logging.INFO):
        async with client_of(url) as client:
            assert [await client.prewarmer.renew() for _ in range(2)] == [False, False]
            async with spotify(unused_tcp_port) as (_, doors):
                assert await client.prewarmer.renew()

                assert len(doors) == len(PATHS)

    assert caplog.messages == ["no connection to Spotify can be opened now (connection)"]
