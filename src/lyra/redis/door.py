"""The one door to Redis: calls that never raise, the breaker before them, the notices behind.

`open_redis` is where it begins. redis-py and cryptography are imported there and nowhere earlier.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from importlib import import_module
from random import Random
from typing import Any, Protocol

from lyra.extras import how_to_install
from lyra.metrics import Metrics
from lyra.redis.address import Address, check_tls_files, parse_address
from lyra.redis.breaker import Breaker
from lyra.redis.names import channel
from lyra.redis.notices import Notices, Subscriber
from lyra.redis.replies import Command, Refusal, Reply, UnansweredError
from lyra.redis.timing import Timing

log = logging.getLogger(__name__)

CONNECTIONS = 16
_CODES_LOGGED = 16  # a strange server may invent any number of words
_COUNTED = ("ok", "error", "timeout", "breaker", "refused", "poisoned", "oversized", "foreign")


class Sender(Protocol):
    """Sends commands together and gives their replies, or raises UnansweredError."""

    async def send(self, *commands: Command) -> list[Reply]: ...


class RedisDoor:
    """A Redis that may be away at any time: then every answer is None, at once."""

    def __init__(
        self, sender: Sender, breaker: Breaker, metrics: Metrics, *, db: int, timing: Timing
    ) -> None:
        self.me = secrets.token_hex(8)
        self.timing = timing
        self.channel = channel(db)
        self.notices = Notices(self.me, self.count)
        self._sender = sender
        self._breaker = breaker
        self._counts = {f"{name}_total": 0 for name in _COUNTED}
        self._codes: set[str] = set()
        self._probe: asyncio.Task[object] | None = None
        self._works: set[asyncio.Task[None]] = set()
        metrics.watch("lyra_redis", self.stats)

    @property
    def reachable(self) -> bool:
        """Whether the latest call was answered. If not, further calls only cost time."""
        return not self._breaker.failing

    async def ask(self, *commands: Command) -> list[Reply] | None:
        """The replies to commands that go out together; None when Redis does not answer."""
        if self._breaker.open:
            self._look_behind()
            self.count("breaker_total")
            return None
        return await self._sent(*commands)

    def _look_behind(self) -> None:
        """Find out whether Redis is back, once it has rested, while nobody waits for that."""
        if self._probe is None and not self._breaker.resting:
            self._probe = asyncio.get_running_loop().create_task(self._sent(("PING",)))
            self._probe.add_done_callback(self._looked)

    def _looked(self, probe: asyncio.Task[object]) -> None:
        self._probe = None
        _report(probe)

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Work that nobody waits for, begun; it ends with the door at the latest."""
        task = asyncio.get_running_loop().create_task(work)
        self._works.add(task)
        task.add_done_callback(self._works.discard)
        task.add_done_callback(_report)
        return task

    async def close(self) -> None:
        """End the look and the works that are under way."""
        under_way: set[asyncio.Task[Any]] = {*self._works}
        if self._probe is not None:
            under_way.add(self._probe)
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way)

    async def _sent(self, *commands: Command) -> list[Reply] | None:
        admitted = self._breaker.admit()
        if admitted is None:
            return None
        try:
            replies = await self._sender.send(*commands)
        except UnansweredError as lost:
            self._breaker.failed(lost.reason)
            self.count("timeout_total" if lost.timed_out else "error_total")
            return None
        except BaseException:
            # The caller left, or the fault is ours: neither says anything about Redis.
            self._breaker.abandoned(admitted)
            raise
        self._breaker.succeeded()
        self._count_answered(replies)
        return replies

    def describe(self) -> dict[str, Any]:
        """How Redis is doing: `ok`, or `degraded` when it is away or sends no notices."""
        fine = self.notices.hearing and not self._breaker.open
        return {"state": "ok" if fine else "degraded"}

    def stats(self) -> dict[str, int]:
        """Counters (names in `_total`) and switches at this moment, 1 for yes."""
        return {
            **self._counts,
            "breaker_open": int(self._breaker.open),
            "hearing": int(self.notices.hearing),
        }

    def count(self, name: str) -> None:
        self._counts[name] += 1

    def _count_answered(self, replies: list[Reply]) -> None:
        refused = [reply.code for reply in replies if isinstance(reply, Refusal)]
        self.count("refused_total" if refused else "ok_total")
        for code in refused:
            if code not in self._codes and len(self._codes) < _CODES_LOGGED:
                self._codes.add(code)
                log.warning("Redis refuses a command (%s); said once for each word", code)


@asynccontextmanager
async def open_redis(
    url: str,
    metrics: Metrics,
    *,
    clock: Callable[[], float],
    rng: Random,
    timing: Timing | None = None,
    connections: int = CONNECTIONS,
) -> AsyncIterator[RedisDoor]:
    """The door to the Redis at this URL, whether it is there already or comes later.

    `clock` counts seconds, from anywhere.

    Raises:
        ValueError: the URL is wrong, a file that it names cannot be used, or redis-py or
            cryptography is not installed. The message holds no part of the URL.
    """
    timing = timing or Timing()
    address = parse_address(url)
    client = await _client(address, timing, connections)
    breaker = Breaker(clock, rest_s=timing.rest_s)
    door = RedisDoor(client, breaker, metrics, db=address.db, timing=timing)
    subscriber = Subscriber(
        lambda: client.subscription(door.channel), door.notices, breaker, timing, rng
    )
    task = asyncio.get_running_loop().create_task(subscriber.run())
    task.add_done_callback(_report)
    try:
        yield door
    finally:
        task.cancel()
        await asyncio.wait([task])
        await door.close()
        await client.close()


async def _client(address: Address, timing: Timing, connections: int) -> Any:
    # In a thread: a tenth of a second of reading files is too long for the loop.
    try:
        module = await asyncio.to_thread(import_module, "lyra.redis.client")
        await asyncio.to_thread(import_module, "cryptography.hazmat.primitives.ciphers.aead")
    except ModuleNotFoundError as missing:
        cure = await asyncio.to_thread(how_to_install, "redis")
        raise ValueError(
            f"a Redis URL needs {missing.name}, which is not installed: {cure}"
        ) from missing
    await asyncio.to_thread(check_tls_files, address)
    return module.Client(address, timing, connections=connections)


def _report(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("a task for Redis broke: this is a fault in Lyra", exc_info=task.exception())
