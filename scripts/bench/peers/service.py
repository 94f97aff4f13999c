"""The peer: the same service as one would write it today, each library as its documentation advises.

FastAPI (a return model, which pydantic serialises in Rust), uvicorn with uvloop and httptools and
without access log, sse-starlette, the SDK's `messages.stream(...).text_stream`, spotipy in threads
(five calls gathered), cachetools' TTLCache with a lock for each token.

Run with the address of the upstream; prints its own. `--sdk aiohttp` gives the SDK the transport that
its README names for concurrency.
"""

import argparse
import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import spotipy
import uvicorn
from anthropic import AsyncAnthropic, DefaultAioHttpClient, DefaultAsyncHttpxClient
from cachetools import TTLCache
from fastapi import Depends, FastAPI, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from httpx2 import Limits
from pydantic import BaseModel
from sse_starlette import EventSourceResponse, JSONServerSentEvent

UNLIMITED = 20_000  # the default of 1,000 connections would hold 5,000 streams back
PAGE = 50


class Profile(BaseModel):
    id: str
    display_name: str | None
    image: str | None


class Genre(BaseModel):
    name: str
    share: float


class Loaded(BaseModel):
    success: bool
    message: str
    summary: str
    profile: Profile
    genres: list[Genre]
    sections: dict[str, int]


class Question(BaseModel):
    message: str
    history: list[dict[str, str]] = []


@dataclass
class Listener:
    """What is kept of a listener."""

    answer: Loaded
    context: str


class Spotipy:
    """Five blocking calls, each in a thread."""

    def __init__(self, api: str) -> None:
        self._api = api

    async def read(self, token: str) -> list[dict[str, Any]]:
        client = spotipy.Spotify(auth=token)
        client.prefix = self._api
        return await asyncio.gather(
            asyncio.to_thread(client.current_user),
            asyncio.to_thread(client.current_user_top_artists, limit=PAGE),
            asyncio.to_thread(client.current_user_top_tracks, limit=PAGE),
            asyncio.to_thread(client.current_user_playlists, limit=PAGE),
            asyncio.to_thread(client.current_user_recently_played, limit=PAGE),
        )


class Service:
    """The cache and the two clients."""

    def __init__(self, reader: Spotipy, model: AsyncAnthropic) -> None:
        self._reader = reader
        self._model = model
        self._kept: TTLCache[str, Listener] = TTLCache(maxsize=10_000, ttl=3600)
        self._locks: TTLCache[str, asyncio.Lock] = TTLCache(maxsize=10_000, ttl=3600)

    async def listener(self, token: str) -> Listener:
        """The kept listener; else one load, which the others of this token wait for."""
        if (found := self._kept.get(token)) is not None:
            return found
        async with self._locks.setdefault(token, asyncio.Lock()):
            if (found := self._kept.get(token)) is None:
                found = self._kept[token] = _listener(*await self._reader.read(token))
            return found

    async def words(self, listener: Listener, question: Question) -> AsyncIterator[Any]:
        """The answer, event by event."""
        yield JSONServerSentEvent({"type": "text-start", "id": "t1"})
        asked: Any = [*question.history, {"role": "user", "content": question.message}]
        async with self._model.messages.stream(
            model="bench", max_tokens=1024, system=listener.context, messages=asked
        ) as stream:
            async for text in stream.text_stream:
                yield JSONServerSentEvent({"type": "text-delta", "id": "t1", "delta": text})
        yield JSONServerSentEvent({"type": "finish", "finishReason": "stop"})
        yield "[DONE]"


def _listener(
    me: dict[str, Any],
    artists: dict[str, Any],
    tracks: dict[str, Any],
    playlists: dict[str, Any],
    recent: dict[str, Any],
) -> Listener:
    names = [artist["name"] for artist in artists["items"]]
    songs = [f"{each['name']} by {each['artists'][0]['name']}" for each in tracks["items"]]
    lists = [each["name"] for each in playlists["items"] if each]
    plays = [each["track"]["name"] for each in recent["items"]]
    genres = Counter(genre for artist in artists["items"] for genre in artist.get("genres") or ())
    total = genres.total() or 1
    summary = (
        f"{me.get('display_name')} listens most to {', '.join(names[:10])}. Top tracks: "
        f"{'; '.join(songs[:10])}. Playlists: {', '.join(lists[:10])}. "
        f"Played last: {', '.join(plays[:5])}."
    )
    images = me.get("images") or [{}]
    answer = Loaded(
        success=True,
        message="User data loaded and cached successfully",
        summary=summary,
        profile=Profile(
            id=me["id"], display_name=me.get("display_name"), image=images[0].get("url")
        ),
        genres=[Genre(name=name, share=n / total) for name, n in genres.most_common(10)],
        sections={
            "top_artists": len(names),
            "top_tracks": len(songs),
            "playlists": len(lists),
            "recently_played": len(plays),
        },
    )
    context = "\n".join(["You know what this listener plays.", summary, *names, *songs, *lists])
    return Listener(answer, context)


bearer = HTTPBearer()
Token = Annotated[HTTPAuthorizationCredentials, Depends(bearer)]


def create_app(upstream: str, sdk: str) -> FastAPI:
    """The application, its clients open while it runs."""

    @asynccontextmanager
    async def clients(app: FastAPI) -> AsyncIterator[None]:
        limits = Limits(max_connections=UNLIMITED, max_keepalive_connections=UNLIMITED)
        http: Any = DefaultAioHttpClient if sdk == "aiohttp" else DefaultAsyncHttpxClient
        reader = Spotipy(f"{upstream}/v1/")
        async with AsyncAnthropic(
            api_key="benchmark", base_url=upstream, http_client=http(limits=limits)
        ) as model:
            app.state.service = Service(reader, model)
            yield

    app = FastAPI(lifespan=clients)

    @app.post("/lyra/init")
    async def init(request: Request, token: Token) -> Loaded:
        return (await request.app.state.service.listener(token.credentials)).answer

    @app.post("/lyra/chat")
    async def chat(request: Request, token: Token, question: Question) -> EventSourceResponse:
        service: Service = request.app.state.service
        listener = await service.listener(token.credentials)
        return EventSourceResponse(service.words(listener, question))

    @app.get("/healthz")
    async def healthz() -> dict[str, bool]:
        return {"alive": True}

    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("upstream")
    parser.add_argument("--sdk", choices=("httpx", "aiohttp"), default="httpx")
    asked = parser.parse_args()
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    app = create_app(asked.upstream, asked.sdk)
    config = uvicorn.Config(
        app, loop="uvloop", http="httptools", access_log=False, log_level="warning", backlog=4096
    )
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
