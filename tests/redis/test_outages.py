"""A Redis that is away, dead or hung costs a little time at first, then none, and never an error."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count

import pytest
from redis.asyncio import Redis

from lyra.metrics import Metrics
from lyra.redis.breaker import ConsecutiveBreaker
from lyra.redis.gateway import RedisGateway
from lyra.redis.keyspace import EPOCH
from lyra.redis.listener_store import Generation
from lyra.redis.pending_deletes import MAX_OTHERS
from lyra.redis.protocol import Command, Reply, Timing, UnansweredError
from tests.cache.conftest import Clock
from tests.conftest import settle
from tests.redis.conftest import KEY, OTHER, PATIENT, TTL_MS, Join, Member
from tests.support.redis_servers import RedisServer, free_port, set_user

BLOB = b"a sealed listener"
REST_S = 5.0
# Short with a server that hangs, and long enough for one that answers on a busy machine.
HASTY = replace(PATIENT, timeout_s=0.2, deadline_s=0.4, rest_s=REST_S)


async def is_away(member: Member) -> bool:
    """Whether every operation says at once that there is no Redis."""
    until = asyncio.get_running_loop().time() + 600
    return (
        await member.read(KEY) is None
        and await member.shared.generation(KEY) == Generation()
        and await member.shared.acquire_lease(KEY) is None
        and await member.shared.wait(KEY, until) == "unknown"
        and await member.shared.publish(KEY, BLOB, TTL_MS, Generation("ticket")) == "unknown"
    )


async def test_a_redis_that_is_not_there_is_a_miss_and_degraded(join_early: Join) -> None:
    one = await join_early(subscribed=False)

    assert await is_away(one)
    assert not one.shared.reachable
    assert one.gateway.describe() == {"state": "degraded"}


async def test_a_redis_that_comes_after_the_start_is_joined(
    down: RedisServer, join_early: Join
) -> None:
    one = await join_early(subscribed=False)
    assert await one.read(KEY) is None
    await down.start()
    await one.flushed()

    assert await one.keep(KEY, BLOB)
    assert await one.read(KEY) == BLOB
    assert one.shared.reachable
    assert one.gateway.describe() == {"state": "ok"}


async def test_a_restart_flushes_the_memory_and_all_goes_on(
    server: RedisServer, join: Join
) -> None:
    one = await join()
    await one.keep(KEY, BLOB)
    await server.kill()
    await one.flushed(times=2)
    assert one.gateway.describe() == {"state": "degraded"}
    await server.start()
    await one.flushed(times=3)

    assert await one.read(KEY) is None  # it kept nothing
    assert await one.keep(KEY, BLOB)
    assert await one.read(KEY) == BLOB
    assert one.gateway.describe() == {"state": "ok"}


async def test_a_restart_beats_a_fetch_that_is_running(server: RedisServer, join: Join) -> None:
    one = await join()
    began = await one.shared.generation(KEY)
    await server.kill()
    await server.start()
    await one.flushed(times=3)

    assert await one.shared.publish(KEY, BLOB, TTL_MS, began) == "forgotten"


async def test_a_hung_redis_opens_the_breaker_until_it_goes_on(
    server: RedisServer, join: Join
) -> None:
    clock = Clock()
    one = await join(clock=clock, timing=HASTY)
    await one.keep(KEY, BLOB)
    server.hang()

    for _ in range(3):
        assert one.gateway.stats()["breaker_open"] == 0
        assert await one.read(KEY) is None
    assert one.gateway.stats()["breaker_open"] == 1
    assert one.gateway.calls["timeout"] == 3
    assert await is_away(one)

    server.go_on()
    assert await one.read(KEY) is None
    clock.now += REST_S
    await closed(one)
    assert await one.read(KEY) == BLOB


async def closed(member: Member) -> None:
    """Wait until somebody's asking has led to a look at Redis, and that to a closed breaker."""
    while member.gateway.stats()["breaker_open"]:
        await member.read(OTHER)
        await asyncio.sleep(0)


async def test_nobody_waits_for_the_look_whether_a_hung_redis_is_back(
    server: RedisServer, join: Join
) -> None:
    clock = Clock()
    one = await join(clock=clock, timing=HASTY)
    await hang_until_the_breaker_is_open(server, one)
    clock.now += REST_S
    assert [await one.read(KEY) for _ in range(50)] == [None] * 50
    assert one.gateway.calls["timeout"] == 3  # none of them has been sent

    while one.gateway.calls["timeout"] < 4:  # noqa: ASYNC110 - it rings no bell
        await asyncio.sleep(0.01)
    assert one.gateway.stats()["breaker_open"] == 1
    server.go_on()


