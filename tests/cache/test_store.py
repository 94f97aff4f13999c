"""The make_store store, beside a plain model of what it should do."""

import asyncio
from collections import OrderedDict
from random import Random

import pytest
from aiocache.lock import RedLock

from lyra.cache.store import BoundedMemoryCache
from tests.cache.conftest import Clock, make_store

Model = OrderedDict[str, tuple[bytes, float, bool]]  # each with its end, and whether it was used


async def test_a_value_is_there_until_its_ttl_and_not_at_it(clock: Clock) -> None:
    store = make_store(clock)
    await store.set("a", b"1", ttl=10)

    clock.now += 9.999
    assert await store.get("a") == b"1"
    clock.now += 0.001
    assert await store.get("a") is None
    assert (len(store), store.weight, store.evictions["expired"]) == (0, 0, 1)


@pytest.mark.parametrize("ttl", [0, -1, 0.0])
async def test_a_ttl_of_zero_or_less_keeps_nothing(clock: Clock, ttl: float) -> None:
    """Stock aiocache keeps such a value for ever."""
    store = make_store(clock)
    await store.set("a", b"1", ttl=ttl)

    assert await store.get("a") is None


async def test_a_value_set_after_a_clear_lives_its_own_ttl(clock: Clock) -> None:
    """Stock aiocache deletes it when the timer from before the clear fires."""
    store = make_store(clock)
    await store.set("a", b"old", ttl=10)
    clock.now += 9
    await store.clear()
    await store.set("a", b"new", ttl=10)

    clock.now += 5
    assert await store.get("a") == b"new"


async def test_who_came_first_goes_first_unless_used_since(clock: Clock) -> None:
    store = make_store(clock, entries=3)
    for key in "abc":
        await store.set(key, b"1")
    await store.get("a")
    await store.set("d", b"1")

    assert [await store.exists(key) for key in "abcd"] == [True, False, True, True]
    assert store.evictions["entries"] == 1


async def test_a_new_entry_is_not_evicted_though_all_others_are_in_use(
    clock: Clock,
) -> None:
    store = make_store(clock, entries=3)
    for key in "abc":
        await store.set(key, b"1")
        await store.get(key)
    await store.set("d", b"1")

    assert [key for key, _ in store.items()] == ["b", "c", "d"]


async def test_looking_for_one_to_go_ends_soon_however_many_are_in_use(clock: Clock) -> None:
    """With a million of them the loop would stand still for half a second."""
    store = make_store(clock, entries=500)
    keys = [str(number) for number in range(500)]
    for key in keys:
        await store.set(key, b"1")
        await store.get(key)
    await store.set("newcomer", b"1")

    (gone,) = set(keys) - {key for key, _ in store.items()}
    assert int(gone) < 100


async def test_the_sum_of_weights_is_bounded(clock: Clock) -> None:
    store = make_store(clock, weight=100)
    await store.set("a", b"x" * 60)
    await store.set("b", b"x" * 60)

    assert [await store.exists(key) for key in "ab"] == [False, True]
    assert (store.weight, store.evictions["bytes"]) == (60, 1)


async def test_a_giant_is_refused_and_evicts_nobody(clock: Clock) -> None:
    store = make_store(clock, weight=100)
    await store.set("a", b"x" * 60)
    kept = await store.set("giant", b"x" * 101)

    assert not kept
    assert [await store.exists(key) for key in ("a", "giant")] == [True, False]
    assert store.evictions["too_big"] == 1


async def test_a_sweep_removes_what_nobody_reads(clock: Clock) -> None:
    store = make_store(clock, entries=5000, weight=5000)
    for number in range(2500):
        await store.set(f"old{number}", b"1", ttl=10)
    await store.set("young", b"1", ttl=20)
    clock.now += 15

    assert await store.sweep() == 2500
    assert len(store) == 1


async def test_no_operation_leaves_the_loop(clock: Clock) -> None:
    """Look-up and insertion are one step, also on Python 3.11, where a timeout costs a task."""
    store = make_store(clock)
    turns: list[int] = []
    asyncio.get_running_loop().call_soon(turns.append, 1)
    await store.set("a", b"1", ttl=5)
    await store.get("a")
    await store.delete("a")
    await store.clear()

    assert turns == []


async def test_no_timer_is_armed(clock: Clock) -> None:
    store = make_store(clock)
    await store.set("a", b"1", ttl=5)

    assert not store._handlers


async def test_clearing_a_namespace_is_by_prefix_and_leaves_the_rest(clock: Clock) -> None:
    store = make_store(clock)
    for key in ("u:1", "u:2", "v:1"):
        await store.set(key, b"12")
    await store.clear(namespace="u:")

    assert (len(store), store.weight, await store.get("v:1")) == (1, 2, b"12")


async def test_add_expire_and_swap_hold_to_expiry(clock: Clock) -> None:
    store = make_store(clock)
    await store.add("a", b"1", ttl=5)
    with pytest.raises(ValueError, match="taken"):
        await store.add("a", b"2")
    await store.expire("a", 50)
    clock.now += 20

    assert await store.multi_get(["a", "b"]) == [b"1", None]
    assert await store.set("a", b"3", _cas_token=b"2") is False
    clock.now += 40
    assert await store.add("a", b"4") is True
    with pytest.raises(NotImplementedError):
        await store.raw("keys")


async def test_aiocaches_own_lock_works_on_it(clock: Clock) -> None:
    store = make_store(clock)
    async with RedLock(store, "key", 2):
        assert len(store) == 1

    assert len(store) == 0


async def test_counting_up_keeps_the_expiry(clock: Clock) -> None:
    store = BoundedMemoryCache(max_entries=9, max_weight=9, weigh=lambda _: 1, clock=clock)
    await store.set("n", 1, ttl=10)
    assert await store.increment("n", 2) == 3
    clock.now += 11

    assert await store.increment("n", 5) == 5


@pytest.mark.parametrize("seed", range(40))
async def test_random_use_equals_the_model(clock: Clock, seed: int) -> None:
    """Values, who goes and both bounds, against a queue without any cleverness."""
    rng = Random(seed)
    store = make_store(clock, entries=4, weight=40)
    model: Model = OrderedDict()
    for _ in range(300):
        key = rng.choice("abcdefg")
        match rng.randrange(5):
            case 0 | 1:
                value, ttl = b"x" * rng.randrange(1, 50), float(rng.randrange(1, 9))
                await store.set(key, value, ttl=ttl)
                model.pop(key, None)
                if len(value) <= 40:
                    _make_room(model, len(value))
                    model[key] = (value, clock.now + ttl, False)
            case 2:
                _expire(model, key, clock.now)
                held = model.get(key)
                assert await store.get(key) == (held and held[0])
                if held:
                    model[key] = (held[0], held[1], True)
            case 3:
                await store.delete(key)
                model.pop(key, None)
            case _:
                clock.now += rng.randrange(3)
        assert list(store._held) == list(model)
        assert store.weight == sum(len(value) for value, _, _ in model.values())


def _make_room(model: Model, weight: int) -> None:
    while len(model) == 4 or weight + sum(len(value) for value, _, _ in model.values()) > 40:
        key, (value, until, used) = model.popitem(last=False)
        if used:
            model[key] = (value, until, False)


def _expire(model: Model, key: str, now: float) -> None:
    if key in model and model[key][1] <= now:
        del model[key]
