"""Other people's clients lose the connection in the middle, and read on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from tests.conftest import Service, Start
from tests.interop.conftest import Run
from tests.support.calls import chat, chatting, read_until
from tests.support.chat_runs import CHAT, Paused, leave
from tests.support.scripted_model import scripted_model


@pytest.mark.parametrize("version", ["ai5", "ai6", "ai7"])
async def test_usechat_reads_on_after_a_reload(start: Start, run: Run, version: str) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        service = await start(llm_base_url=served.url)
        async with chatting(service, body=CHAT) as response:
            await read_until(response, b"Before")
            await leave(service, response)
        async with run(service, "ai_resume", version, "chat-1") as client:
            await client.words()
            model.go_on.set()
            seen = await client.report()

    assert (seen["status"], seen["error"]) == ("ready", None)
    assert (seen["messages"], seen["text"]) == (["user", "assistant"], "Before and after.")


@pytest.mark.parametrize("version", ["ai5", "ai6", "ai7"])
async def test_usechat_finds_nothing_to_resume_of_a_complete_answer(
    service: Service, run: Run, version: str
) -> None:
    await chat(service, body=CHAT)
    async with run(service, "ai_resume", version, "chat-1") as client:
        seen = await client.report()

    assert (seen["status"], seen["messages"]) == ("ready", ["user"])


class Wire:
    """A relay to the service whose connections can be cut."""

    def __init__(self, service: Service) -> None:
        self.url = ""
        self._to = URL(service.url)
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, sink = await asyncio.open_connection(self._to.host, self._to.port)
        self._open |= {writer, sink}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._copy(reader, sink))
            tasks.create_task(self._copy(upstream, writer))
        self._open -= {writer, sink}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            pass  # it was cut
        finally:
            writer.close()


@asynccontextmanager
async def wired(service: Service) -> AsyncIterator[Wire]:
    wire = Wire(service)
    server = await asyncio.start_server(wire.relay, "127.0.0.1", 0)
    async with server:
        wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield wire


async def test_fetch_event_source_reads_on_when_its_connection_breaks(
    start: Start, run: Run
) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        service = await start(llm_base_url=served.url)
        async with wired(service) as wire:
            near = Service(wire.url, service.services, service.http, service.stop)
            async with run(near, "fetch_event_source", "tenacious") as client:
                await client.words()
                wire.cut()
                model.go_on.set()
                seen = await client.report()

    assert (seen["text"], seen["done"], seen["error"]) == ("Before and after.", 1, None)
    assert (seen["attempts"], len(served.sent)) == (2, 1)