async def test_a_hung_redis_is_noticed_by_who_only_listens(server: RedisServer, join: Join) -> None:
    one = await join(timing=replace(HASTY, silence_s=0.05))
    server.hang()
    await one.flushed(times=2)

    assert one.gateway.describe() == {"state": "degraded"}
    server.go_on()
    await one.flushed(times=3)


async def test_silence_alone_is_no_loss(join: Join, admin: Redis) -> None:
    one, two = await join(timing=replace(PATIENT, silence_s=0.01)), await join()
    async with admin.monitor() as seen:
        for _ in range(3):
            while (await seen.next_command())["command"] != "PING":
                pass
    await two.shared.forget(KEY)
    await one.until(lambda messages: ("gone", KEY) in messages)

    assert one.messages == [("gone", None), ("gone", KEY)]


@asynccontextmanager
async def mute() -> AsyncIterator[tuple[str, list[asyncio.StreamWriter]]]:
    """The URL of a server that takes connections and says nothing; the connections it took."""
    taken: list[asyncio.StreamWriter] = []
    port = free_port()
    server = await asyncio.start_server(lambda _, w: taken.append(w), "127.0.0.1", port)
    async with server:
        yield f"redis://127.0.0.1:{port}", taken
        for writer in taken:
            writer.close()
            await writer.wait_closed()


async def test_no_connection_is_attempted_while_the_breaker_is_open(
    join_early: Join,
) -> None:
    timing = Timing(timeout_s=0.05, deadline_s=0.1, rest_s=REST_S, rejoin_first_s=600)
    async with mute() as (url, taken):
        one = await join_early(url, clock=Clock(), timing=timing, subscribed=False)
        for _ in range(3):
            await one.read(KEY)
        await settle()
        assert taken
        before = len(taken)
        for _ in range(50):
            assert await one.read(KEY) is None
        await settle()

        assert len(taken) == before
        assert one.gateway.calls["withheld"] >= 50


class Scripted:
    """A Redis that answers each call with the next of `answers`."""

    def __init__(self, *answers: list[Reply] | BaseException) -> None:
        self.answers = list(answers)
        self.calls = 0

    async def send(self, *commands: Command) -> list[Reply]:
        assert commands
        self.calls += 1
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


def gateway_to(scripted: Scripted) -> RedisGateway:
    breaker = ConsecutiveBreaker(Clock(), rest_s=REST_S)
    return RedisGateway(scripted, breaker, Metrics(), db=0, timing=Timing())


async def test_three_failures_in_a_row_are_the_last_calls_sent() -> None:
    scripted = Scripted(*[UnansweredError("timeout", timed_out=True)] * 3)
    gateway = gateway_to(scripted)
    answers = [await gateway.execute(("GET", "x")) for _ in range(20)]

    assert answers == [None] * 20
    assert scripted.calls == 3
    assert gateway.calls["withheld"] == 17


async def test_callers_who_leave_open_nothing() -> None:
    scripted = Scripted(*[asyncio.CancelledError()] * 5, [b"here"])
    gateway = gateway_to(scripted)
    for _ in range(5):
        with pytest.raises(asyncio.CancelledError):
            await gateway.execute(("GET", "x"))

    assert await gateway.execute(("GET", "x")) == [b"here"]


async def test_a_fault_of_ours_is_not_taken_for_redis_trouble() -> None:
    gateway = gateway_to(Scripted(*[TypeError("ours")] * 5, [b"here"]))
    for _ in range(5):
        with pytest.raises(TypeError):
            await gateway.execute(("GET", "x"))

    assert await gateway.execute(("GET", "x")) == [b"here"]


async def test_two_hundred_reads_survive_a_kill_in_their_midst(
    server: RedisServer, join: Join
) -> None:
    one = await join()
    await one.keep(KEY, BLOB)
    answered = count()

    async def read() -> bytes | None:
        blob = await one.read(KEY)
        if next(answered) == 20:
            await server.kill()
        return blob

    answers = await asyncio.gather(*(read() for _ in range(200)))

    assert len(answers) == 200
    assert set(answers) <= {BLOB, None}


async def hang_until_the_breaker_is_open(server: RedisServer, member: Member) -> None:
    """From now on nothing is sent, that the server could do when it goes on."""
    server.hang()
    for _ in range(3):
        await member.read(OTHER)
    assert member.gateway.stats()["breaker_open"] == 1


