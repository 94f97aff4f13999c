"""Answers that fail below HTTP: silence, drips, cuts, resets, and bodies without measure."""

import asyncio
import socket
import struct
import zlib
from functools import cache

from aiohttp import web

from lyra.sandbox.spotify_errors import JSON

HUGE_BYTES = 9 * 2**20
BOMB_BYTES = 64 * 2**20

_DRIP_S = 0.1
_CHUNK = b"a" * 2**16


async def paused(stopping: asyncio.Event, seconds: float | None = None) -> bool:
    """Wait; True once the server is stopping, False when the time is over before."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return False
    return True


def reset(request: web.BaseRequest) -> web.Response:
    """Break the connection with a TCP reset; the response is never sent."""
    if request.transport is not None:
        sock: socket.socket | None = request.transport.get_extra_info("socket")
        if sock is not None:
            # A linger of 0 s makes the kernel send RST where a close would send FIN.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()


async def hang(request: web.BaseRequest, stopping: asyncio.Event) -> web.Response:
    """Say nothing until the client leaves or the server stops."""
    await paused(stopping)
    return reset(request)


async def cut(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    """Promise the whole body, send half of it and close."""
    response = await _opened(request, len(body))
    await response.write(body[: len(body) // 2])
    response.force_close()
    if request.transport is not None:
        request.transport.close()
    return response


async def drip(
    request: web.BaseRequest, body: bytes, stopping: asyncio.Event
) -> web.StreamResponse:
    """Send the body at ten bytes a second, one at a time."""
    response = await _opened(request, len(body))
    for place in range(len(body)):
        await response.write(body[place : place + 1])
        if await paused(stopping, _DRIP_S):
            return reset(request)
    return response


async def huge(request: web.BaseRequest) -> web.StreamResponse:
    """Send 9 MiB of valid JSON, without a Content-Length."""
    response = await _opened(request, None)
    await response.write(b'{"items":[],"padding":"')
    for _ in range(HUGE_BYTES // len(_CHUNK)):
        await response.write(_CHUNK)
    await response.write(b'"}')
    return response


def gzipped(body: bytes) -> web.Response:
    """The whole body, compressed whether the client asked for it or not."""
    return _compressed(_gzip(body))


async def bomb() -> web.Response:
    """64 MiB of valid JSON in about 300 kB."""
    return _compressed(await asyncio.to_thread(_bomb))


def elsewhere(request: web.BaseRequest) -> web.Response:
    """A 302 to this server under another host name, where it is seen who follows and with what."""
    # The name is not the address that the client was given, so to a client it is a stranger.
    target = f"http://localhost:{request.url.port}/__sandbox/elsewhere"
    return web.Response(status=302, headers={"Location": target})


def _compressed(body: bytes) -> web.Response:
    headers = {"Content-Type": JSON, "Content-Encoding": "gzip"}
    return web.Response(body=body, headers=headers)


def _gzip(*parts: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return b"".join([*map(packer.compress, parts), packer.flush()])


@cache
def _bomb() -> bytes:
    fill = [_CHUNK] * (BOMB_BYTES // len(_CHUNK))
    return _gzip(b'{"items":[],"padding":"', *fill, b'"}')


async def _opened(request: web.BaseRequest, length: int | None) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": JSON})
    response.content_length = length
    await response.prepare(request)
    return response
