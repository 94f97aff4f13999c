"""The floor: an asyncio protocol that answers the same bytes to whatever comes.

Run as a process with a file that holds the whole answer, head and body; prints its address. A
request is what one read brings, as the benchmark's client sends it.
"""

import asyncio
import sys
from pathlib import Path
from typing import cast

from bench.event_loop import run_server, serve_protocol


class Raw(asyncio.Protocol):
    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None and data.endswith(b"\r\n\r\n"):
            self._transport.write(self._answer)


if __name__ == "__main__":
    ANSWER = Path(sys.argv[1]).read_bytes()
    run_server(serve_protocol(lambda: Raw(ANSWER)))
