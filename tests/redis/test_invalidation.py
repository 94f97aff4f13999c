"""What one process does to a key the others hear; when they may have missed it, they know."""

import asyncio
import logging
from contextlib import AbstractAsyncContextManager
from random import Random

import pytest
from redis.asyncio import Redis

from lyra.redis.breaker import ConsecutiveBreaker
from lyra.redis.invalidation import InvalidationBus, Subscriber, Subscription
from lyra.redis.keyspace import channel
from lyra.redis.listener_store import Generation
from lyra.redis.protocol import RefusedError, UnansweredError
from tests.cache.conftest import Clock
from tests.redis.conftest import KEY, PATIENT, Join
from tests.support.redis_servers import RedisServer, set_user

BLOB = b"a sealed listener"


async def test_a_forget_reaches_every_other_process(join: Join) -> None:
    one, two, three = await join(), await join(), await join()
    await one.shared.forget(KEY)

    for member in (two, three):
        await member.until(lambda messages: ("gone", KEY) in messages)


async def test_a_newer_value_is_told_apart_from_a_forget(join: Join) -> None:
    one, two = await join(), await join()
    await one.keep(KEY, BLOB)
    await two.until(lambda messages: ("kept", KEY) in messages)

    assert ("gone", KEY) not in two.messages


async def test_forgetting_all_reaches_every_other_process(join: Join) -> None:
    one, two = await join(), await join()
    await one.shared.forget_all()

    await two.flushed(times=2)


async def test_ones_own_notices_invalidate_nothing(join: Join) -> None:
    one, two = await join(), await join()
    await one.keep(KEY, BLOB)
    await one.shared.forget(KEY)
    await one.shared.forget_all()
    await two.shared.forget(KEY)  # comes last, and after the others
    await one.until(lambda messages: ("gone", KEY) in messages)

    assert one.messages == [("gone", None), ("gone", KEY)]


@pytest.mark.parametrize(
    "notice",
    [b"", b"\xff\xfe", b"gone", b"gone x", b"gone x " + b"k" * 300, b"gone x *", b"all x y z"],
)
async def test_a_foreign_notice_is_counted_and_passed_over(
    join: Join, admin: Redis, notice: bytes
) -> None:
    one, two = await join(), await join()
    await admin.publish(channel(0), notice)
    await two.shared.forget(KEY)
    await one.until(lambda messages: ("gone", KEY) in messages)

    assert one.messages == [("gone", None), ("gone", KEY)]
    assert one.gateway.discarded["foreign"] == 1


async def test_a_callback_that_breaks_stops_nobody_elses(
    join: Join, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = await join(subscribed=False), await join()

    def broken(_: str | None) -> None:
        raise RuntimeError("a fault of ours")

    one.gateway.bus._invalidators.insert(0, (broken, broken))
    await two.shared.forget(KEY)
    await one.until(lambda messages: ("gone", None) in messages)
    await two.shared.forget(KEY)
    await one.until(lambda told: ("gone", KEY) in told)

    assert "a callback for notices broke" in caplog.text


async def test_databases_of_one_server_do_not_hear_each_other(
    server: RedisServer, join: Join
) -> None:
    one, two, three = await join(), await join(f"{server.url}/1"), await join()
    await two.shared.forget_all()
    await two.shared.forget(KEY)
    await three.shared.forget(KEY)
    await one.until(lambda messages: ("gone", KEY) in messages)

    assert one.messages == [("gone", None), ("gone", KEY)]


async def test_losing_and_regaining_the_subscription_flush_the_memory(
    join: Join, admin: Redis
) -> None:
    """In between any notice may have been missed."""
    one, two = await join(), await join()
    await admin.client_kill_filter(_type="pubsub")
    await one.flushed(times=3)
    await two.flushed(times=3)
    await two.shared.forget(KEY)

    await one.until(lambda messages: ("gone", KEY) in messages)


class Refusing:
    """A Redis that lets nobody subscribe; `thrice` is set at the third attempt."""

    def __init__(self) -> None:
        self.attempts = 0
        self.thrice = asyncio.Event()

    def subscribe(self) -> AbstractAsyncContextManager[Subscription]:
        self.attempts += 1
        if self.attempts == 3:
            self.thrice.set()
        raise RefusedError("NOPERM")


async def test_a_refused_subscription_is_logged_once_and_means_alive(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusing, breaker = Refusing(), ConsecutiveBreaker(Clock(), rest_s=5)
    notices = InvalidationBus("me", lambda _: None)
    subscriber = Subscriber(refusing.subscribe, notices, breaker, PATIENT, Random(7))
    task = asyncio.get_running_loop().create_task(subscriber.run())
    await refusing.thrice.wait()
    task.cancel()
    await asyncio.wait([task])

    assert caplog.text.count("refuses Lyra its channel (NOPERM)") == 1
    assert not breaker.open
    assert not notices.subscribed


class Counted(Random):
    """Sets `ten` when the tenth pause begins."""

    def __init__(self) -> None:
        super().__init__(7)
        self.pauses = 0
        self.ten = asyncio.Event()

    def uniform(self, a: float, b: float) -> float:
        self.pauses += 1
        if self.pauses == 10:
            self.ten.set()
        return super().uniform(a, b)


async def test_the_subscriber_rests_while_the_breaker_does() -> None:
    clock, rng, attempts = Clock(), Counted(), []

    def subscribe() -> AbstractAsyncContextManager[Subscription]:
        attempts.append(clock.now)
        raise UnansweredError("ConnectionError", timed_out=False)

    breaker = ConsecutiveBreaker(clock, rest_s=5)
    subscriber = Subscriber(subscribe, InvalidationBus("me", lambda _: None), breaker, PATIENT, rng)
    task = asyncio.get_running_loop().create_task(subscriber.run())
    await rng.ten.wait()
    task.cancel()
    await asyncio.wait([task])

    assert len(attempts) == 3


class FirstLine(logging.Handler):
    """Sets `written` at the first warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.written = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - logging's own signature
        self.written.set()


async def test_a_user_without_the_channel_is_degraded_and_still_reads(
    server: RedisServer, join: Join, admin: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    first = FirstLine()
    logging.getLogger("lyra.redis").addHandler(first)
    await set_user(admin, "deaf", "on", ">word", "~*", "+@all")
    one = await join(f"redis://deaf:word@127.0.0.1:{server.port}", subscribed=False)
    await first.written.wait()
    logging.getLogger("lyra.redis").removeHandler(first)

    assert "refuses Lyra its channel (NOPERM)" in caplog.text
    assert one.gateway.describe() == {"state": "degraded"}
    assert await one.shared.generation(KEY) != Generation()
