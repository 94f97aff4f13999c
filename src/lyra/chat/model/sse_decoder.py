"""An SSE decoder: split a byte stream of server-sent events into the data of each event.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

Every byte is read a bounded number of times, however the stream is cut into chunks.
"""

import re

MAX_EVENT_BYTES = 4_194_304  # decoded as JSON in ten milliseconds
_ONE_EVENT = re.compile(rb"(?:event: [^\r\n]*\n)?data: ([^\r\n]+)\n\n")
_BREAK = re.compile(rb"\r\n|\r|\n")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class SSEDecoder:
    """Decodes chunks of any size as they come; comments and event names are dropped."""

    def __init__(self) -> None:
        self._line = bytearray()  # the line that has no end yet
        self._data: list[bytes] = []  # of the event that has no end yet
        self._size = 0  # of that event
        self._first = True  # whether no line has ended yet
        self._after_cr = False  # whether a line feed would belong to the line break before it
        self._between_events = True  # whether the next chunk begins an event
        self.any_event = False  # whether there has been an event

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of the events that this chunk completes.

        Raises:
            ValueError: the unfinished event is longer than `MAX_EVENT_BYTES`.
        """
        # Nearly every chunk is one whole event, and splitting it takes five times as long.
        if self._between_events and (match := _ONE_EVENT.fullmatch(chunk)):
            self._first, self.any_event = False, True
            return [match[1]]
        if self._size + len(self._line) > MAX_EVENT_BYTES:
            raise ValueError("an event without an end")
        events = self._split(chunk)
        self._between_events = not (self._line or self._data or self._after_cr)
        self.any_event = self.any_event or bool(events)
        return events

    def _split(self, chunk: bytes) -> list[bytes]:
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        *lines, rest = _BREAK.split(chunk)
        events = [data for line in lines if (data := self._end_line(line))]
        self._line += rest
        return events

    def _end_line(self, line: bytes) -> bytes:
        """Return the data of the event that this line completes, which is none for most lines."""
        if self._line:
            line = bytes(self._line + line)
            self._line.clear()
        if self._first:
            self._first = False
            line = line.removeprefix(BYTE_ORDER_MARK)
        if not line:
            return self._end_event()
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            self._size += len(line)
        return b""

    def _end_event(self) -> bytes:
        data = b"\n".join(self._data)
        self._data = []
        self._size = 0
        return b"" if data.isspace() else data
