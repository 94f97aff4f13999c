"""The one door to Redis: calls that never raise, the breaker before them, the notices behind.

`open_redis` is where it begins. redis-py and cryptography are imported there and nowhere earlier.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from importlib import import_module
from random import Random
from typing import Any, Protocol

from lyra.background import background
from lyra.extras import how_to_install
from lyra.metrics import Metrics
from lyra.redis import scripts
from lyra.redis.breaker import ConsecutiveBreaker
from lyra.redis.invalidation import InvalidationBus, Subscriber
from lyra.redis.keyspace import LOOK, channel
from lyra.redis.protocol import Command, Refusal, Reply, UnansweredError
from lyra.redis.refusals import Refusals
from lyra.redis.timing import Timing
from lyra.redis.url import Address, parse_address, tls_context

log = logging.getLogger(__name__)

CONNECTIONS = 16
_LOOK: tuple[Command, ...] = (("HELLO",), ("EVAL", scripts.LOOK, 1, LOOK))
_OUTCOMES = ("ok", "refused", "timeout", "unreachable", "withheld")
_REASONS = ("poisoned", "oversized", "foreign")


class Sender(Protocol):
    """Sends commands together and gives their replies, or raises UnansweredError."""

    async def send(self, *commands: Command) -> list[Reply]: ...


class RedisGateway:
    """A Redis that may be away at any time: then every answer is None, at once.

    What it refuses is answered with a Refusal, and not sent again for a while: see Refusals.
    """

    def __init__(
        self,
        sender: Sender,
        breaker: ConsecutiveBreaker,
        metrics: Metrics,
        *,
        db: int,
        timing: Timing,
        refusals: Refusals | None = None,
    ) -> None:
        self.me = secrets.token_hex(8)
        self.timing = timing
        self.channel = channel(db)
        self.calls = metrics.tally(
            "lyra_redis_calls", "Calls to Redis by how they ended.", "outcome", _OUTCOMES
        )
        self.discarded = metrics.tally(
            "lyra_redis_discarded",
            "Values and notices in Redis that were not Lyra's.",
            "reason",
            _REASONS,
        )
        self.notices = InvalidationBus(self.me, self.discarded.count)
        self._sender = sender
        self._breaker = breaker
        self._refusals = refusals or Refusals(time.monotonic, rest_s=timing.rest_s)
        self._probe: asyncio.Task[object] | None = None
        self._works: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self.notices.on_joined(self._look)
        metrics.register_callback("lyra_redis", self.stats)

    @property
    def reachable(self) -> bool:
        """Whether the latest call was answered. If not, further calls only cost time."""
        return not self._breaker.failing

    def refuses(self, *commands: Command) -> bool:
        """Whether Redis refused one of these when it was last sent: trying it now is in vain."""
        return self._refusals.stand(*commands)

    def misunderstand(self, command: Command) -> None:
        """The reply to this command was none that it can have: as good as a refusal."""
        if not self.refuses(command):
            self._refusals.note([command], [Refusal("RUBBISH")])

    async def execute(self, *commands: Command) -> list[Reply] | None:
        """The replies to commands that go out together; None when Redis does not answer."""
        if self._breaker.open:
            self._probe_in_background()
            self.calls.count("withheld")
            return None
        withheld: list[Reply] = [self._refusals.withheld(command) for command in commands]
        sent = [each for each, told in zip(commands, withheld, strict=True) if told is None]
        if len(sent) < len(commands):
            self.calls.count("withheld")
        if not sent:
            return withheld
        came = await self._sent(*sent)
        if came is None:
            return None
        if self._refusals.reason is not None:
            self._keep_looking()
        replies = iter(came)
        return [next(replies, None) if told is None else told for told in withheld]

    async def _look(self) -> None:
        """Find out whether Redis takes what it is told, before anybody is told no."""
        if self._breaker.open:
            return
        replies = await self._sent(*_LOOK)
        match replies:
            case [hello, _] if not isinstance(hello, Refusal):
                self._refusals.note_cluster(cluster=_mode(hello) == b"cluster")
        if self._refusals.reason is not None:
            self._keep_looking()

    def _keep_looking(self) -> None:
        """Look again after each rest while anything is refused, so that its end is seen."""
        if self._looking is None:
            self._looking = self.begin(self._look_on())
            self._looking.add_done_callback(self._looked_on)

    async def _look_on(self) -> None:
        while self._refusals.reason is not None:
            await self._look()
            await asyncio.sleep(self.timing.rest_s)

    def _looked_on(self, _: object) -> None:
        self._looking = None

    def _probe_in_background(self) -> None:
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
            self._breaker.failed(lost.reason, refused=lost.refused)
            self.calls.count("timeout" if lost.timed_out else "unreachable")
            return None
        except BaseException:
            # The caller left, or the fault is ours: neither says anything about Redis.
            self._breaker.abandoned(admitted)
            raise
        self._breaker.succeeded()
        self._refusals.note(commands, replies)
        refused = any(isinstance(reply, Refusal) for reply in replies)
        self.calls.count("refused" if refused else "ok")
        return replies

    def describe(self) -> dict[str, Any]:
        """How Redis is doing: `ok`, or `degraded` when it is away, refuses or sends no notices.

        `reason` is Redis' own word, if it has said one.
        """
        reason = self._breaker.refusal or self._refusals.reason
        if reason is not None:
            return {"state": "degraded", "reason": reason}
        fine = self.notices.subscribed and not self._breaker.open
        return {"state": "ok" if fine else "degraded"}

    def stats(self) -> dict[str, int]:
        """Switches at this moment, 1 for yes."""
        return {"breaker_open": int(self._breaker.open), "subscribed": int(self.notices.subscribed)}


@asynccontextmanager
async def open_redis(
    url: str,
    metrics: Metrics,
    *,
    clock: Callable[[], float],
    rng: Random,
    timing: Timing | None = None,
    connections: int = CONNECTIONS,
) -> AsyncIterator[RedisGateway]:
    """The door to the Redis at this URL, whether it is there already or comes later.

    `clock` counts seconds, from anywhere.

    Raises:
        ValueError: the URL is wrong, a file that it names cannot be used, or redis-py or
            cryptography is not installed. The message holds no part of the URL.
    """
    timing = timing or Timing()
    address = parse_address(url)
    client = await _client(address, timing, connections)
    breaker = ConsecutiveBreaker(clock, rest_s=timing.rest_s)
    refusals = Refusals(clock, rest_s=timing.rest_s)
    door = RedisGateway(client, breaker, metrics, db=address.db, timing=timing, refusals=refusals)
    subscriber = Subscriber(
        lambda: client.subscription(door.channel), door.notices, breaker, timing, rng
    )
    try:
        async with background(subscriber.run()):
            yield door
    finally:
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
    # One for all connections, made here: each takes a tenth of a second of reading certificates.
    tls = await asyncio.to_thread(tls_context, address)
    return module.Client(address, timing, connections=connections, tls=tls)


def _mode(hello: Reply) -> Reply:
    """Whether it is a server of its own, of a cluster, or a sentinel, from its greeting."""
    if isinstance(hello, list):
        hello = dict(zip(hello[::2], hello[1::2], strict=False))
    return hello.get(b"mode") if isinstance(hello, dict) else None


def _report(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("a task for Redis broke: this is a fault in Lyra", exc_info=task.exception())
