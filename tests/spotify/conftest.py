"""A Spotify on 127.0.0.1 that answers by script and keeps a ledger, and a client for it."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.client import SpotifyClient, open_spotify

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Server = Callable[[web.Application], Awaitable[TestServer]]
Opener = Callable[..., AbstractAsyncContextManager[SpotifyClient]]


class FakeSpotify:
    """`script[path]` holds the next answers, the last of which stays; `calls` what was asked."""

    def __init__(self) -> None:
        self.script: defaultdict[str, list[Answer]] = defaultdict(list)
        self.calls: list[web.Request] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.calls.append(request)
        planned = self.script[request.path.removeprefix("/v1")]
        if not planned:
            return web.Response(body=b'{"items":[]}', content_type="application/json")
        return await (planned.pop(0) if len(planned) > 1 else planned[0])(request)


class NoJitter(Random):
    """Always the shortest wait, so that no test waits for a retry."""

    def uniform(self, a: float, b: float) -> float:
        return min(a, b)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def spotify(aiohttp_server: Server) -> FakeSpotify:
    fake = FakeSpotify()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.answer)
    server = await aiohttp_server(app)
    fake.url = str(server.make_url("/v1"))
    return fake


@pytest.fixture
def open_client(spotify: FakeSpotify, metrics: Metrics) -> Opener:
    @asynccontextmanager
    async def opened(timeout_s: float = 10, url: str = "") -> AsyncIterator[SpotifyClient]:
        settings = Settings(spotify_api_url=url or spotify.url, spotify_timeout_s=timeout_s)
        async with open_spotify(settings, metrics, rng=NoJitter()) as client:
            yield client

    return opened
