"""Requests through a proxy, over TLS and from an address of one's own."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from tests.support.proxies import HOST


@dataclass(frozen=True)
class Got:
    """An answer read to its end."""

    status: int
    head: str
    body: bytes

    @property
    def code(self) -> str:
        """The error's code; empty where the answer is not Lyra's."""
        try:
            return str(orjson.loads(self.body)["error"]["code"])
        except (ValueError, KeyError, TypeError):
            return ""

    @property
    def reason(self) -> str:
        return str(orjson.loads(self.body)["error"].get("reason", ""))


class ProxyClient:
    """Speaks HTTP/1.1 with one proxy; `base` is what stands before every path."""

    def __init__(self, port: int, base: str, token: str) -> None:
        self._port, self.base = port, base
        self._token = token
        self._tls = ssl.create_default_context()
        self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE  # signed by itself

    @asynccontextmanager
    async def sent(
        self,
        method: str,
        target: str,
        *lines: str,
        body: bytes | None = None,
        client: str = "127.0.0.4",
        token: str | None = None,
    ) -> AsyncIterator[asyncio.StreamReader]:
        """What comes back for this request of this client, head and all."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._tls, server_hostname=HOST, local_addr=(client, 0)
        )
        fields = [
            f"Host: {HOST}",
            f"Authorization: Bearer {token or self._token}",
            "Connection: close",
        ]
        if body is not None:
            fields += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        head = "\r\n".join((f"{method} {target} HTTP/1.1", *fields, *lines, "", ""))
        try:
            writer.write(head.encode() + (body or b""))
            yield reader
        finally:
            writer.close()

    async def ask(self, method: str, path: str, *lines: str, **more: Any) -> Got:
        """The whole answer to this path below the base."""
        return await self.answer(method, f"{self.base}{path}", *lines, **more)

    async def loaded(self, address: str) -> Got:
        """What a browser loads from this address of the host."""
        return await self.answer("GET", address)

    async def answer(self, method: str, target: str, *lines: str, **more: Any) -> Got:
        """The whole answer to this target."""
        async with self.sent(method, target, *lines, **more) as reader:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            chunked = "transfer-encoding: chunked" in head
            body = b"".join([piece async for piece in _chunks(reader)]) if chunked else None
            if body is None:
                body = await reader.readexactly(_length(head))
        return Got(int(head.split(" ", 2)[1]), head, body)


def _length(head: str) -> int:
    found = [line for line in head.split("\r\n") if line.startswith("content-length:")]
    return int(found[0].partition(":")[2]) if found else 0


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        await reader.readline()
