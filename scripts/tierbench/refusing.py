"""What is measured beside: a Redis that is full, read-only, resets its connections, or speaks TLS."""

import asyncio
import socket
import ssl
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from bench.report import Promise
from bench.server import Server
from tierbench.place import Place

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from tests.certificates import self_signed

Row = tuple[str, ...]
Found = tuple[list[Row], list[Promise]]
OK = 200
_CROWD = 60
_RESET_AFTER = 4  # pieces


class _Times(NamedTuple):
    """The slowest cold listener alone, and the longest that a known one waited beside a crowd."""

    cold_s: float
    wait_s: float
    fine: bool


async def full_redis(place: Place, first: Server, _: Server) -> Found:
    """Redis takes nothing more."""
    plain = await _measured(place, first)
    await place.redis.tell("CONFIG SET maxmemory 1")
    try:
        return _found("full", plain, await _measured(place, first))
    finally:
        await place.redis.tell("CONFIG SET maxmemory 0")


async def read_only_redis(place: Place, first: Server, _: Server) -> Found:
    """Redis has become a replica, as after a failover."""
    plain = await _measured(place, first)
    await place.redis.tell("REPLICAOF 127.0.0.1 1")
    try:
        return _found("read-only", plain, await _measured(place, first))
    finally:
        await place.redis.tell("REPLICAOF NO ONE")


async def reset_redis(place: Place, first: Server, _: Server) -> Found:
    """Every connection is reset after a few replies."""
    plain = await _measured(place, first)
    async with _front(place.redis.port, resets=True) as port:
        url = f"redis://127.0.0.1:{port}"
        async with place.service("reset", redis_url=url) as service:
            return _found("resetting", plain, await _measured(place, service))


async def tls_redis(place: Place, first: Server, _: Server) -> Found:
    """The same Redis behind TLS."""
    plain = await _measured(place, first)
    pem = self_signed(place.folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    async with _front(place.redis.port, tls=context) as port:
        url = f"rediss://127.0.0.1:{port}?ssl_ca_certs={pem}"
        async with place.service("tls", redis_url=url) as service:
            return _found("over TLS", plain, await _measured(place, service))


async def _measured(place: Place, server: Server) -> _Times:
    known = place.new_token()
    await place.init(server, known)
    cold = [
        await place.init(server, place.new_token(200, 201)) for _ in range(3 if place.quick else 9)
    ]
    over, waits = asyncio.Event(), []

    async def stand_by() -> None:
        while not over.is_set():
            began = perf_counter()
            headers = {"Authorization": f"Bearer {known}"}
            async with place.http.get(f"{server.url}/lyra/status", headers=headers) as answer:
                await answer.read()
            waits.append(perf_counter() - began)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stand_by())
        crowd = await asyncio.gather(
            *(place.init(server, place.new_token(100, 300)) for _ in range(_CROWD))
        )
        over.set()
    fine = all(status == OK for _, status, _ in (*cold, *crowd))
    return _Times(max(seconds for seconds, _, _ in cold), max(waits), fine)


def _found(how: str, plain: _Times, found: _Times) -> Found:
    cold = f"Redis {how}: the slowest cold listener, later than with one that is well"
    beside = f"Redis {how}: another listener beside {_CROWD} cold ones at once, worst wait"
    return [
        (cold, "600", "-", _ms(found.cold_s - plain.cold_s)),
        (beside, _ms(2 * plain.wait_s), "-", _ms(found.wait_s)),
    ], [Promise(f"no request failed with Redis {how}", plain.fine and found.fine)]


@asynccontextmanager
async def _front(
    to_port: int, *, resets: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", to_port)
        sending = asyncio.get_running_loop().create_task(_copy(reader, back))
        try:
            left = _RESET_AFTER
            while left and (piece := await there.read(65_536)):
                writer.write(piece)
                left -= resets
        finally:
            sending.cancel()
            back.close()
            if resets:
                linger = struct.pack("ii", 1, 0)
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65_536):
        writer.write(piece)
    writer.close()


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.2f}"