async def test_a_forget_during_an_outage_is_made_up_for(server: RedisServer, join: Join) -> None:
    clock = Clock()
    one, two = await join(clock=clock, timing=HASTY), await join()
    await one.keep(KEY, BLOB)
    await one.keep(OTHER, BLOB)
    await hang_until_the_breaker_is_open(server, one)
    assert not await one.shared.forget(KEY)
    server.go_on()
    assert await two.read(KEY) == BLOB
    clock.now += REST_S
    await closed(one)

    assert await one.read(KEY) is None
    assert await two.read(KEY) is None
    assert await two.read(OTHER) == BLOB


async def test_forgetting_all_during_an_outage_is_made_up_for(
    server: RedisServer, join: Join
) -> None:
    clock = Clock()
    one, two = await join(clock=clock, timing=HASTY), await join()
    await two.keep(KEY, BLOB)
    began = await one.shared.generation(OTHER)
    await hang_until_the_breaker_is_open(server, one)
    assert not await one.shared.forget_all()
    server.go_on()
    assert await two.read(KEY) == BLOB
    clock.now += REST_S
    await closed(one)

    assert await one.shared.publish(OTHER, BLOB, TTL_MS, began) == "forgotten"
    assert await two.read(KEY) is None


async def test_many_pending_deletes_never_become_a_delete_of_all(
    server: RedisServer, join: Join, admin: Redis
) -> None:
    clock = Clock()
    one, two = await join(clock=clock, timing=HASTY), await join()
    await two.keep(KEY, BLOB)
    epoch = await admin.get(EPOCH)
    await hang_until_the_breaker_is_open(server, one)
    for number in range(MAX_OTHERS + 100):
        assert not await one.shared.forget(f"{number:040x}")
    server.go_on()
    clock.now += REST_S
    await closed(one)

    assert await one.read(OTHER) is None
    assert await one.read(f"{number:040x}") is None  # which is owed, so it is forgotten first
    assert await two.read(KEY) == BLOB
    assert await admin.get(EPOCH) == epoch


async def test_pending_deletes_of_strangers_evict_none_of_held_keys(
    server: RedisServer, join: Join
) -> None:
    """However many keys are deleted that nobody held."""
    clock = Clock()
    one, two = await join(clock=clock, timing=HASTY), await join()
    await two.keep(KEY, BLOB)
    await hang_until_the_breaker_is_open(server, one)
    assert not await one.shared.forget(KEY, held=True)
    for number in range(MAX_OTHERS + 100):
        assert not await one.shared.forget(f"{number:040x}")
    assert not await one.shared.forget(KEY)  # asked for again, when it is not held any more
    server.go_on()
    clock.now += REST_S
    await closed(one)

    assert await one.read(KEY) is None
    assert await two.read(KEY) is None


async def test_a_pending_delete_is_sent_though_the_subscription_held(
    join: Join, admin: Redis
) -> None:
    one, two = await join(), await join()
    await one.keep(KEY, BLOB)
    await set_user(admin, "default", "-eval")
    assert not await one.shared.forget(KEY)
    assert not await one.shared.forget(OTHER)
    await set_user(admin, "default", "+eval")
    await two.until(lambda messages: {("gone", KEY), ("gone", OTHER)} <= set(messages))

    assert await two.read(KEY) is None


async def test_who_is_owed_a_forget_waits_for_no_other_debt(
    server: RedisServer, join: Join
) -> None:
    """A listener's request tells Redis of that listener, however many others are owed."""
    clock = Clock()
    one = await join(clock=clock, timing=HASTY)
    await hang_until_the_breaker_is_open(server, one)
    for number in range(500):
        await one.shared.forget(f"{number:040x}")
    server.go_on()
    clock.now += REST_S
    await closed(one)
    before = one.gateway.calls["ok"]
    await one.read(f"{250:040x}")

    assert one.gateway.calls["ok"] - before <= 5


async def test_a_pending_delete_is_sent_when_redis_is_back_unasked(
    server: RedisServer, join: Join
) -> None:
    one, two = await join(timing=replace(HASTY, silence_s=0.05, rest_s=0.01)), await join()
    await two.keep(KEY, BLOB)
    server.hang()
    assert not await one.shared.forget(KEY)
    await one.flushed(times=2)
    server.go_on()
    await two.until(lambda messages: ("gone", KEY) in messages)

    assert await two.read(KEY) is None


async def test_an_outage_is_logged_once_and_its_end_once(
    down: RedisServer, join_early: Join, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lyra")
    one = await join_early(timing=replace(PATIENT, timeout_s=0.5, deadline_s=0.5), subscribed=False)
    for _ in range(10):
        await one.read(KEY)
    await down.start()
    await one.flushed()

    lines = [record.message for record in caplog.records if record.name.startswith("lyra.")]
    assert lines == [
        "Redis does not answer (ConnectionError); going on without it for now",
        "Redis answers again",
    ]
