"""The wire formats of a run: the AI SDK UI message stream, and what adapts a run to other protocols.

A new format implements `WireFormat`; see `agui.AguiFrames` and `openai_compat.CompletionFrames`.
"""

from collections.abc import Mapping
from typing import Protocol

from lyra.chat.parts import Part
from lyra.chat.runs.event_log import EventLog
from lyra.chat.runs.run import Run
from lyra.web.http.event_stream import DONE


class WireFormat(Protocol):
    """One protocol: its headers, its frames, and what follows the last one."""

    headers: Mapping[str, str]
    last: bytes

    def frames(self, parts: list[Part]) -> bytes:
        """Encode these parts as frames; a protocol passes over parts that have no place in it."""
        ...


class RunFrames(Protocol):
    """The frames of one run for one reader."""

    headers: Mapping[str, str]
    last: bytes

    def more(self) -> bytes:
        """Return the frames since the last call."""
        ...


class UiMessageFrames:
    """The AI SDK UI message stream, version 1: the parts as they are, each with its position."""

    headers: Mapping[str, str] = {"x-vercel-ai-ui-message-stream": "v1"}
    last = DONE

    def __init__(self, log: EventLog, position: int = 0) -> None:
        self._log = log
        self._one = b"id: %b.%%d\ndata: %%b\n\n" % log.id.encode().replace(b"%", b"%%")
        self._position = position

    def more(self) -> bytes:
        """Return the frames since the last call; their ids say where a reader may go on."""
        lines = self._log.lines(self._position)
        first = self._position + 1
        self._position += len(lines)
        if len(lines) == 1:
            return self._one % (first, lines[0])
        return b"".join([self._one % numbered for numbered in enumerate(lines, first)])


class AdaptedFrames:
    """A run in the frames of another protocol."""

    def __init__(self, run: Run, wire_format: WireFormat) -> None:
        self.headers = wire_format.headers
        self.last = wire_format.last
        self._run = run
        self._format = wire_format
        self._position = 0

    def more(self) -> bytes:
        """Return the frames since the last call; none when all these parts are passed over."""
        parts = self._run.since(self._position)
        self._position += len(parts)
        return self._format.frames(parts)
