"""Spotify in virtual time, below the real client; and a ledger of the searches that reach the client."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from random import Random
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import aiohttp
import orjson
from yarl import URL

from lyra.listening.fetch import ReadsSpotify
from lyra.spotify.client import SpotifyClient
from lyra.spotify.endpoints import SEARCHES_AT_ONCE, Endpoint
from lyra.spotify.token import Token
from tests.support.invented_music import Catalogue, Listener, search_body
from tests.support.virtual_time import now, pass_time

T = TypeVar("T")
HOUR_S, DAY_S = 3600, 86_400

RUBBISH = (
    b"{",
    b"[]",
    b"{}",
    b'{"tracks": null, "artists": null}',
    b'{"tracks": {"items": [null, 7, {"name": null}]}, "artists": {"items": [null]}}',
    b'{"tracks": {"items": 7}, "artists": {"items": "x"}}',
    b"\xff\xfe",
)
_FAULTS = ("429", "500", "503", "lost", "hang", "rubbish", "foreign")


@contextmanager
def noting(wrong: list[AssertionError]) -> Iterator[None]:
    """Keep what the block finds wrong, and raise it all the same."""
    try:
        yield
    except AssertionError as found:
        wrong.append(found)
        raise


class Births:
    """A task factory that remembers when each task was made: a search counts from then on."""

    def __init__(self) -> None:
        self._of: WeakKeyDictionary[asyncio.Task[Any], float] = WeakKeyDictionary()

    def __call__(
        self, loop: asyncio.AbstractEventLoop, work: Any, **more: Any
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **more)
        self._of[task] = loop.time()
        return task

    def of_this_task(self) -> float:
        task = asyncio.current_task()
        assert task is not None
        return self._of[task]


class _Body:
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._body

    def at_eof(self) -> bool:
        return True


class _Response:
    """As much of aiohttp's response as the client's transport reads."""

    def __init__(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.content = _Body(body)

    def close(self) -> None: ...


class Weather:
    """What goes wrong: a part of the searches at random, and whole tokens for a time."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.faulty = 0.0  # of all searches
        self.refused: dict[str, int] = {}  # tokens that get this status for every search
        self.slowest_s = 1.0

    def change(self, tokens: list[str]) -> None:
        """Let other things go wrong from now on, for these listeners among others."""
        self.faulty = self.rng.choice((0.0, 0.05, 0.3, 0.9))
        self.slowest_s = self.rng.choice((0.2, 1.0, 6.0))
        few = self.rng.sample(tokens, min(len(tokens), self.rng.choice((0, 1, len(tokens) // 5))))
        self.refused = {token: self.rng.choice((401, 403)) for token in few}

    def calm(self) -> None:
        self.faulty, self.refused, self.slowest_s = 0.0, {}, 0.2


class StormSession:
    """Stands for aiohttp's session: answers each request after a while, or not at all."""

    def __init__(self, weather: Weather, catalogue: Catalogue, listeners: list[Listener]) -> None:
        self.weather = weather
        self.gate = asyncio.Event()
        self.gate.set()
        self.statuses: Counter[tuple[str, int]] = Counter()  # by token, of refusals
        self._catalogue = catalogue
        self._listeners = {listener.token: listener for listener in listeners}

    def request(
        self, _method: str, url: URL, *, headers: Any, middlewares: Any, **_: Any
    ) -> AbstractAsyncContextManager[_Response]:
        return self._exchange(url, headers["Authorization"].split()[1], middlewares)

    @asynccontextmanager
    async def _exchange(self, url: URL, token: str, middlewares: Any) -> AsyncIterator[_Response]:
        async def handle(_: object) -> _Response:
            if url.path.endswith("/search"):
                return await self._search(token, url.query)
            path = url.path.removeprefix("/v1")
            return await self._read(token, path, url.query.get("time_range", ""))

        (count,) = middlewares
        response = await count(None, handle)
        if response.status != 200:
            self.statuses[token, response.status] += 1
        yield response

    async def _read(self, token: str, path: str, time_range: str) -> _Response:
        rng, detail = self.weather.rng, path.startswith("/playlists") or time_range != "medium_term"
        await pass_time(rng.uniform(0.05, 0.3))
        if path.startswith(("/playlists", "/me/top")) and detail:
            await pass_time(rng.uniform(0, self.weather.slowest_s))
            if rng.random() < self.weather.faulty:
                return _Response(rng.choice((403, 404, 429, 500)))
        if self.weather.refused.get(token) == 401:
            return _Response(401)
        return _Response(200, orjson.dumps(self._listeners[token].body(path, time_range)))

    async def _search(self, token: str, params: Mapping[str, str]) -> _Response:
        rng, fault = self.weather.rng, ""
        if rng.random() < self.weather.faulty:
            fault = rng.choice(_FAULTS)
        await pass_time(rng.uniform(0.05, self.weather.slowest_s))
        await self.gate.wait()
        if token in self.weather.refused:
            return _Response(self.weather.refused[token])
        return await self._answer(fault, params["q"], params["type"])

    async def _answer(self, fault: str, query: str, kind: str) -> _Response:
        match fault:
            case "429":
                return _Response(429, Retry_After=str(self.weather.rng.choice((0, 1, 2, 30, 900))))
            case "500" | "503":
                return _Response(int(fault))
            case "lost":
                raise aiohttp.ServerDisconnectedError
            case "hang":
                await pass_time(DAY_S)
            case "rubbish":
                return _Response(200, self.weather.rng.choice(RUBBISH))
            case "foreign":
                query = f"something else than {query}"
            case _:
                pass
        return _Response(200, search_body(self._catalogue.find(query, kind), kind))


class AnswerToken(Token):
    """A listener's token with the answer that it is used for: a search tells whose it is."""

    __slots__ = ("answer", "listener")

    def __init__(self, listener: Listener, answer: int) -> None:
        super().__init__(listener.token)
        self.answer = answer
        self.listener = listener.number


class Ledger:
    """Recounts the searches that begin, by the budgets' own units; one too many is an AssertionError."""

    def __init__(
        self,
        births: Births,
        wall_clock: Callable[[], float],
        bounds: Mapping[str, int],
        wrong: list[AssertionError],
    ) -> None:
        self._wrong = wrong
        self._births = births
        self._ahead_s = wall_clock() - now()
        self._bounds = bounds
        self._open: set[tuple[str, str]] = set()
        self.searches = 0
        self.most_open = 0
        self.by_answer: Counter[int] = Counter()
        self.by_hour: Counter[tuple[int, int]] = Counter()
        self.by_day: Counter[int] = Counter()

    @property
    def open(self) -> int:
        return len(self._open)

    def begin(self, token: AnswerToken, query: tuple[str, str]) -> None:
        at = int(self._births.of_this_task() + self._ahead_s)
        hour, day = (token.listener, at // HOUR_S), at // DAY_S
        with noting(self._wrong):
            assert query not in self._open, f"two calls at once for {query}"
        self._open.add(query)
        self.searches += 1
        self.by_answer[token.answer] += 1
        self.by_hour[hour] += 1
        self.by_day[day] += 1
        self.most_open = max(self.most_open, len(self._open))
        with noting(self._wrong):
            self._judge(token, hour, day)

    def _judge(self, token: AnswerToken, hour: tuple[int, int], day: int) -> None:
        assert len(self._open) <= SEARCHES_AT_ONCE, "too many searches at once"
        assert self.by_answer[token.answer] <= self._bounds["answer"], "one answer's searches"
        assert self.by_hour[hour] <= self._bounds["listener"], "one listener's searches in an hour"
        assert not self._bounds["app"] or self.by_day[day] <= self._bounds["app"], (
            "a day's searches"
        )

    def end(self, query: tuple[str, str]) -> None:
        self._open.discard(query)


class WatchedSpotify:
    """The real client, whose searches are written into the ledger."""

    def __init__(self, client: SpotifyClient, ledger: Ledger) -> None:
        self._client = client
        self._ledger = ledger

    def reader(self, token: Token) -> "_WatchedReader":
        return _WatchedReader(self._client.reader(token), token, self._ledger)


class _WatchedReader:
    def __init__(self, reader: Any, token: Token, ledger: Ledger) -> None:
        self._reader = reader
        self._token = token
        self._ledger = ledger

    @property
    def calls(self) -> int:
        reader: ReadsSpotify = self._reader
        return reader.calls

    async def get(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], T],
        params: Mapping[str, str] | None = None,
        *,
        playlist: str | None = None,
    ) -> T:
        if endpoint != "search":
            value: T = await self._reader.get(endpoint, parse, params, playlist=playlist)
            return value
        assert isinstance(self._token, AnswerToken)
        assert params is not None
        query = params["type"], " ".join(params["q"].casefold().split())
        try:
            self._ledger.begin(self._token, query)
            found: T = await self._reader.get(endpoint, parse, params)
        finally:
            self._ledger.end(query)
        return found
