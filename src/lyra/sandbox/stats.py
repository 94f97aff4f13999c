"""What the sandbox was asked: counters that a test or a benchmark reads, and may wait on."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lyra.sandbox.pages import ENDPOINTS, MORE_ENDPOINTS, WRITES, Endpoint

TOKENS_KEPT = 10_000


class Stats:
    """Requests by endpoint and by token, logins, and model calls by how they ended.

    `by_token` holds the 10,000 tokens seen last, by the first 12 digits of their SHA-256.
    `written` counts what was done to playlists, whatever the client was told of it: made (`create`),
    `replace`, `add`.
    `logins` counts what the accounts server was asked for: `authorize`, `code`, `refresh`.
    `followed` counts requests that came by way of a redirect, `followed_with_token` those of them
    that brought their Authorization along.
    `model_closed` counts ended model calls; of these `model_cancelled` were left by the client.
    """

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self.model_open = 0
        self.reset()

    def reset(self) -> None:
        """Set every counter to zero but `model_open`, which is a state and not a count."""
        self.total = 0
        self.by_endpoint: dict[str, int] = dict.fromkeys((*ENDPOINTS, *MORE_ENDPOINTS, *WRITES), 0)
        self.by_token: OrderedDict[str, int] = OrderedDict()
        self.written: dict[str, int] = dict.fromkeys(WRITES, 0)
        self.logins = dict.fromkeys(("authorize", "code", "refresh"), 0)
        self.followed = 0
        self.followed_with_token = 0
        self.model_calls = 0
        self.model_closed = 0
        self.model_cancelled = 0

    def count(self, endpoint: Endpoint, digest: str | None) -> None:
        """Count a request to the Web API, under its token if it had one."""
        self.total += 1
        self.by_endpoint[endpoint] += 1
        if digest is not None:
            self.by_token[digest] = self.by_token.pop(digest, 0) + 1
            if len(self.by_token) > TOKENS_KEPT:
                self.by_token.popitem(last=False)
        self._tell()

    def count_written(self, endpoint: Endpoint) -> None:
        """Count a write that was done."""
        self.written[endpoint] += 1
        self._tell()

    def count_login(self, step: str) -> None:
        """Count a request to the accounts server: `authorize`, `code` or `refresh`."""
        self.logins[step] += 1
        self._tell()

    def count_followed(self, *, with_token: bool) -> None:
        """Count a client that followed a redirect to another host."""
        self.followed += 1
        self.followed_with_token += with_token
        self._tell()

    @contextmanager
    def model_call(self) -> Iterator[None]:
        """Count a model call as open while the block runs, and how it ended."""
        self.model_calls += 1
        self.model_open += 1
        self._tell()
        try:
            yield
        except (asyncio.CancelledError, ConnectionResetError):
            self.model_cancelled += 1
            raise
        finally:
            self.model_open -= 1
            self.model_closed += 1
            self._tell()

    async def until(self, reached: Callable[["Stats"], bool]) -> None:
        """Return once the counters are as described; put a timeout around it."""
        while not reached(self):
            await self._changed.wait()

    def as_dict(self) -> dict[str, Any]:
        """The counters as `GET /__sandbox/stats` shows them."""
        return {
            "total": self.total,
            "by_endpoint": self.by_endpoint,
            "by_token": self.by_token,
            "written": self.written,
            "logins": self.logins,
            "followed": self.followed,
            "followed_with_token": self.followed_with_token,
            "model_calls": self.model_calls,
            "model_open": self.model_open,
            "model_cancelled": self.model_cancelled,
        }

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
