"""Write coalescing: writes of one iteration of the event loop leave together at its end."""

import asyncio


class WriteCoalescer:
    """Buffer writes, and flush them at the end of the current iteration of the event loop.

    A write wakes the reader's process, and that costs the writer more than a short answer itself. Of
    several writes in a row the first one wakes it, and the others find it awake.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._soon = loop.call_soon
        self._waiting: list[tuple[asyncio.WriteTransport, bytes]] = []

    def put(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Buffer this write, behind those that are buffered already."""
        if not self._waiting:
            self._soon(self.flush)
        self._waiting.append((transport, data))

    def flush(self) -> None:
        """Write all that is buffered now."""
        waiting, self._waiting = self._waiting, []
        for transport, data in waiting:
            if not transport.is_closing():
                transport.write(data)
