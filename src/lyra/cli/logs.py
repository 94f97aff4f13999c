"""The log: one line a record, as text or JSON, with the request's id.

A thread writes the lines in batches, so that a slow terminal, or a pipe that nobody reads, never
blocks the event loop. Lines for which there is no room are dropped, and their number is logged.
"""

import atexit
import logging
import sys
import threading
import time
from collections import deque
from functools import lru_cache
from typing import Any, Literal, Protocol, TextIO

import orjson

from lyra.cli.redact import Redactor
from lyra.web.http.access_log import AccessRecord
from lyra.web.http.responses import request_id

# Libraries that log keys, headers or bodies at DEBUG, or a line per call at INFO.
_QUIET = ("aiocache", "aiohttp", "anthropic", "asyncio", "httpcore2", "httpx2", "redis")
_MAX_LINES = 10_000
_BATCH_S = 0.02
_FLUSH_S = 1.0
_REQUESTS = "lyra.web.requests"


def configure_logs(
    style: Literal["text", "json"], secrets: tuple[str, ...] = (), *, level: str = "info"
) -> "BufferedHandler":
    """Log every record from this level on to stderr in one style, with these secrets redacted."""
    redact, threshold = Redactor(secrets), logging.getLevelNamesMapping()[level.upper()]
    handler = BufferedHandler(
        sys.stderr, JsonStyle(redact) if style == "json" else TextStyle(redact)
    )
    handler.setLevel(threshold)
    logging.basicConfig(level=threshold, handlers=[handler], force=True)
    for vendor in _QUIET:
        logging.getLogger(vendor).setLevel(logging.WARNING)
    # No line shows these, and collecting them costs more than the line: see "Optimization" in
    # the standard library's documentation of logging.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 - documented, as said above
    return handler


class LineFormat(Protocol):
    """Formats records and answered requests as lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""

    def format_request(self, record: AccessRecord, at: float) -> str:
        """Return the line of a request that was answered `at` seconds since 1970."""


class BufferedHandler(logging.Handler):
    """Keeps up to `capacity` formatted lines and writes them in batches, in a thread of its own.

    Instead of `logging.handlers.QueueHandler` with a `QueueListener`, which wake that thread and
    write for every record, complain on stderr of a full queue, and at the end wait for a stderr
    that takes nothing for as long as that lasts.
    """

    def __init__(self, out: TextIO, style: LineFormat, capacity: int = _MAX_LINES) -> None:
        super().__init__()
        self.dropped = 0
        self._out = out
        self._style = style
        self._capacity = capacity
        self._lines: deque[str] = deque()
        self._has_lines = threading.Event()
        self._closing = threading.Event()
        self._writer = threading.Thread(target=self._write_loop, name="log", daemon=True)
        self._writer.start()
        atexit.register(self.close)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record's line; it is formatted here, where the request's id is known."""
        self._append(self._style.format(record))

    def log_request(self, record: AccessRecord) -> None:
        """Keep the line of a request, which costs a tenth of a record's."""
        if record.level >= self.level:
            self._append(self._style.format_request(record, time.time()))  # noqa: TID251 - for people to read

    def _append(self, line: str) -> None:
        if len(self._lines) >= self._capacity:
            self.dropped += 1
            return
        self._lines.append(line)
        if not self._has_lines.is_set():
            self._has_lines.set()

    def close(self) -> None:
        """Write the remaining lines, if that takes no longer than a second."""
        if not self._closing.is_set():
            self._closing.set()
            self._has_lines.set()
            self._writer.join(_FLUSH_S)
        super().close()

    def _write_loop(self) -> None:
        reported = 0
        while not (self._closing.is_set() and not self._lines):
            self._has_lines.wait()
            self._closing.wait(_BATCH_S)  # more lines come in bursts: one write for all of them
            self._has_lines.clear()
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if self.dropped > reported:
                lines.append(f"{self.dropped - reported} lines of the log were dropped")
                reported = self.dropped
            if not self._write("".join(f"{line}\n" for line in lines)):
                return

    def _write(self, text: str) -> bool:
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):
            # The service goes on without a log. Flushing the rest of stderr at the end would make
            # the exit code 120.
            if self._out is sys.stderr:
                sys.stderr = None  # as Python has it where there is none
            return False
        return True


class TextStyle(logging.Formatter):
    """Formats lines for people."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", "%H:%M:%S")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        line = self._redact(f"{super().format(record)} [{request_id.get()}]")
        if line.isprintable():
            return line
        # Nothing that a stranger put into a record can fake another line.
        return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in line)

    def format_request(self, record: AccessRecord, at: float) -> str:
        return (
            f"{_time_of_day(int(at))} {logging.getLevelName(record.level)} {_REQUESTS} "
            f"{record.line()} [{record.request_id}]"
        )


@lru_cache(maxsize=1)
def _time_of_day(at: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


class JsonStyle(logging.Formatter):
    """Formats lines as JSON, for programs."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "at": record.created,
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
        }
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        fields |= {
            name: self._redact(fields[name]) for name in ("message", "trace") if name in fields
        }
        return orjson.dumps(fields, default=str).decode()

    def format_request(self, record: AccessRecord, at: float) -> str:
        method, route, status, ms, rid = record
        fields = {
            "at": at,
            "level": logging.getLevelName(record.level),
            "logger": _REQUESTS,
            "message": record.line(),
            "method": method,
            "route": route,
            "status": status,
            "ms": round(ms, 1),
            "request_id": rid,
        }
        return orjson.dumps(fields).decode()
