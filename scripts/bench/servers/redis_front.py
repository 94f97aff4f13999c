"""What stands before a Redis and changes how it is reached. Run as a process: PORT [PEM].

With a certificate it speaks TLS; without one it resets every connection after a few replies.
Prints its address. A process of its own: what it takes is not the service's, nor the load's.
"""

import asyncio
import socket
import ssl
import struct
import sys
from contextlib import suppress

from bench.event_loop import announce, run_server

_RESET_AFTER = 4  # pieces of what Redis says
_PIECE = 65_536


async def main(port: int, tls: ssl.SSLContext | None) -> None:
    """Serve until the process is ended."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        sending = asyncio.get_running_loop().create_task(_copy(reader, back))
        left = _RESET_AFTER
        with suppress(OSError):
            while left and (piece := await there.read(_PIECE)):
                writer.write(piece)
                left -= tls is None
        sending.cancel()
        back.close()
        if tls is None:
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls, backlog=512)
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
    writer.close()


def _context(pem: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    return context


if __name__ == "__main__":
    PORT, *PEM = sys.argv[1:]
    run_server(main(int(PORT), _context(*PEM) if PEM else None))
