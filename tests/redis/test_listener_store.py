"""What processes keep together, and what a forget takes away from all of them."""

import pytest
from redis.asyncio import Redis

from lyra.redis.keyspace import EPOCH
from lyra.redis.listener_store import CAP_BYTES, Generation
from tests.redis.conftest import KEY, OTHER, TTL_MS, Join

BLOB = b"a sealed listener"


async def names_of(admin: Redis, what: str) -> list[bytes]:
    return [name async for name in admin.scan_iter(f"lyra:v2:{what}:*")]


async def test_what_one_process_publishes_another_reads(join: Join) -> None:
    one, two = await join(), await join()

    assert await one.keep(KEY, BLOB)
    assert await two.read(KEY) == BLOB
    assert await two.read(OTHER) is None


async def test_a_value_expires_when_its_publisher_said(join: Join, admin: Redis) -> None:
    one = await join()
    await one.keep(KEY, BLOB)

    (name,) = await names_of(admin, "e")
    assert TTL_MS - 60_000 < await admin.pttl(name) <= TTL_MS


async def test_a_forget_elsewhere_beats_a_fetch_that_is_running(join: Join) -> None:
    fetching, clearing = await join(), await join()
    began = await fetching.shared.generation(KEY)

    assert await clearing.shared.forget(KEY)
    assert await fetching.shared.publish(KEY, BLOB, TTL_MS, began) == "forgotten"
    assert await clearing.read(KEY) is None


async def test_a_fetch_that_begins_after_the_forget_is_kept(join: Join) -> None:
    one, two = await join(), await join()
    late = await one.shared.generation(KEY)
    await two.shared.forget(KEY)
    assert await two.keep(KEY, BLOB)

    assert await one.shared.publish(KEY, b"from before", TTL_MS, late) == "forgotten"
    assert await one.read(KEY) == BLOB


async def test_a_forget_takes_the_value_away_and_nothing_else(join: Join) -> None:
    one, two = await join(), await join()
    await one.keep(KEY, BLOB)
    await one.keep(OTHER, BLOB)

    assert await two.shared.forget(KEY)
    assert await one.read(KEY) is None
    assert await one.read(OTHER) == BLOB


async def test_forgetting_all_beats_every_fetch_that_is_running(join: Join) -> None:
    one, two = await join(), await join()
    await one.keep(OTHER, BLOB)
    began = await one.shared.generation(KEY)

    assert await two.shared.forget_all()
    assert await one.shared.publish(KEY, BLOB, TTL_MS, began) == "forgotten"
    for member in (one, two):
        assert await member.read(KEY) is None
        assert await member.read(OTHER) is None


async def test_forgetting_all_ends_the_leases_too(join: Join) -> None:
    one, two = await join(), await join()
    assert await one.shared.acquire_lease(KEY) is not None
    await two.shared.forget_all()

    assert await two.shared.acquire_lease(KEY) is not None


async def test_forgetting_all_leaves_other_programs_keys_alone(join: Join, admin: Redis) -> None:
    await admin.set("theirs", "kept")
    await admin.set("lyra:v2:e:later", "kept")
    one = await join()
    await one.keep(KEY, BLOB)
    await one.shared.forget_all()

    assert await admin.get("theirs") == b"kept"
    assert await admin.get("lyra:v2:e:later") == b"kept"


async def test_a_lost_epoch_never_brings_back_what_was_forgotten(join: Join, admin: Redis) -> None:
    one = await join()
    await one.keep(KEY, BLOB)
    await one.shared.forget_all()
    await admin.delete(EPOCH)  # as an eviction would

    assert await one.read(KEY) is None
    assert await (await join()).read(KEY) is None


async def test_two_processes_that_start_together_agree_on_the_epoch(join: Join) -> None:
    one, two = await join(), await join()
    first, second = await one.shared.generation(KEY), await two.shared.generation(KEY)

    assert first == second != Generation()


async def test_a_generation_about_to_expire_is_prolonged_for_a_fetch(
    join: Join, admin: Redis
) -> None:
    one, two = await join(), await join()
    await one.shared.generation(KEY)
    (name,) = await names_of(admin, "g")
    await admin.pexpire(name, 60_000)
    await two.shared.generation(KEY)

    assert await admin.pttl(name) > 60_000


