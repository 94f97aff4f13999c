"""The gateway to Redis: calls that never raise, behind a circuit breaker.

Begin with `open_redis`. redis-py and cryptography are imported there and nowhere earlier.
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
from lyra.redis.protocol import Command, Refusal, Reply, Timing, UnansweredError
from lyra.redis.refusals import Refusals
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
    """A Redis that may be away at any time: then every call returns None, at once.

    A command that Redis refuses gives a Refusal, and is not sent again for a while: see Refusals.
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
        self.sender_id = secrets.token_hex(8)
        self.timing = timing
        self.channel = channel(db)
        self.calls = metrics.tally(
            "lyra_redis_calls", "Calls to Redis by how they ended.", "outcome", _OUTCOMES
        )
        self.discarded = metrics.tally(
            "lyra_redis_discarded",
            "Values and messages in Redis that were not Lyra's.",
            "reason",
            _REASONS,
        )
        self.bus = InvalidationBus(self.sender_id, self.discarded.count)
        self._sender = sender
        self._breaker = breaker
        self._refusals = refusals or Refusals(time.monotonic, rest_s=timing.rest_s)
        self._probe: asyncio.Task[object] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._checks: asyncio.Task[None] | None = None
        self.bus.on_joined(self._check_refusals)
        metrics.register_callback("lyra_redis", self.stats)

    @property
    def reachable(self) -> bool:
        """Whether the latest call was answered. If not, further calls only cost time."""
        return not self._breaker.failing

    def refuses(self, *commands: Command) -> bool:
        """Return whether Redis refused one of these when it was last sent."""
        return self._refusals.cover(*commands)

    def misunderstand(self, command: Command) -> None:
        """Take a reply that this command cannot have for a refusal."""
        if not self.refuses(command):
            self._refusals.note([command], [Refusal("RUBBISH")])

    async def execute(self, *commands: Command) -> list[Reply] | None:
        """Return the replies to commands that go out together; None when Redis does not answer."""
        if self._breaker.open:
            self._probe_in_background()
            self.calls.count("withheld")
            return None
        withheld: list[Reply] = [self._refusals.hold_back(command) for command in commands]
        sent = [each for each, held in zip(commands, withheld, strict=True) if held is None]
        if len(sent) < len(commands):
            self.calls.count("withheld")
        if not sent:
            return withheld
        answers = await self._send(*sent)
        if answers is None:
            return None
        if self._refusals.reason is not None:
            self._start_checks()
        replies = iter(answers)
        return [next(replies, None) if held is None else held for held in withheld]

    async def _check_refusals(self) -> None:
        """Find out whether Redis takes writes, before a caller's command is refused."""
        if self._breaker.open:
            return
        replies = await self._send(*_LOOK)
        match replies:
            case [hello, _] if not isinstance(hello, Refusal):
                self._refusals.note_cluster(cluster=_mode(hello) == b"cluster")
        if self._refusals.reason is not None:
            self._start_checks()

    def _start_checks(self) -> None:
        """Check again after each rest while anything is refused, so that the end is noticed."""
        if self._checks is None:
            self._checks = self.begin(self._check_while_refused())
            self._checks.add_done_callback(self._on_checks_done)

    async def _check_while_refused(self) -> None:
        while self._refusals.reason is not None:
            await self._check_refusals()
            await asyncio.sleep(self.timing.rest_s)

    def _on_checks_done(self, _: object) -> None:
        self._checks = None

    def _probe_in_background(self) -> None:
        """Probe whether Redis is back once the breaker has rested; no caller waits for that."""
        if self._probe is None and not self._breaker.resting:
            self._probe = asyncio.get_running_loop().create_task(self._send(("PING",)))
            self._probe.add_done_callback(self._on_probe_done)

    def _on_probe_done(self, probe: asyncio.Task[object]) -> None:
        self._probe = None
        _report(probe)

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start work that no caller waits for; `close` cancels it at the latest."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_report)
        return task

    async def close(self) -> None:
        """Cancel the probe and the other tasks, and wait for their ends."""
        under_way: set[asyncio.Task[Any]] = {*self._tasks}
        if self._probe is not None:
            under_way.add(self._probe)
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way)

    async def _send(self, *commands: Command) -> list[Reply] | None:
        admitted = self._breaker.admit()
        if admitted is None:
            return None
        try:
            replies = await self._sender.send(*commands)
        except UnansweredError as lost:
            self._breaker.record_failure(lost.reason, refused=lost.refused)
            self.calls.count("timeout" if lost.timed_out else "unreachable")
            return None
        except BaseException:
            # Cancelled, or a fault of ours: neither says anything about Redis.
            self._breaker.abandon(admitted)
            raise
        self._breaker.record_success()
        self._refusals.note(commands, replies)
        refused = any(isinstance(reply, Refusal) for reply in replies)
        self.calls.count("refused" if refused else "ok")
        return replies

    def describe(self) -> dict[str, Any]:
        """Return `ok`, or `degraded` when Redis is away, refuses or sends no messages.

        `reason` is Redis' own word, if there is one.
        """
        reason = self._breaker.refusal or self._refusals.reason
        if reason is not None:
            return {"state": "degraded", "reason": reason}
        fine = self.bus.subscribed and not self._breaker.open
        return {"state": "ok" if fine else "degraded"}

    def stats(self) -> dict[str, int]:
        """Return the states at this moment, 1 for yes."""
        return {"breaker_open": int(self._breaker.open), "subscribed": int(self.bus.subscribed)}


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
    """Give the gateway to the Redis at this URL, whether it is up already or comes later.

    `clock` counts seconds, from anywhere.

    Raises:
        ValueError: the URL is wrong, a file that it names cannot be used, or redis-py or
            cryptography is not installed. The message holds no part of the URL.
    """
    timing = timing or Timing()
    address = parse_address(url)
    client = await _open_client(address, timing, connections)
    breaker = ConsecutiveBreaker(clock, rest_s=timing.rest_s)
    refusals = Refusals(clock, rest_s=timing.rest_s)
    gateway = RedisGateway(
        client, breaker, metrics, db=address.db, timing=timing, refusals=refusals
    )
    subscriber = Subscriber(
        lambda: client.subscription(gateway.channel), gateway.bus, breaker, timing, rng
    )
    try:
        async with background(subscriber.run()):
            yield gateway
    finally:
        await gateway.close()
        await client.close()


async def _open_client(address: Address, timing: Timing, connections: int) -> Any:
    # In a thread: a tenth of a second of reading files is too long for the loop.
    try:
        module = await asyncio.to_thread(import_module, "lyra.redis.client")
        await asyncio.to_thread(import_module, "cryptography.hazmat.primitives.ciphers.aead")
    except ModuleNotFoundError as missing:
        cure = await asyncio.to_thread(how_to_install, "redis")
        raise ValueError(
            f"a Redis URL needs {missing.name}, which is not installed: {cure}"
        ) from missing
    # One context for all connections: building one reads certificates for a tenth of a second.
    tls = await asyncio.to_thread(tls_context, address)
    return module.Client(address, timing, connections=connections, tls=tls)


def _mode(hello: Reply) -> Reply:
    """Return the mode from the greeting: standalone, cluster or sentinel."""
    if isinstance(hello, list):
        hello = dict(zip(hello[::2], hello[1::2], strict=False))
    return hello.get(b"mode") if isinstance(hello, dict) else None


def _report(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("a task for Redis broke: this is a fault in Lyra", exc_info=task.exception())
