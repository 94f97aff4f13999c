"""Who may write to Redis, but has no secret, brings back nothing that was forgotten."""

import pytest
from redis.asyncio import Redis

from lyra.redis.keyspace import EPOCH, channel
from lyra.redis.shared_table import SharedTable
from lyra.redis.tombstones import MAX_HELD, MAX_OTHERS, Tombstones
from tests.cache.conftest import ANNA, ScriptedSpotify
from tests.redis.conftest import KEY, TTL_MS, Join, Open, forgotten, until

EVERYTHING = "lyra:v2:*"


async def copied(admin: Redis) -> dict[bytes, bytes]:
    """All that can be put back: each value under its name."""
    values: dict[bytes, bytes] = {}
    async for name in admin.scan_iter(EVERYTHING):
        if await admin.type(name) == b"string":
            value = await admin.get(name)
            assert isinstance(value, bytes)
            values[name] = value
    return values


async def epoch(admin: Redis) -> bytes:
    value = await admin.get(EPOCH)
    assert isinstance(value, bytes)
    return value


async def put_back(admin: Redis, copy: dict[bytes, bytes]) -> None:
    for name, value in copy.items():
        await admin.set(name, value, px=None if name == EPOCH.encode() else TTL_MS)


@pytest.mark.parametrize("everybody", [True, False])
@pytest.mark.parametrize("full", [True, False])
async def test_an_entry_that_was_forgotten_is_a_miss_in_every_process(
    process: Open, admin: Redis, spotify: ScriptedSpotify, everybody: bool, full: bool
) -> None:
    one, two = await process(), await process()
    assert [await one.state(), await two.state()] == ["miss", "hit"]
    copy = await copied(admin)
    if full:
        await admin.config_set("maxmemory", "1")
    await one.cache.clear(None if everybody else ANNA)
    await forgotten(two)
    await admin.config_set("maxmemory", "0")
    await put_back(admin, copy)

    assert [await one.state(), await two.state()] == ["miss", "hit"]
    assert len(spotify.asked) == 10


async def test_forget_all_holds_everywhere_though_redis_refuses_it(
    process: Open, admin: Redis, spotify: ScriptedSpotify
) -> None:
    """As a replica does: it reads, it passes notices on, and it takes nothing at all."""
    one, two = await process(), await process()
    await one.ask()
    await two.ask()
    await admin.config_set("min-replicas-to-write", "1")
    assert not await one.member.shared.forget_all()
    await until(
        lambda: ("gone", None) in two.member.messages[2:] or not two.cache.stats()["entries"]
    )

    assert await two.state() == "miss"
    assert len(spotify.asked) == 10


async def test_a_value_of_a_former_epoch_is_none_of_this_one(
    process: Open, admin: Redis, spotify: ScriptedSpotify
) -> None:
    one = await process()
    await one.ask()
    copy = await copied(admin)
    old = await epoch(admin)
    await one.cache.clear(None)
    new = await epoch(admin)
    await put_back(
        admin,
        {name.replace(old, new): value for name, value in copy.items() if name != EPOCH.encode()},
    )
    late = await process()

    assert await late.state() == "miss"
    assert len(spotify.asked) == 10


async def test_what_is_read_after_a_forget_is_kept(process: Open) -> None:
    one, two = await process(), await process()
    await one.ask()
    await one.cache.clear(ANNA)
    await one.ask()

    assert await two.state() == "hit"


async def test_a_forged_moment_keeps_nobody_out_for_long(
    process: Open, admin: Redis, spotify: ScriptedSpotify
) -> None:
    one = await process()
    await one.ask()
    await admin.publish(channel(0), f"past 0123456789abcdef - {10**16} 1")
    await admin.publish(channel(0), f"gone 0123456789abcdef {KEY}")
    await until(lambda: ("gone", KEY) in one.member.messages)
    seconds, micros = await admin.time()
    moment = (seconds + 60) * 1_000_000 + micros

    assert not one.member.shared.was_forgotten(KEY, moment)
    assert len(spotify.asked) == 5


@pytest.mark.parametrize("kind", ["session", "login"])
async def test_a_log_in_that_has_ended_is_nobody_in_every_process(
    join: Join, admin: Redis, kind: str
) -> None:
    tables = []
    for _ in range(2):
        member = await join()
        sessions = SharedTable(
            member.gateway,
            kind,  # type: ignore[arg-type]
            max_entries=9,
            wall_clock=lambda: 1.0,
        )
        tables.append((member, sessions))
    (one, first), (two, second) = tables
    del one
    await first.keep(KEY, b"sealed", 60)
    copy = await copied(admin)
    assert await first.take(KEY) == b"sealed"
    await admin.publish(channel(0), f"gone 0123456789abcdef {KEY}")
    await two.until(lambda messages: ("gone", KEY) in messages)  # and so what was said before it
    await put_back(admin, copy)

    assert [await first.read(KEY), await second.read(KEY), await second.take(KEY)] == [None] * 3


def test_the_graves_are_bounded_apart_and_the_oldest_give_way() -> None:
    graves = Tombstones()
    for number in range(MAX_HELD + 1):
        graves.add(f"held {number}", 5, held=True)
    for number in range(MAX_OTHERS + 1):
        graves.add(f"other {number}", 5, held=False)

    assert graves.cover("held 1", 5)
    assert not graves.cover("held 0", 5)
    assert graves.cover("other 1", 5)
    assert not graves.cover("other 0", 5)
    assert not graves.cover("held 1", 6)
