"""One process fetches, the others wait for what it brings; a leader that dies blocks nobody long."""

import asyncio

from redis.asyncio import Redis

from tests.redis.conftest import BRISK, KEY, LEASE_S, OTHER, Join, Member
from tests.support.leaders import leader
from tests.support.redis_servers import RedisServer

BLOB = b"a sealed listener"


def in_ages() -> float:
    return asyncio.get_running_loop().time() + 600


async def waiting(admin: Redis, member: Member, key: str) -> asyncio.Task[str]:
    """A task that has looked once, as the server saw, and now waits."""
    async with admin.monitor() as seen:
        task = asyncio.get_running_loop().create_task(member.shared.wait(key, in_ages()))
        while not (await seen.next_command())["command"].startswith("EXISTS lyra:v2:l:"):
            pass
    return task


async def test_a_lease_is_one_processs_alone(join: Join) -> None:
    one, two = await join(), await join()
    lease = await one.shared.acquire_lease(KEY)
    assert lease is not None

    async with lease:
        assert await two.shared.acquire_lease(KEY) is None
        assert await one.shared.acquire_lease(KEY) is None
        assert await two.shared.acquire_lease(OTHER) is not None


async def test_a_lease_given_back_can_be_taken_at_once(join: Join) -> None:
    one, two = await join(), await join()
    lease = await one.shared.acquire_lease(KEY)
    assert lease is not None
    async with lease:
        pass

    assert await two.shared.acquire_lease(KEY) is not None


async def test_nobody_leads_while_there_is_a_value_but_to_refresh_it(join: Join) -> None:
    one, two = await join(), await join()
    await one.keep(KEY, BLOB)

    assert await two.shared.acquire_lease(KEY) is None
    assert await two.shared.wait(KEY, in_ages()) == "arrived"
    assert await two.shared.acquire_lease(KEY, refresh=True) is not None


async def test_who_waits_is_woken_by_the_value(join: Join, admin: Redis) -> None:
    one, two = await join(), await join()
    lease = await one.shared.acquire_lease(KEY)
    assert lease is not None

    async with lease:
        waiter = await waiting(admin, two, KEY)
        await one.keep(KEY, BLOB)

        # It would look again by itself in ten minutes: only a notice can have woken it.
        assert await waiter == "arrived"
    assert await two.read(KEY) == BLOB


async def test_who_waits_is_woken_when_the_leader_gives_up(join: Join, admin: Redis) -> None:
    one, two = await join(), await join()
    lease = await one.shared.acquire_lease(KEY)
    assert lease is not None

    async with lease:
        waiter = await waiting(admin, two, KEY)

    assert await waiter == "vacant"


async def test_who_waits_is_woken_by_a_forget(join: Join, admin: Redis) -> None:
    one, two, three = await join(), await join(), await join()
    lease = await one.shared.acquire_lease(KEY)
    assert lease is not None

    async with lease:
        waiter = await waiting(admin, two, KEY)
        await three.shared.forget(KEY)

        assert await waiter == "vacant"


async def test_who_waits_is_woken_by_forgetting_all(join: Join, admin: Redis) -> None:
    one, two = await join(), await join()
    lease = await one.shared.acquire_lease(KEY)
    assert lease is not None

    async with lease:
        others, own = await waiting(admin, two, KEY), await waiting(admin, one, KEY)
        await one.shared.forget_all()

        assert await others == "vacant"
        assert await own == "vacant"


async def test_a_value_that_is_there_already_needs_no_waiting(join: Join) -> None:
    one, two = await join(), await join()
    await one.keep(KEY, BLOB)

    assert await two.shared.wait(KEY, in_ages()) == "arrived"
    assert await two.shared.wait(OTHER, in_ages()) == "vacant"


async def test_a_waiter_whose_time_is_up_is_told_nothing(join: Join) -> None:
    one, two = await join(), await join()
    lease = await one.shared.acquire_lease(KEY)
    assert lease is not None

    async with lease:
        until = asyncio.get_running_loop().time() + 0.05
        assert await two.shared.wait(KEY, until) == "unknown"


async def test_no_bell_is_left_when_waiters_have_gone(join: Join, admin: Redis) -> None:
    one, two = await join(), await join()
    lease = await one.shared.acquire_lease(KEY)
    assert lease is not None

    async with lease:
        waiters = [await waiting(admin, two, KEY) for _ in range(3)]
        for waiter in waiters:
            waiter.cancel()
        await asyncio.wait(waiters)

        assert all(waiter.cancelled() for waiter in waiters)
        assert not two.gateway.bus._events


async def test_a_lease_that_was_taken_away_is_not_given_back(join: Join) -> None:
    one, two = await join(), await join()
    first = await one.shared.acquire_lease(KEY)
    assert first is not None
    async with first:
        await two.shared.forget(KEY)
        assert await two.shared.acquire_lease(KEY) is not None

    assert await one.shared.acquire_lease(KEY) is None


async def test_a_lease_that_is_no_lease_of_ours_blocks_nobody(join: Join, admin: Redis) -> None:
    one, two = await join(), await join()
    assert await one.shared.acquire_lease(KEY) is not None
    (name,) = [name async for name in admin.scan_iter("lyra:v2:l:*")]
    await admin.set(name, "poison")  # for ever, as none of ours is

    assert await two.shared.acquire_lease(KEY) is not None


async def expired(admin: Redis, after_ms: int) -> None:
    """Return when the server itself says that so much time has passed."""
    await admin.config_set("notify-keyspace-events", "Ex")
    async with admin.pubsub() as events:
        await events.subscribe("__keyevent@0__:expired")
        await admin.set("hourglass", "", px=after_ms)
        async for event in events.listen():
            if event["data"] == b"hourglass":
                return


async def test_a_beating_heart_keeps_the_lease(join: Join, admin: Redis) -> None:
    one, two = await join(timing=BRISK), await join(timing=BRISK)
    lease = await one.shared.acquire_lease(KEY)
    assert lease is not None

    async with lease:
        await expired(admin, after_ms=int(LEASE_S * 3000))

        assert await two.shared.acquire_lease(KEY) is None
        assert lease.held


async def test_a_lease_without_a_heart_expires(join: Join) -> None:
    one, two = await join(timing=BRISK), await join(timing=BRISK)
    assert await one.shared.acquire_lease(KEY) is not None

    assert await two.shared.wait(KEY, in_ages()) == "vacant"
    assert await two.shared.acquire_lease(KEY) is not None


async def test_a_leader_notices_that_its_lease_is_lost(join: Join, admin: Redis) -> None:
    one, two = await join(timing=BRISK), await join(timing=BRISK)
    lease = await one.shared.acquire_lease(KEY)
    assert lease is not None

    async with lease:
        await two.shared.forget(KEY)
        assert await two.shared.acquire_lease(KEY) is not None
        await expired(admin, after_ms=int(LEASE_S * 3000))

        assert not lease.held


async def test_a_killed_leaders_lease_expires_and_the_next_one_leads(
    server: RedisServer, join: Join, admin: Redis
) -> None:
    one = await join(timing=BRISK)

    async with leader(server.url, KEY, lease_s=LEASE_S) as process:
        await expired(admin, after_ms=int(LEASE_S * 2000))
        assert await one.shared.acquire_lease(KEY) is None  # it beats

        process.kill()
        assert await one.shared.wait(KEY, in_ages()) == "vacant"
        assert await one.shared.acquire_lease(KEY) is not None
