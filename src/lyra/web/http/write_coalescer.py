"""Answers that leave together, at the end of the loop's turn in which they were made."""

import asyncio


class WriteCoalescer:
    """Writes what it was given, connection by connection, before the loop looks for news again.

    A write wakes the reader's process up, and that costs the writer more than all of a short answer.
    Of several writes in a row the first one wakes it, and the others find it awake.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._soon = loop.call_soon
        self._waiting: list[tuple[asyncio.WriteTransport, bytes]] = []

    def put(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Write this soon: after all that is in the box already, before anything that comes later."""
        if not self._waiting:
            self._soon(self.flush)
        self._waiting.append((transport, data))

    def flush(self) -> None:
        """Write all of it now."""
        waiting, self._waiting = self._waiting, []
        for transport, data in waiting:
            if not transport.is_closing():
                transport.write(data)
