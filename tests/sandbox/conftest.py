"""A running sandbox and a client for it."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import pytest

from lyra.sandbox import Sandbox, sandbox_token

PATHS = {
    "me": "/me",
    "artists": "/me/top/artists",
    "tracks": "/me/top/tracks",
    "recent": "/me/player/recently-played",
    "playlists": "/me/playlists",
}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class SpotifyCaller:
    """Asks the sandbox as a client of the Web API does, over a socket."""

    sandbox: Sandbox
    session: aiohttp.ClientSession

    async def get(self, endpoint: str, *token_parts: Any, **query: str) -> Answer:
        return await self.get_with(endpoint, sandbox_token(*token_parts), **query)

    async def get_with(self, endpoint: str, token: str, **query: str) -> Answer:
        return await self.fetch(PATHS[endpoint], token, **query)

    async def fetch(self, path: str, token: str, **query: str) -> Answer:
        return await self.send("GET", path, token, **query)

    async def send(
        self, method: str, path: str, token: str, body: Any = None, **query: str
    ) -> Answer:
        """A request with a body of JSON, or with these bytes as they are."""
        url = self.sandbox.api_url + path
        data = body if isinstance(body, bytes | None) else orjson.dumps(body)
        headers = {"Authorization": f"Bearer {token}"}
        async with self.session.request(
            method, url, headers=headers, params=query, data=data
        ) as response:
            lower = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, lower, await response.read())


@pytest.fixture(autouse=True)
def no_errors_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A fault is an answer, not an accident: aiohttp must have nothing to complain about."""
    yield
    records = [*caplog.get_records("setup"), *caplog.get_records("call"), *caplog.records]
    assert not [each.getMessage() for each in records if each.levelno >= logging.WARNING]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout) as client:
        yield client


@pytest.fixture
def spotify(sandbox: Sandbox, session: aiohttp.ClientSession) -> SpotifyCaller:
    return SpotifyCaller(sandbox, session)


@pytest.fixture
def ask(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> Callable[..., "aiohttp.client._RequestContextManager"]:
    """Post a question to the model; the answer is an aiohttp response to enter."""

    def post(question: str = "hello", model: str = "sandbox-model", **fields: Any) -> Any:
        body = {
            "model": model,
            "max_tokens": 500,
            "stream": True,
            "messages": [{"role": "user", "content": question}],
            **fields,
        }
        return session.post(
            f"{sandbox.llm_url}/v1/messages",
            data=orjson.dumps(body),
            headers={"X-Api-Key": "invented"},
            allow_redirects=False,
        )

    return post
