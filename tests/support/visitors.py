"""Browsers that log in: with cookies, and with the headers that say where a request comes from."""

from typing import Any, Self

import aiohttp
from yarl import URL

from lyra.sandbox import sandbox_token
from tests.conftest import LONG_S, Service
from tests.support.calls import QUESTION, Answer

OWN = {"Sec-Fetch-Site": "same-origin"}
ANNA = sandbox_token(7, "typical", "legacy")
BORIS = sandbox_token(8, "typical", "legacy")


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Visitor:
    """One person's browser, at one service after another."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.seen: list[str] = []  # codes and states
        jar = aiohttp.CookieJar(unsafe=True)
        timeout = aiohttp.ClientTimeout(total=LONG_S)
        self.http = aiohttp.ClientSession(cookie_jar=jar, timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    @property
    def session_id(self) -> str | None:
        return self.cookie("lyra_sid")

    def cookie(self, name: str) -> str | None:
        found = self.http.cookie_jar.filter_cookies(URL(self.service.url)).get(name)
        return found.value if found else None

    async def go(self, method: str, url: str, **more: Any) -> Answer:
        """One request, without following where it sends one."""
        async with self.http.request(
            method,
            URL(self.service.url).join(URL(url, encoded=True)),
            allow_redirects=False,
            **more,
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def to_spotify(self, query: str = "") -> URL:
        """Where the log-in sends this browser."""
        answer = await self.go("GET", f"/auth/login{query}")
        assert answer.status == 303
        there = URL(answer.headers["Location"])
        self.seen.append(there.query.get("state", "-"))
        return there

    async def back(self, there: URL, listener: str = ANNA, auto: str = "1") -> str:
        """Agree at Spotify (or `deny`), and be sent back: to this address."""
        asked = there.update_query(auto=auto, listener=listener)
        answer = await self.go("GET", str(asked))
        assert answer.status == 302
        here = URL(answer.headers["Location"])
        self.seen.append(here.query.get("code", "-"))
        return str(here)

    async def log_in(self, listener: str = ANNA, query: str = "") -> str:
        """The whole way; where it ends."""
        answer = await self.go("GET", await self.back(await self.to_spotify(query), listener))
        assert answer.status == 303
        return answer.headers["Location"]

    async def ready(self, listener: str = ANNA) -> Self:
        """Logged in, and agreed."""
        assert await self.log_in(listener) == "/"
        assert (await self.post("/auth/consent")).status == 204
        return self

    async def post(self, path: str, **more: Any) -> Answer:
        return await self.go("POST", path, **{"headers": OWN, **more})

    async def init(self) -> Answer:
        return await self.post("/lyra/init")

    async def chat(self) -> Answer:
        headers = {**OWN, "Accept": "application/json"}
        return await self.post("/lyra/chat", json=QUESTION, headers=headers)

    async def session(self) -> Any:
        answer = await self.go("GET", "/auth/session")
        assert answer.status == 200
        return answer.json
