"""The floor: an asyncio protocol that answers the same bytes to whatever comes.

Run as a process with a file that holds the whole answer, head and body; prints its address. A
request is what one read brings, as the benchmark's client sends it.
"""

import asyncio
import sys
from pathlib import Path
from typing import cast

import uvloop


class Raw(asyncio.Protocol):
    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None and data.endswith(b"\r\n\r\n"):
            self._transport.write(self._answer)


async def _serve(answer: bytes) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Raw(answer), "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as running:
            running.run(_serve(Path(sys.argv[1]).read_bytes()))
    except KeyboardInterrupt:
        sys.exit(0)
