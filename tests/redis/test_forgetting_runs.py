"""The answers of one listener in Redis: an index that stays small, and a forget that takes all."""

import asyncio
from collections.abc import Callable
from hashlib import blake2b

import pytest
from redis.asyncio import Redis

from lyra.redis.gateway import RedisGateway
from lyra.redis.protocol import Command, Reply
from lyra.redis.run_store import MAX_PER_OWNER, RunSnapshot, SharedRuns
from tests.redis.conftest import KEY, OTHER, Join, until
from tests.support.redis_servers import RedisServer

BLOB = b"a sealed piece"
INDEX = f"lyra:v2:owned:{{{KEY}}}"


def name_of(number: int) -> str:
    return blake2b(str(number).encode(), digest_size=20).hexdigest()


async def kept(runs: SharedRuns, number: int, ttl_s: float = 600) -> str:
    """A run of one piece."""
    name = name_of(number)
    assert await runs.announce(KEY, name, None, ttl_s=ttl_s)
    assert await runs.append(name, 0, BLOB, last=True, ttl_s=ttl_s) == "kept"
    return name


async def streams(admin: Redis) -> list[bytes]:
    return [bytes(name) async for name in admin.scan_iter("lyra:v2:run:*")]


class Counting:
    """Passes commands on, and remembers how many words each call had."""

    def __init__(self, gateway: RedisGateway) -> None:
        self.sizes: list[int] = []
        self._sender = gateway._sender
        gateway._sender = self

    async def send(self, *commands: Command) -> list[Reply]:
        self.sizes.append(sum(map(len, commands)))
        return await self._sender.send(*commands)


async def test_what_has_expired_leaves_the_index_when_a_name_comes(
    join: Join, admin: Redis
) -> None:
    runs = SharedRuns((await join()).gateway)
    await admin.zadd(INDEX, {name_of(number): number for number in range(1000)})
    last = await kept(runs, 1000)

    assert await admin.zrange(INDEX, 0, -1) == [last.encode()]
    assert await admin.pttl(INDEX) > 0


async def test_a_listener_asking_all_day_has_a_bounded_run_index(join: Join, admin: Redis) -> None:
    """No run is kept outside of the index."""
    runs = SharedRuns((await join()).gateway)
    for number in range(MAX_PER_OWNER + 40):
        await kept(runs, number)

    names = await admin.zrange(INDEX, 0, -1)
    assert len(names) == MAX_PER_OWNER
    assert {name[-41:-1] for name in await streams(admin)} == set(names)


async def test_a_forget_takes_every_run_of_the_owner_and_nobody_elses(
    join: Join, admin: Redis
) -> None:
    runs = SharedRuns((await join()).gateway)
    for number in range(30):
        await kept(runs, number)
    await runs.announce(OTHER, name_of(99), None, ttl_s=60)

    assert await runs.forget(KEY)
    assert await streams(admin) == [f"lyra:v2:run:{{{name_of(99)}}}".encode()]
    assert not await admin.exists(INDEX)


async def test_a_forget_of_very_many_names_goes_in_small_steps(join: Join, admin: Redis) -> None:
    """86,400 are the questions of a day, sixty a minute."""
    one = await join()
    runs = SharedRuns(one.gateway)
    seconds, _ = await admin.time()
    far = 1000 * seconds + 60_000  # none of these has expired
    pipe = admin.pipeline(transaction=False)
    for start in range(0, 86_400, 5000):
        await pipe.zadd(
            INDEX, {name_of(start + i): far + i for i in range(min(5000, 86_400 - start))}
        )
    await pipe.execute()
    await kept(runs, -1)
    counting = Counting(one.gateway)

    assert await runs.forget(KEY)
    assert not await admin.exists(INDEX)
    assert await streams(admin) == []
    assert max(counting.sizes) < 2_000
    assert len(counting.sizes) > 86_400 / 500


@pytest.mark.parametrize("rubbish", [b"a raw word", b"", b"\xff\xfe", b"*", KEY.encode() + b"}x"])
async def test_members_that_are_no_names_are_dropped_with_the_index(
    join: Join, admin: Redis, rubbish: bytes
) -> None:
    runs = SharedRuns((await join()).gateway)
    await kept(runs, 1)
    await admin.zadd(INDEX, {rubbish: 2**53})

    assert await runs.forget(KEY)
    assert await streams(admin) == []


async def test_an_index_of_another_type_is_deleted_not_obeyed(join: Join, admin: Redis) -> None:
    one = await join()
    runs = SharedRuns(one.gateway)
    await admin.sadd(INDEX, name_of(1))

    assert not await runs.announce(KEY, name_of(2), None, ttl_s=60)
    assert one.gateway.discarded["poisoned"] == 1
    assert await runs.announce(KEY, name_of(2), None, ttl_s=60)
    await admin.delete(INDEX)
    await admin.sadd(INDEX, name_of(1))
    assert not await runs.forget(KEY)
    assert await runs.forget(KEY)


async def test_a_forget_that_redis_did_not_take_is_made_up_for(
    server: RedisServer, join: Join, admin: Redis
) -> None:
    one = await join()
    runs = SharedRuns(one.gateway)
    await kept(runs, 1)
    await admin.execute_command(  # type: ignore[no-untyped-call]  # redis-py
        "ACL", "SETUSER", "default", "-unlink"
    )
    try:
        assert not await runs.forget(KEY, held=True)
        assert len(await streams(admin)) == 1
    finally:
        await admin.execute_command(  # type: ignore[no-untyped-call]  # redis-py
            "ACL", "SETUSER", "default", "+unlink"
        )
    assert server.running
    while await streams(admin):  # noqa: ASYNC110 - the task that owes it rings no bell
        await asyncio.sleep(0.01)


async def test_nothing_can_be_added_to_a_run_that_is_gone(join: Join, admin: Redis) -> None:
    """Neither after a forget nor after an eviction: what came would be half an answer."""
    runs = SharedRuns((await join()).gateway)
    name = name_of(1)
    await runs.announce(KEY, name, None, ttl_s=60)
    assert await runs.append(name, 0, BLOB, last=False, ttl_s=60) == "kept"
    gone: tuple[Callable[[], object], ...] = (
        lambda: runs.forget(KEY),
        lambda: admin.delete(f"lyra:v2:run:{{{name}}}"),
    )
    for each in gone:
        await runs.announce(KEY, name, None, ttl_s=60)
        await each()  # type: ignore[misc]

        assert await runs.append(name, 1, BLOB, last=True, ttl_s=60) == "gone"
        assert await runs.keep_alive(name, ttl_s=60) == "gone"
        assert await runs.read(name) == RunSnapshot((), alive=False)
        assert await streams(admin) == []


async def test_a_forget_is_heard_by_the_owners_name(join: Join) -> None:
    one, two = await join(), await join()
    heard: list[tuple[str, str]] = []
    SharedRuns(two.gateway).on_message(lambda verb, name: heard.append((verb, name)))
    await SharedRuns(one.gateway).forget(KEY)
    await until(lambda: heard)

    assert heard == [("lose", KEY)]


async def test_a_position_of_any_length_is_no_fault_of_lyra(join: Join, admin: Redis) -> None:
    runs = SharedRuns((await join()).gateway)
    fields = {"n": "9" * 5000, "d": BLOB, "e": "1"}
    await admin.xadd(f"lyra:v2:run:{{{name_of(1)}}}", fields)  # type: ignore[arg-type]

    assert await runs.read(name_of(1)) == RunSnapshot((), alive=False)
