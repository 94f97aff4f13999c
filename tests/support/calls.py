"""Speaking to a running service: through aiohttp, and byte by byte."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import ClientResponse
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from lyra.sandbox import sandbox_token
from tests.conftest import Service

QUESTION = {"message": "Which artists do I listen to most?"}
# The same by hand, as lines of a head and a body.
AUTH = f"Authorization: Bearer {sandbox_token()}"
JSON = "Content-Type: application/json"
BODY = b'{"message": "Hello?"}'


@dataclass
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])

    @property
    def everything(self) -> bytes:
        """Head and body, for hunting what must not be there."""
        return repr(self.headers).encode() + self.body


async def call(service: Service, method: str, path: str | URL, **more: Any) -> Answer:
    """One request, read to its end."""
    async with service.http.request(method, path, **more) as response:
        return await _read(response)


async def _read(response: ClientResponse) -> Answer:
    return Answer(response.status, response.headers, await response.read())


async def init(service: Service, token: str | None = None, **headers: str) -> Answer:
    return await call(service, "POST", "/lyra/init", headers=service.headers(token, **headers))


async def chat(
    service: Service, token: str | None = None, body: Any = QUESTION, **headers: str
) -> Answer:
    """One chat, streamed unless the headers or the body say otherwise."""
    return await call(
        service, "POST", "/lyra/chat", json=body, headers=service.headers(token, **headers)
    )


@asynccontextmanager
async def chatting(
    service: Service, token: str | None = None, body: Any = QUESTION
) -> AsyncIterator[ClientResponse]:
    """A chat whose reader reads as far as the block says, and then leaves."""
    response = await service.http.post("/lyra/chat", json=body, headers=service.headers(token))
    try:
        yield response
    finally:
        response.close()


async def read_until(response: ClientResponse, sign: bytes) -> bytes:
    """What comes up to and with this sign."""
    seen = b""
    while sign not in seen:
        piece = await response.content.readany()
        assert piece, f"the stream ended without {sign!r}"
        seen += piece
    return seen


@asynccontextmanager
async def connected(
    service: Service, address: str = "127.0.0.1"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A plain connection from this address, closed with FIN at the block's end unless it was reset."""
    url = URL(service.url)
    reader, writer = await asyncio.open_connection(url.host, url.port, local_addr=(address, 0))
    try:
        yield reader, writer
    finally:
        writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """Leave with RST, as a process that was killed does."""
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    writer.transport.abort()


async def raw(service: Service, request: bytes) -> Answer:
    """The answer to these very bytes."""
    async with connected(service) as (reader, writer):
        writer.write(request)
        return await read_answer(reader)


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """One answer of a plain connection, whose body has a Content-Length."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode().rstrip().split("\r\n")
    fields = CIMultiDict[str]()
    for line in lines:
        name, _, value = line.partition(":")
        fields.add(name, value.strip())
    body = await reader.readexactly(int(fields.get("Content-Length", 0)))
    return Answer(int(first.split(" ")[1]), CIMultiDictProxy(fields), body)


def request_bytes(
    service: Service, method: str, path: str, *lines: str | bytes, body: bytes = b""
) -> bytes:
    """A request as it goes over the wire; only Host and the length are added."""
    head = [
        f"{method} {path} HTTP/1.1".encode(),
        f"Host: 127.0.0.1:{URL(service.url).port}".encode(),
    ]
    head += [line.encode() if isinstance(line, str) else line for line in lines]
    if body:
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    """Read what still comes up to the end of the connection."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


def auth_line(service: Service) -> str:
    return f"Authorization: {service.headers()['Authorization']}"


@asynccontextmanager
async def narrow(
    service: Service,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that takes little, and for now nothing."""
    url = URL(service.url)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (url.host, url.port))
    reader, writer = await asyncio.open_connection(sock=sock)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    try:
        yield reader, writer
    finally:
        writer.close()
