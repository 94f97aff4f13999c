"""How the process logs: a line a record, as text or JSON, with the request's id.

Lines are collected and written by a thread of their own, a few times a second: a slow terminal, or
a pipe that nobody reads, never holds a listener up. What there is no room for is dropped, counted
and told.
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

# They write keys, headers or bodies at DEBUG, or a line per call at INFO.
_QUIET = ("aiocache", "aiohttp", "anthropic", "asyncio", "httpcore2", "httpx2", "redis")
_MAX_LINES = 10_000
_GATHER_S = 0.02
_LAST_WORDS_S = 1.0
_REQUESTS = "lyra.web.requests"


def configure_logs(
    style: Literal["text", "json"], secrets: tuple[str, ...] = (), *, level: str = "info"
) -> "BufferedHandler":
    """Send every record from this level on to stderr in one style, these secrets blackened."""
    redact, least = Redactor(secrets), logging.getLevelNamesMapping()[level.upper()]
    handler = BufferedHandler(
        sys.stderr, JsonStyle(redact) if style == "json" else TextStyle(redact)
    )
    handler.setLevel(least)
    logging.basicConfig(level=least, handlers=[handler], force=True)
    for vendor in _QUIET:
        logging.getLogger(vendor).setLevel(logging.WARNING)
    # Nothing here shows them, and they cost more than the line: see "Optimization" in the
    # standard library's documentation of logging.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 - documented, as said above
    return handler


class LineFormat(Protocol):
    """How a line looks."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""

    def answered(self, answered: AccessRecord, at: float) -> str:
        """The line of a request that was answered `at` seconds since 1970."""


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
        self._news = threading.Event()
        self._closing = threading.Event()
        self._writer = threading.Thread(target=self._write_on, name="log", daemon=True)
        self._writer.start()
        atexit.register(self.close)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line; formatted here, where the request's id is known."""
        self._take(self._style.format(record))

    def answered(self, answered: AccessRecord) -> None:
        """Take the line of a request, which costs a tenth of a record's."""
        if answered.level >= self.level:
            self._take(self._style.answered(answered, time.time()))  # noqa: TID251 - for people to read

    def _take(self, line: str) -> None:
        if len(self._lines) >= self._capacity:
            self.dropped += 1
            return
        self._lines.append(line)
        if not self._news.is_set():
            self._news.set()

    def close(self) -> None:
        """Write what is left, if it can be written in a second."""
        if not self._closing.is_set():
            self._closing.set()
            self._news.set()
            self._writer.join(_LAST_WORDS_S)
        super().close()

    def _write_on(self) -> None:
        told = 0
        while not (self._closing.is_set() and not self._lines):
            self._news.wait()
            self._closing.wait(_GATHER_S)  # more lines come in bursts: one write for all of them
            self._news.clear()
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if self.dropped > told:
                lines.append(f"{self.dropped - told} lines of the log were dropped")
                told = self.dropped
            if not self._written("".join(f"{line}\n" for line in lines)):
                return

    def _written(self, text: str) -> bool:
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):
            # Nobody listens any more; the service goes on without a log. What stderr still holds
            # would make the exit code 120.
            if self._out is sys.stderr:
                sys.stderr = None  # as Python has it where there is none
            return False
        return True


class TextStyle(logging.Formatter):
    """A line as people read it."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", "%H:%M:%S")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        line = self._redact(f"{super().format(record)} [{request_id.get()}]")
        if line.isprintable():
            return line
        # A record stays on its lines, whatever a stranger managed to put into it.
        return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in line)

    def answered(self, answered: AccessRecord, at: float) -> str:
        return (
            f"{_time_of_day(int(at))} {logging.getLevelName(answered.level)} {_REQUESTS} "
            f"{answered.line()} [{answered.request_id}]"
        )


@lru_cache(maxsize=1)
def _time_of_day(at: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


class JsonStyle(logging.Formatter):
    """A line as programs read it."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "at": record.created,
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
        }
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        told |= {name: self._redact(told[name]) for name in ("message", "trace") if name in told}
        return orjson.dumps(told, default=str).decode()

    def answered(self, answered: AccessRecord, at: float) -> str:
        method, route, status, ms, rid = answered
        told = {
            "at": at,
            "level": logging.getLevelName(answered.level),
            "logger": _REQUESTS,
            "message": answered.line(),
            "method": method,
            "route": route,
            "status": status,
            "ms": round(ms, 1),
            "request_id": rid,
        }
        return orjson.dumps(told).decode()
