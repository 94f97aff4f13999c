"""A search on 127.0.0.1 over a small invented catalogue, and the real client before it."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from zlib import crc32

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from lyra.cache.keys import Key, KeyMaker
from lyra.catalogue.budgets import AnswerBudget, SearchBudgets
from lyra.catalogue.items import Item
from lyra.catalogue.queries import Query
from lyra.catalogue.search import CatalogueSearch
from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.client import open_spotify
from lyra.spotify.token import Token
from tests.spotify.conftest import NoJitter

Server = Callable[[web.Application], Awaitable[TestServer]]
Json = dict[str, Any]
_FILTER = re.compile(r'(\w+):"([^"]*)"')


def track(name: str, *artists: str, album: str = "Maps", released: str = "2019-05-01") -> Json:
    """A track as a search shows it."""
    number = crc32(repr((name, artists)).encode())
    return {
        "type": "track",
        "id": f"{number:022}",
        "uri": f"spotify:track:{number:022}",
        "external_urls": {"spotify": f"https://open.spotify.com/track/{number:022}"},
        "name": name,
        "artists": [{"id": None, "name": each} for each in artists],
        "album": {"name": album, "release_date": released, "images": [PICTURE]},
        "duration_ms": 200_000,
    }


PICTURE = {"url": "https://i.scdn.co/image/tide", "height": 64, "width": 64}


class FakeSearch:
    """Answers `/v1/search` from `catalogue`, best first; `asked` holds the queries, in order.

    `faults` are the next answers by status. While `gate` is not set, answers wait for it.
    """

    def __init__(self) -> None:
        self.catalogue: list[Json | None] = []
        self.asked: list[str] = []
        self.tokens: list[str] = []
        self.faults: list[int] = []
        self.refused: set[str] = set()  # tokens that get a 401
        self.at_once = 0  # the most requests that were under way together
        self._running = 0
        self.left = asyncio.Event()  # a client went before its answer
        self._changed = asyncio.Condition()
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""

    async def wait_asked(self, times: int) -> None:
        """Wait until so many queries have come."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.asked) >= times)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self._running += 1
        self.at_once = max(self.at_once, self._running)
        try:
            return await self._answer(request)
        finally:
            self._running -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        async with self._changed:
            self.asked.append(request.query["q"])
            self._changed.notify_all()
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.tokens.append(token)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.left.set()
            raise
        if token in self.refused:
            return web.json_response({"error": {"status": 401, "message": "expired"}}, status=401)
        if self.faults:
            return web.Response(status=self.faults.pop(0))
        kind = request.query["type"]
        shown = [each for each in self.catalogue if _shows(each, request.query["q"], kind)]
        return web.json_response({f"{kind}s": {"items": shown[:10], "total": len(shown)}})


def _shows(each: Json | None, query: str, kind: str) -> bool:
    if each is None:
        return True
    if each["type"] != kind:
        return False
    texts = {kind: each["name"], "artist": " ".join(one["name"] for one in each["artists"])}
    filters = _FILTER.findall(query)
    if filters:
        return all(words.casefold() in texts[field].casefold() for field, words in filters)
    text = " ".join(texts.values()).casefold()
    return all(word in text for word in query.casefold().split())


class Clock:
    """A clock that tests turn; in seconds."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


class Searches:
    """The searches of one process, with their keys and budgets."""

    def __init__(self, search: CatalogueSearch, budgets: SearchBudgets) -> None:
        self.search = search
        self.budgets = budgets

    def budget(self, listener: str = "one") -> AnswerBudget:
        return self.budgets.open_answer(Key(listener))

    def start(self, listener: str, query: Query) -> asyncio.Task[tuple[Item, ...]]:
        """Begin a search of this listener's; the test awaits or cancels it."""
        asking = self.search.search(token(listener), query, self.budget(listener))
        return asyncio.get_running_loop().create_task(asking)


OpenSearches = Callable[..., AbstractAsyncContextManager[Searches]]


def token(listener: str = "one") -> Token:
    return Token(f"token-of-listener-{listener}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def spotify(aiohttp_server: Server) -> FakeSearch:
    fake = FakeSearch()
    app = web.Application()
    app.router.add_get("/v1/search", fake.answer)
    server = await aiohttp_server(app)
    fake.url = str(server.make_url("/v1"))
    return fake


@pytest.fixture
def open_searches(spotify: FakeSearch, clock: Clock) -> OpenSearches:
    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Searches]:
        read = Settings(spotify_api_url=spotify.url, **settings)
        async with open_spotify(read, Metrics(), rng=NoJitter()) as client:
            budgets = SearchBudgets(read, entries=100, wall_clock=clock)
            search = CatalogueSearch(client, KeyMaker("x" * 32), budgets, clock=clock)
            try:
                yield Searches(search, budgets)
            finally:
                await search.close()

    return opened