async def test_a_fetch_that_knows_no_generation_publishes_nothing(join: Join) -> None:
    one = await join()

    assert await one.shared.publish(KEY, BLOB, TTL_MS, Generation()) == "unknown"
    assert await one.read(KEY) is None


@pytest.mark.parametrize("ttl_ms", [0, -1])
async def test_a_value_without_a_future_is_not_kept(join: Join, ttl_ms: int) -> None:
    one = await join()

    generation = await one.shared.generation(KEY)
    assert await one.shared.publish(KEY, BLOB, ttl_ms, generation) == "unknown"
    assert await one.read(KEY) is None
    assert one.gateway.calls["refused"] == 0


async def test_a_value_larger_than_one_mebibyte_is_not_kept(join: Join) -> None:
    one = await join()

    assert await one.keep(KEY, b"x" * CAP_BYTES)
    assert len(await one.read(KEY) or b"") == CAP_BYTES
    assert not await one.keep(OTHER, b"x" * (CAP_BYTES + 1))
    assert one.gateway.discarded["oversized"] == 1


async def test_a_value_that_grew_too_large_is_a_miss_and_deleted(join: Join, admin: Redis) -> None:
    one = await join()
    await one.keep(KEY, BLOB)
    (name,) = await names_of(admin, "e")
    await admin.set(name, b"x" * (CAP_BYTES + 1))

    assert await one.read(KEY) is None
    assert one.gateway.discarded["oversized"] == 1
    assert not await admin.exists(name)


@pytest.mark.parametrize("what", ["e", "g", "l"])
async def test_things_of_another_type_under_our_names_cost_one_miss(
    join: Join, admin: Redis, what: str
) -> None:
    one = await join()
    await one.keep(KEY, BLOB)
    assert await one.shared.acquire_lease(KEY, refresh=True) is not None
    (name,) = await names_of(admin, what)
    await admin.delete(name)
    await admin.rpush(name, "poison")

    answers = [
        await one.read(KEY),
        await one.shared.acquire_lease(KEY, refresh=True),
        await one.keep(KEY, BLOB),
    ]
    assert answers.count(None) + answers.count(False) >= 1
    assert one.gateway.discarded["poisoned"] == 1
    assert await one.shared.acquire_lease(KEY, refresh=True) is not None or what != "l"
    assert await one.keep(KEY, BLOB)
    assert await one.read(KEY) == BLOB


@pytest.mark.parametrize("poison", [b"", b"not an epoch", b"x" * 100])
async def test_rubbish_under_the_epochs_name_is_written_over(
    join: Join, admin: Redis, poison: bytes
) -> None:
    await admin.set(EPOCH, poison)
    one, two = await join(), await join()

    assert await one.keep(KEY, BLOB)
    assert await two.read(KEY) == BLOB


async def test_a_list_under_the_epochs_name_is_written_over(join: Join, admin: Redis) -> None:
    await admin.rpush(EPOCH, "poison")
    one, two = await join(), await join()

    assert await one.keep(KEY, BLOB)
    assert await two.read(KEY) == BLOB


async def test_a_discarded_value_is_gone_for_everybody_and_counted(join: Join) -> None:
    one, two = await join(), await join()
    await one.keep(KEY, BLOB)
    await two.shared.discard(KEY)

    assert await one.read(KEY) is None
    assert two.gateway.discarded["poisoned"] == 1


@pytest.mark.parametrize("key", ["", "a-raw-token-of-a-listener", KEY + "}", KEY + " x", "*"])
async def test_what_is_no_hash_is_refused_as_a_key(join: Join, key: str) -> None:
    one = await join()

    with pytest.raises(ValueError, match="not a cache key") as refused:
        await one.read(key)
    assert not key or key not in str(refused.value)


async def test_a_full_redis_keeps_nothing_new_and_still_answers(join: Join, admin: Redis) -> None:
    one = await join()
    await one.keep(KEY, BLOB)
    await admin.config_set("maxmemory", "1")

    assert not await one.keep(OTHER, BLOB)
    assert await one.read(KEY) == BLOB
    assert one.gateway.describe() == {"state": "degraded", "reason": "OOM"}
