"""How the process logs: a line a record, as text or JSON, with the request's id."""

import logging
import sys
from typing import Literal

import orjson

from lyra.web.answers import request_id

# They write keys, headers or bodies at DEBUG, or a line per call at INFO.
_QUIET = ("aiocache", "aiohttp", "anthropic", "asyncio", "httpcore2", "httpx2", "redis")


def configure_logs(style: Literal["text", "json"]) -> None:
    """Send every record of this process to stderr in one style."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Text())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for vendor in _QUIET:
        logging.getLogger(vendor).setLevel(logging.WARNING)


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        line = f"{super().format(record)} [{request_id.get()}]"
        if line.isprintable():
            return line
        # A record stays on its lines, whatever a stranger managed to put into it.
        return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in line)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told = {
            "at": record.created,
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
        }
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        return orjson.dumps(told, default=str).decode()
