"""Chats that are stopped and read on: a model that pauses, and the requests of their readers."""

import asyncio
from typing import Any

from aiohttp import ClientResponse, web

from lyra.sandbox import sandbox_token
from tests.conftest import Service
from tests.support.calls import QUESTION, Answer, call
from tests.support.scripted_model import event, opened, stopped, words
from tests.support.waits import until

OTHER = sandbox_token(8)
CHAT: dict[str, Any] = {**QUESTION, "id": "chat-1", "resumable": True}


class Paused:
    """Says "Before", and " and after." once it is told to go on."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.left = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        response = await opened(request)
        try:
            usage = {"input_tokens": 321, "output_tokens": 1}
            await response.write(event("message_start", message={"usage": usage}))
            await response.write(words("Before"))
            await self.go_on.wait()
            await response.write(words(" and after.") + stopped())
        except asyncio.CancelledError:
            self.left.set()
            raise
        return response


async def stop(service: Service, name: str, token: str | None = None) -> Answer:
    return await call(service, "POST", f"/lyra/chat/{name}/stop", headers=service.headers(token))


async def resume(
    service: Service, name: str, after: str | None = None, token: str | None = None
) -> Answer:
    more = {} if after is None else {"Last-Event-ID": after}
    headers = service.headers(token, **more)
    return await call(service, "GET", f"/lyra/chat/{name}/stream", headers=headers)


def run_of(seen: bytes) -> str:
    return seen.partition(b"id: ")[2].partition(b".")[0].decode()


def last_id(seen: bytes) -> str:
    return seen.rpartition(b"id: ")[2].partition(b"\n")[0].decode()


async def leave(service: Service, response: ClientResponse) -> None:
    """Close the one connection, and wait until the service knows."""
    response.close()
    await until(lambda: not service.services.runs.stats()["readers"])
