"""The mode and role that a Redis reports without a password."""

import asyncio
import ssl

from lyra.redis.url import Address, tls_context

_HELLO = b"*1\r\n$5\r\nHELLO\r\n"
_MAX_BYTES = 4096
_WHY_NOT = {
    b"cluster": "is a node of a cluster, which Lyra cannot share a cache through",
    b"sentinel": "is a sentinel, and no Redis",
    b"replica": "is a replica, which takes nothing",
    b"slave": "is a replica, which takes nothing",
}


async def why_unfit(address: Address, within_s: float) -> str:
    """Return why no cache can be shared through this Redis; empty if one can, or it does not say."""
    try:
        tls = await asyncio.to_thread(tls_context, address)
        async with asyncio.timeout(within_s):
            greeting = await _read_greeting(address, tls)
    except (OSError, ValueError):  # TimeoutError is an OSError
        return ""
    words = greeting.split(b"\r\n")
    values = [words[at + 2] for at, word in enumerate(words[:-2]) if word in {b"mode", b"role"}]
    return next((_WHY_NOT[word] for word in values if word in _WHY_NOT), "")


async def _read_greeting(address: Address, tls: ssl.SSLContext | None) -> bytes:
    if address.path:
        reader, writer = await asyncio.open_unix_connection(address.path)
    else:
        reader, writer = await asyncio.open_connection(address.host, address.port, ssl=tls)
    try:
        writer.write(_HELLO)
        reply = b""
        while len(reply) < _MAX_BYTES and (piece := await reader.read(_MAX_BYTES)):
            reply += piece
            if reply.startswith(b"-") or b"\r\nmodules\r\n" in reply:
                break
        return reply
    finally:
        writer.transport.abort()
