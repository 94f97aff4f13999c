"""Two services on one Redis, and an answer that the first of them is making."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientResponse

from tests.conftest import Service, Start
from tests.support.calls import Answer, chatting, read_until
from tests.support.chat_runs import CHAT, Paused, leave, resume, run_of
from tests.support.redis_servers import RedisServer
from tests.support.scripted_model import ScriptedModel, scripted_model
from tests.support.waits import until

SECRET = "a-secret-of-this-service"


async def start_pair(start: Start, server: RedisServer, **changes: Any) -> tuple[Service, Service]:
    """Start two services on one Redis, each of which hears the other."""
    first = await start(redis_url=server.url, secret=SECRET, **changes)
    second = await start(redis_url=server.url, secret=SECRET, **changes)
    for service in (first, second):
        await until_subscribed(service)
    return first, second


async def until_subscribed(service: Service) -> None:
    gateway = service.services.lyra.redis
    assert gateway is not None
    await until(lambda: gateway.bus.subscribed)


@dataclass
class PausedAnswer:
    """An answer that the first service makes and reads, and that has said "Before" so far."""

    first: Service
    second: Service
    model: ScriptedModel
    response: ClientResponse
    seen: bytes
    _paused: Paused

    @property
    def run(self) -> str:
        return run_of(self.seen)

    def go_on(self) -> None:
        self._paused.go_on.set()

    async def read_rest(self) -> bytes:
        """Let the model end, and read the whole answer."""
        self.go_on()
        return await self.read()

    async def read(self) -> bytes:
        """Read the whole answer."""
        self.seen += await self.response.read()
        return self.seen

    async def leave(self) -> None:
        await leave(self.first, self.response)

    async def until_closed(self) -> None:
        """Wait until the call to the model has been given up."""
        await self._paused.left.wait()

    async def follow(
        self, tasks: asyncio.TaskGroup, name: str = "chat-1", after: str | None = None
    ) -> "asyncio.Task[Answer]":
        """Read it through the second service as well; returns when its stream is open."""
        streams = _streams(self.second)
        reading = tasks.create_task(resume(self.second, name, after))
        await until(lambda: _streams(self.second) == streams + 1)
        return reading


@asynccontextmanager
async def paused_answer(
    start: Start, server: RedisServer, chat: Any = CHAT, **settings: Any
) -> AsyncIterator[PausedAnswer]:
    """An answer behind its first word; the model says " and after." when it is let go on."""
    paused = Paused()
    async with scripted_model(paused) as model:
        first, second = await start_pair(start, server, llm_base_url=model.url, **settings)
        async with chatting(first, body=chat) as response:
            seen = await read_until(response, b"Before")
            yield PausedAnswer(first, second, model, response, seen, paused)


def _streams(service: Service) -> float:
    count = service.services.metrics.registry.get_sample_value("lyra_streams")
    assert count is not None
    return count
