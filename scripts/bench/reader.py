"""What a front end does with Lyra, and what a program without Lyra does with Spotify."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import aiohttp
import orjson

PATHS = {
    "me": "/v1/me",
    "artists": "/v1/me/top/artists",
    "tracks": "/v1/me/top/tracks",
    "playlists": "/v1/me/playlists",
    "recent": "/v1/me/player/recently-played",
}
SLOWEST = "recent"
Turn = dict[str, str]


@dataclass(frozen=True)
class Answer:
    """One answer of the chat; `first_word_s` counts from the request."""

    words: str
    first_word_s: float


def bearer(token: str) -> dict[str, str]:
    """The header that carries a listener's token."""
    return {"Authorization": f"Bearer {token}"}


@dataclass(frozen=True)
class Reader:
    """One client of both servers, over connections that stay open."""

    http: aiohttp.ClientSession
    lyra: str
    sandbox: str

    async def init(self, token: str) -> bytes:
        """Load the listener, or find it loaded; the answer's JSON."""
        async with self.http.post(f"{self.lyra}/lyra/init", headers=bearer(token)) as answer:
            return await answer.read()

    async def forget(self, token: str) -> None:
        """Make Lyra forget the listener."""
        async with self.http.delete(f"{self.lyra}/lyra/session", headers=bearer(token)) as answer:
            await answer.read()

    async def ask(self, token: str, message: str, history: Sequence[Turn] = ()) -> Answer:
        """Ask and read the whole streamed answer.

        Raises:
            RuntimeError: the answer did not end well.
        """
        asked = {"message": message, "history": list(history)}
        began, first, words, ending = perf_counter(), 0.0, [], ""
        async with self.http.post(
            f"{self.lyra}/lyra/chat", json=asked, headers=bearer(token)
        ) as answer:
            async for line in answer.content:
                if line.startswith(b'data: {"type":"text-delta"'):
                    first = first or perf_counter() - began
                    words.append(orjson.loads(line[6:])["delta"])
                elif line.startswith(b'data: {"type":"finish"'):
                    ending = orjson.loads(line[6:])["finishReason"]
        if ending != "stop" or not words:
            raise RuntimeError(f"an answer ended with {ending or 'nothing'}")
        return Answer("".join(words), first)

    async def spotify(self, endpoint: str, token: str) -> None:
        """Read one endpoint of the invented Spotify, without Lyra."""
        url = f"{self.sandbox}{PATHS[endpoint]}"
        query = {} if endpoint == "me" else {"limit": "50"}
        async with self.http.get(url, params=query, headers=bearer(token)) as answer:
            await answer.read()

    async def five_in_a_row(self, token: str) -> None:
        """Read the five endpoints one after another."""
        for endpoint in PATHS:
            await self.spotify(endpoint, token)

    async def spotify_calls(self) -> int:
        """How many calls the invented Spotify has answered so far."""
        async with self.http.get(f"{self.sandbox}/__sandbox/stats") as answer:
            return int(orjson.loads(await answer.read())["total"])
