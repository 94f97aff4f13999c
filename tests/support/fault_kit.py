"""Upstreams that misbehave byte by byte, and a proxy that stands for a bad network.

    async with scripted(b"HTTP/1.1 200 OK\\r\\n...", HANG) as upstream: ...
    async with toxic(port, cut_after=100) as proxy: ...

Both listen on 127.0.0.1 on a free port and close whatever is left when their block ends.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Step = bytes | Literal["hang", "reset", "close", "next"]


@dataclass
class Upstream:
    """What a scripted server was sent, one entry a request, and when its client left."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    tls: bool = False

    @property
    def url(self) -> str:
        return f"http{'s' * self.tls}://127.0.0.1:{self.port}"


@asynccontextmanager
async def _listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tls: Path | None = None,
) -> AsyncIterator[int]:
    open_: set[asyncio.Task[None]] = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await serve(reader, writer)
        finally:
            open_.discard(task)
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0, ssl=_context(tls))
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(open_):
            task.cancel()
        await asyncio.gather(*open_, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def scripted(*scripts: tuple[Step, ...], tls: Path | None = None) -> AsyncIterator[Upstream]:
    """A server that plays one script a request; the last one stays."""
    upstream, todo = Upstream(tls=tls is not None), list(scripts)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream.connections += 1
        while request := await _request(reader):
            upstream.requests.append(request)
            script = todo.pop(0) if len(todo) > 1 else todo[0]
            for step in script:
                if isinstance(step, bytes):
                    writer.write(step)
                    await writer.drain()
                elif step == "hang":
                    await reader.read(1)
                    upstream.left.set()
                    return
                elif step == "next":  # the next question is there, and will not be read
                    await reader.readexactly(1)
                else:
                    if step == "reset":
                        _reset(writer)
                    return

    async with _listening(serve, tls) as port:
        upstream.port = port
        yield upstream


def _context(tls: Path | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls)
    return context


async def _request(reader: asyncio.StreamReader) -> bytes:
    """One request with its body; empty when the client has left."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return head + await reader.readexactly(length)


def _reset(writer: asyncio.StreamWriter) -> None:
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@dataclass
class Toxic:
    """A network between a client and a server, changed at any time.

    `hole` swallows all that is sent and says nothing; `slice_bytes` passes so many bytes at a
    time; `cut_after` ends one connection with RST once so many bytes have come back, be it in the
    midst of a piece; `latency_s` delays each piece; `refuse` closes newcomers.
    """

    port: int = 0
    hole: bool = False
    refuse: bool = False
    slice_bytes: int = 65_536
    cut_after: int | None = None
    latency_s: float = 0.0
    passed: int = 0
    cuts: int = 0
    connections: int = 0

    def until_cut(self, length: int) -> int | None:
        """How much of a piece of this length may still pass before the cut; None: all of it."""
        if self.cut_after is None or self.passed + length < self.cut_after:
            return None
        return max(0, self.cut_after - self.passed)


@asynccontextmanager
async def toxic(to_port: int, **toxics: object) -> AsyncIterator[Toxic]:
    """A proxy to this port of 127.0.0.1 with these toxics."""
    network = Toxic(**toxics)  # type: ignore[arg-type]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        network.connections += 1
        if network.refuse:
            _reset(writer)
            return
        there_reader, there = await asyncio.open_connection("127.0.0.1", to_port)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(network, reader, there))
                pumps.create_task(_pump(network, there_reader, writer, back=True))
        finally:
            there.close()

    async with _listening(serve) as port:
        network.port = port
        yield network


async def _pump(
    network: Toxic,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    *,
    back: bool = False,
) -> None:
    try:
        while piece := await reader.read(network.slice_bytes):
            if network.latency_s:
                await asyncio.sleep(network.latency_s)
            if network.hole:
                continue
            rest = network.until_cut(len(piece)) if back else None
            writer.write(piece[:rest])
            if rest is not None:
                network.cut_after, network.cuts = None, network.cuts + 1
                _reset(writer)
                raise ConnectionResetError
            if back:
                network.passed += len(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except ConnectionError:
        writer.close()
        raise asyncio.CancelledError from None


class ShortestWait(Random):
    """Always the shortest wait."""

    def random(self) -> float:
        return 0.0
