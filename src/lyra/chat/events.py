"""Splits a byte stream of server-sent events into the data of each event.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re

MAX_EVENT_BYTES = 8_388_608
_USUAL = re.compile(rb"(?:event: [^\r\n]*\n)?data: ([^\r\n]+)\n\n")


class EventData:
    """Fed with bytes as they come, in pieces of any size; comments and event names are dropped."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of the events that this piece completes.

        Raises:
            ValueError: an event is longer than any sensible one.
        """
        # Nearly every read is one whole event, and taking it apart costs five times as much.
        if not self._rest and (usual := _USUAL.fullmatch(piece)):
            return [usual[1]]
        text = self._rest + piece
        held = b""
        if b"\r" in text:
            # What follows decides whether this is one line break or half of one.
            text, held = (text[:-1], b"\r") if text.endswith(b"\r") else (text, b"")
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *events, rest = text.split(b"\n\n")
        self._rest = rest + held
        if len(self._rest) > MAX_EVENT_BYTES:
            raise ValueError("an event without an end")
        return [data for event in events if (data := _data(event))]


def _data(event: bytes) -> bytes:
    lines = event.split(b"\n")
    return b"\n".join([line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")])
