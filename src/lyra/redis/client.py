"""The one module that knows redis-py. It is imported when a Redis URL is set, and only then.

Everything speaks RESP2: it needs no greeting, so that a connection costs no round trip, and
redis-py asks for no maintenance notices.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from redis import exceptions as vendor
from redis.asyncio import (
    BlockingConnectionPool,
    Connection,
    Redis,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from lyra.redis.protocol import Command, Refusal, RefusedError, Reply, Timing, UnansweredError
from lyra.redis.url import Address

_HEALTH_CHECK_S = 30
_LONGEST_WORD = 20  # of a reason


class _SharedTlsConnection(SSLConnection):
    """A connection with the shared TLS context: redis-py's own builds one for each, in the loop."""

    def __init__(self, *, tls: ssl.SSLContext, **settings: Any) -> None:
        super().__init__(**settings)
        self.ssl_context.context = tls


_KINDS: dict[str, type[AbstractConnection]] = {
    "redis": Connection,
    "rediss": _SharedTlsConnection,
    "unix": UnixDomainSocketConnection,
}


class Client:
    """A pool of connections to one Redis, and subscriptions beside it."""

    def __init__(
        self,
        address: Address,
        timing: Timing,
        *,
        connections: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._kind = _KINDS[address.scheme]
        self._settings = _settings(address, timing)
        if address.scheme == "rediss":
            self._settings["tls"] = tls
        self._timing = timing
        pool = BlockingConnectionPool(
            max_connections=connections,
            timeout=timing.timeout_s,
            connection_class=self._kind,
            retry=Retry(NoBackoff(), 1),
            health_check_interval=_HEALTH_CHECK_S,
            **self._settings,
        )
        self._redis: Redis = Redis.from_pool(pool)

    async def send(self, *commands: Command) -> list[Reply]:
        """Return the replies to these commands, which go out together; an error is a `Refusal`.

        Raises:
            UnansweredError: no answer came in time. The commands may have been carried out.
        """
        with _translate_errors(), _keep_cancellation():
            async with asyncio.timeout(self._timing.deadline_s):
                pipeline = self._redis.pipeline(transaction=False)
                for command in commands:
                    pipeline.pipeline_execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py
                replies = await pipeline.execute(raise_on_error=False)
        return [_as_refusal(reply) for reply in replies]

    @asynccontextmanager
    async def subscription(self, channel: str) -> AsyncIterator["ChannelSubscription"]:
        """Give a confirmed subscription on a connection of its own.

        redis-py's own PubSub is not used: when its connection is lost it subscribes anew without
        telling the caller, who has then missed messages without knowing.

        Raises:
            UnansweredError: it could not be had.
            RefusedError: this user may not subscribe.
        """
        connection = self._kind(retry=Retry(NoBackoff(), 0), **self._settings)
        try:
            with _translate_errors(), _keep_cancellation():
                async with asyncio.timeout(self._timing.deadline_s):
                    await connection.connect()  # type: ignore[no-untyped-call]  # redis-py
                    await _subscribe(connection, channel)
            # A fault in the block is the caller's own, except for what `next` raises.
            yield ChannelSubscription(connection, self._timing)
        finally:
            with suppress(UnansweredError), _translate_errors():
                await connection.disconnect(nowait=True)

    async def close(self) -> None:
        """Close every connection of the pool."""
        with suppress(UnansweredError), _translate_errors():  # one that is lost is closed
            await self._redis.aclose(close_connection_pool=True)


class ChannelSubscription:
    """The messages of one channel, as they come."""

    def __init__(self, connection: AbstractConnection, timing: Timing) -> None:
        self._connection = connection
        self._timing = timing

    async def next(self) -> bytes | None:
        """Return the next message; None for anything else, such as the answer to a ping.

        Raises:
            UnansweredError: the connection is lost, or not even a ping is answered.
        """
        with _translate_errors():
            reply = await self._connection.read_response(timeout=self._timing.silence_s)
            if reply is None:
                reply = await self._answer_to_ping()
        match reply:
            case [b"message", _, bytes(message)]:
                return message
            case _:
                return None

    async def _answer_to_ping(self) -> Reply:
        with _keep_cancellation():
            await self._connection.send_command("PING")
            reply = await self._connection.read_response(timeout=self._timing.timeout_s)
        if reply is None:
            raise TimeoutError
        return reply


async def _subscribe(connection: AbstractConnection, channel: str) -> None:
    await connection.send_command("SUBSCRIBE", channel)
    try:
        await connection.read_response()
    except vendor.ResponseError as fault:
        raise RefusedError(_code(fault)) from fault


@contextmanager
def _keep_cancellation() -> Iterator[None]:
    """Raise a cancellation that was lost in the block.

    redis-py writes under `asyncio.wait_for`, which on Python 3.11 swallows one that comes as the
    write ends (python/cpython#86296): a task that is awaited at its end would then go on for ever.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - it is awaited from coroutines only
    before = task.cancelling()
    try:
        yield
    finally:
        if task.cancelling() > before:
            raise asyncio.CancelledError


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Turn all errors of the client into UnansweredError.

    redis-py, asyncio, TLS and uvloop each have errors of their own for a lost connection,
    RuntimeError among them, and for a malformed reply. A cancellation passes: it says nothing
    about Redis.
    """
    try:
        yield
    except (RefusedError, UnansweredError):
        raise
    except (TimeoutError, vendor.TimeoutError) as fault:
        raise UnansweredError("timeout", timed_out=True) from fault
    except Exception as fault:
        # redis-py closes the connection at some of Redis' words, as at LOADING and NOAUTH.
        refused = _code(fault) if getattr(fault, "status_code", None) else None
        raise UnansweredError(type(fault).__name__, timed_out=False, refused=refused) from fault


def _as_refusal(reply: Reply) -> Reply:
    return Refusal(_code(reply)) if isinstance(reply, Exception) else reply


def _code(fault: Exception) -> str:
    """Return one word for this fault: Redis' own, if it is one."""
    if not isinstance(fault, vendor.RedisError):
        return type(fault).__name__
    # Redis 6 wraps what a script ran into, so the word is looked for and not only read.
    text = str(fault)
    if "WRONGTYPE" in text:
        return "WRONGTYPE"
    words = (getattr(fault, "status_code", None) or "", text.partition(" ")[0].lstrip("-"))
    for word in words:
        if word.isascii() and word.isalpha() and word.isupper() and len(word) <= _LONGEST_WORD:
            return word
    return type(fault).__name__


def _settings(address: Address, timing: Timing) -> dict[str, Any]:
    where: dict[str, Any] = {"host": address.host, "port": address.port}
    if address.scheme == "unix":
        where = {"path": address.path}
    return {
        **where,
        "db": address.db,
        "username": address.username,
        "password": address.password,
        "protocol": 2,
        # Otherwise every new connection looks redis-py's version up on the disk, in the loop.
        "driver_info": None,
        "socket_timeout": timing.timeout_s,
        "socket_connect_timeout": timing.timeout_s,
    }
