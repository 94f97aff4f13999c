"""Prewarmed connections: open before they are needed, so that no request waits for DNS or TLS."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp.connector import Connection

from lyra.background import background
from lyra.spotify.failures import FailureCode
from lyra.spotify.transport import explain

log = logging.getLogger(__name__)

_EVERY_S = 10.0  # more often than the pool closes idle connections
_AFTER_FAILURE_S = 60.0
_OPENING = aiohttp.ClientTimeout(total=10)


class _TakenError(Exception):
    """The connection is open; nothing is to be sent."""


class _ConnectionTaker:
    """A client middleware that takes connections from the pool and sends nothing over them.

    This way aiohttp itself builds the request, and so the key under which its pool keeps them.
    """

    def __init__(self, connector: aiohttp.BaseConnector) -> None:
        self.taken: list[Connection] = []
        self._connector = connector

    async def __call__(
        self, request: aiohttp.ClientRequest, _: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        self.taken.append(await self._connector.connect(request, [], _OPENING))
        raise _TakenError


class ConnectionPrewarmer:
    """Keeps `count` idle connections to one address open in the pool of a session.

    A connection that the other side has closed is opened anew.
    """

    def __init__(self, name: str, session: aiohttp.ClientSession, url: str, count: int) -> None:
        self._name = name
        self._session = session
        self._url = url
        self._count = count
        self._failing = False

    async def renew(self) -> bool:
        """Open what is missing, and mark all as just used; return False if one cannot be opened."""
        connector = self._session.connector
        assert connector is not None  # noqa: S101 - it is None only after the session's end
        taking = _ConnectionTaker(connector)
        try:
            async with asyncio.TaskGroup() as group:
                tries = [group.create_task(self._take(taking)) for _ in range(self._count)]
        finally:
            # Only now: one released before the last is taken would be taken twice.
            for connection in taking.taken:
                connection.release()
        failure = next((code for each in tries if (code := each.result())), None)
        if failure is not None and not self._failing:
            log.warning("no connection to %s can be opened now (%s)", self._name, failure)
        self._failing = failure is not None
        return not self._failing

    async def _take(self, taking: _ConnectionTaker) -> FailureCode | None:
        """Return why there is no connection; None when there is one."""
        try:
            await self._session.get(self._url, timeout=_OPENING, middlewares=(taking,))
        except _TakenError:
            return None
        except (OSError, aiohttp.ClientError) as wrong:
            return explain(wrong).code
        raise AssertionError("a request was sent")

    async def keep(self) -> None:
        """Renew for ever, at intervals."""
        while True:
            warm = await self.renew()
            await asyncio.sleep(_EVERY_S if warm else _AFTER_FAILURE_S)


@asynccontextmanager
async def keep_warm(prewarmer: ConnectionPrewarmer) -> AsyncIterator[None]:
    """Keep these connections open for the length of the block, without waiting for them."""
    async with background(prewarmer.keep()):
        yield
