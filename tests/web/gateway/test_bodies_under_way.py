"""Bodies that do not come: they hold nobody up, and what they may cost is bounded before they cost it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import orjson
import pytest

from lyra.sandbox import Sandbox, sandbox_token
from lyra.web.gateway.requests import BODY_ROUTES
from lyra.web.routes import ROUTES
from tests.conftest import LONG_S, Service, Start
from tests.support.calls import QUESTION, Answer, chat, connected, init, read_answer, request_bytes
from tests.support.error_shape import check_error
from tests.support.memory import BOUND, fill_memory
from tests.support.visitors import Visitor
from tests.support.waits import until

KIB, MIB = 2**10, 2**20
BODY = orjson.dumps(QUESTION)
HEADS: dict[str, tuple[str, int]] = {
    "ten bytes": ("Content-Length: 10", 64 * KIB),  # what the least counts for
    "a megabyte": (f"Content-Length: {MIB}", MIB),
    "chunks": ("Transfer-Encoding: chunked", MIB),
}


def head(service: Service, *lines: str, address: str = "") -> bytes:
    """A question without its body."""
    known = [
        f"Authorization: {service.headers()['Authorization']}",
        "Content-Type: application/json",
    ]
    forwarded = [f"X-Forwarded-For: {address}"] if address else []
    return request_bytes(service, "POST", "/lyra/chat", *known, *forwarded, *lines)


def counted(service: Service, name: str) -> float | None:
    return service.services.metrics.registry.get_sample_value(f"lyra_bodies_{name}")


class Slow:
    """Clients whose bodies do not come; each is admitted, or has its answer."""

    def __init__(self, service: Service, stack: AsyncExitStack) -> None:
        self.service = service
        self._stack = stack
        self.readers: list[asyncio.StreamReader] = []

    async def ask(self, *lines: str, address: str = "", body: bytes = b"") -> asyncio.StreamWriter:
        """Send a head, and what there is of a body."""
        reader, writer = await self._stack.enter_async_context(connected(self.service))
        writer.write(head(self.service, *lines, address=address) + body)
        self.readers.append(reader)
        return writer

    async def begin(
        self, *lines: str, address: str = "", body: bytes = b""
    ) -> asyncio.StreamWriter:
        """The same, until the service waits for the rest."""
        before = counted(self.service, "waiting") or 0
        writer = await self.ask(*lines, address=address, body=body)
        await until(lambda: counted(self.service, "waiting") == before + 1)
        return writer

    async def refused(self, *lines: str, address: str = "") -> Answer:
        await self.ask(*lines, address=address)
        return await read_answer(self.readers.pop())


@asynccontextmanager
async def slow(service: Service) -> AsyncIterator[Slow]:
    async with AsyncExitStack() as stack:
        yield Slow(service, stack)


async def test_a_body_that_is_awaited_holds_no_place(start: Start) -> None:
    service = await start(max_in_flight=1, max_waiting=0)
    async with slow(service) as clients:
        for _ in range(2):
            await clients.begin("Content-Length: 10")
        writer = await clients.begin(f"Content-Length: {len(BODY)}", body=BODY[:5])
        loaded = await init(service)
        writer.write(BODY[5:])
        answered = await clients.readers[-1].readuntil(b"[DONE]")

    assert loaded.status == 200
    assert answered.startswith(b"HTTP/1.1 200 ")


async def test_a_body_that_has_come_waits_for_a_place_as_others_do(start: Start) -> None:
    service = await start(max_in_flight=1, max_waiting=0)
    places = service.services.metrics.registry.get_sample_value
    held = asyncio.Event()

    async def peek(_: object) -> None:
        await held.wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service.services.lyra.listeners, "peek", peek)
        async with slow(service) as clients, asyncio.TaskGroup() as tasks:
            writer = await clients.begin(f"Content-Length: {len(BODY)}")
            status = service.http.get("/lyra/status", headers=service.headers())
            tasks.create_task(_read(status))
            await until(lambda: places("lyra_concurrency_free") == 0)
            writer.write(BODY)
            answer = await read_answer(clients.readers[0])
            held.set()

    check_error(answer, "overloaded")
    assert (counted(service, "bytes"), places("lyra_concurrency_free")) == (0, 1)


async def _read(asking: object) -> None:
    async with asking as response:  # type: ignore[attr-defined] # aiohttp's own context manager
        await response.read()


@pytest.mark.parametrize("kind", HEADS)
async def test_one_address_may_have_its_share_of_bodies_under_way(start: Start, kind: str) -> None:
    line, size = HEADS[kind]
    service = await start(bodies_max_bytes=8 * 3 * size)
    async with slow(service) as clients:
        writers = [await clients.begin(line) for _ in range(3)]
        refused = await clients.refused(line)
        bystander = await chat(service, sandbox_token(8))
        writers[0].close()
        await until(lambda: counted(service, "waiting") == 2)
        await clients.begin(line)

    assert check_error(refused, "too_many_requests")["reason"] == "bodies"
    assert refused.headers["Retry-After"] == "1"
    assert bystander.status == 200
    await until(lambda: counted(service, "bytes") == 0)
    assert counted(service, "addresses") == 0


@pytest.mark.parametrize("kind", HEADS)
async def test_all_together_may_have_so_many_bytes_of_bodies_under_way(
    start: Start, kind: str
) -> None:
    line, size = HEADS[kind]
    service = await start(bodies_max_bytes=3 * size, trusted_proxies=("127.0.0.1",))
    async with slow(service) as clients:
        for number in range(3):
            await clients.begin(line, address=f"10.0.0.{number}")
        refused = await clients.refused(line, address="10.0.0.9")
        bystander = await chat(service, sandbox_token(8), **{"X-Forwarded-For": "10.0.0.9"})

    check_error(refused, "overloaded")
    assert refused.headers["Retry-After"] == "1"
    assert bystander.status == 200


def test_the_routes_that_read_a_body_are_known() -> None:
    reading = {route.path for route in ROUTES if route.bodies}

    # On all others a body is counted as long as it stays unread.
    assert reading == BODY_ROUTES


@pytest.mark.parametrize("kind", HEADS)
async def test_an_unread_body_counts_while_it_is_there(start: Start, kind: str) -> None:
    line, size = HEADS[kind]
    service = await start(bodies_max_bytes=8 * 2 * min(size, 256 * KIB))
    known = f"Authorization: {service.headers(sandbox_token(9, 'typical', 'legacy', 'hang'))['Authorization']}"
    sent = request_bytes(service, "POST", "/lyra/init", known, line)
    async with AsyncExitStack() as stack:
        for number in range(2):
            _, writer = await stack.enter_async_context(connected(service))
            writer.write(sent)
            await until(lambda: counted(service, "bytes") == (number + 1) * min(size, 256 * KIB))  # noqa: B023 - awaited here
        reader, writer = await stack.enter_async_context(connected(service))
        writer.write(sent)
        refused = await read_answer(reader)

    assert check_error(refused, "too_many_requests")["reason"] == "bodies"
    await until(lambda: counted(service, "bytes") == 0)


async def test_the_bound_of_bodies_is_a_part_of_the_memory(start: Start) -> None:
    service = await start(max_memory_bytes=64 * MIB, trusted_proxies=("127.0.0.1",))
    service.services.memory_guard.resident = lambda: 0
    await service.services.memory_guard.check()
    async with slow(service) as clients:
        for number in range(8):
            await clients.begin(f"Content-Length: {MIB}", address=f"10.0.0.{number}")
        refused = await clients.refused(f"Content-Length: {MIB}", address="10.0.0.9")

    check_error(refused, "overloaded")


async def test_unfinished_bodies_are_dropped_first_when_memory_is_short(
    start: Start, sandbox: Sandbox
) -> None:
    service = await start(max_memory_bytes=BOUND)
    async with slow(service) as clients:
        for line, _ in HEADS.values():
            await clients.begin(line)
        await fill_memory(service, 0.81)
        answers = [await read_answer(reader) for reader in clients.readers]

    for answer in answers:
        assert check_error(answer, "overloaded")["retry_after_s"] == 5
    assert (counted(service, "bytes"), counted(service, "dropped_total")) == (0, 3)
    assert sandbox.stats.total == 0


@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_a_body_in_a_thousand_pieces_is_one_question(start: Start, framing: str) -> None:
    service = await start()
    body = orjson.dumps({"message": "a" * 5000})
    pieces = [body[at : at + 5] for at in range(0, len(body), 5)]
    line = "Transfer-Encoding: chunked" if framing == "chunks" else f"Content-Length: {len(body)}"
    async with slow(service) as clients:
        writer = await clients.ask(line)
        for piece in pieces:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if framing == "chunks" else piece)
            await writer.drain()
        writer.write(b"0\r\n\r\n" if framing == "chunks" else b"")
        answered = await clients.readers[0].readuntil(b"[DONE]")

    assert answered.startswith(b"HTTP/1.1 200 ")


async def test_who_signs_out_while_the_body_comes_has_asked_nothing(
    start: Start, sandbox: Sandbox
) -> None:
    service = await start(spotify_client_id="lyra-tests", body_timeout_s=LONG_S)
    async with Visitor(service) as visitor:
        await visitor.ready()
        before = sandbox.stats.total
        cookie = f"Cookie: lyra_sid={visitor.session_id}"
        own = "Sec-Fetch-Site: same-origin"
        async with connected(service) as (reader, writer):
            lines = (cookie, own, "Content-Type: application/json", f"Content-Length: {len(BODY)}")
            writer.write(request_bytes(service, "POST", "/lyra/chat", *lines))
            await until(lambda: counted(service, "waiting") == 1)
            await visitor.post("/auth/logout")
            writer.write(BODY)
            answer = await read_answer(reader)

    check_error(answer, "session_ended")
    assert sandbox.stats.total == before
