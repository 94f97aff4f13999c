"""Looking at the cache from outside: by key, without a token and without a fetch."""

from lyra.cache.listeners import ListenerCache
from lyra.cache.store import BoundedMemoryCache
from tests.cache.conftest import ANNA, BORIS, CacheMaker, Clock, ScriptedSpotify


async def test_the_fresh_are_listed_and_found_by_key(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    entry = await (await cache.lookup(ANNA)).entry()

    assert cache.fresh_keys() == [cache.key(ANNA)]
    assert await cache.find(cache.key(ANNA)) is entry
    assert await cache.find(cache.key(BORIS)) is None
    assert spotify.fetches == 1


async def test_a_stale_entry_is_held_but_neither_listed_nor_found(
    make_cache: CacheMaker, clock: Clock
) -> None:
    cache = make_cache(cache_ttl_s=100)
    entry = await (await cache.lookup(ANNA)).entry()
    clock.now = entry.expires_at

    assert await cache.peek(ANNA) is entry
    assert cache.fresh_keys() == []
    assert await cache.find(cache.key(ANNA)) is None


async def test_a_changed_ttl_counts_for_later_fetches_alone(
    make_cache: CacheMaker, clock: Clock
) -> None:
    cache = make_cache(cache_ttl_s=100)
    anna = await (await cache.lookup(ANNA)).entry()
    cache.set_ttl(20)
    boris = await (await cache.lookup(BORIS)).entry()

    assert (anna.expires_at - clock.now, boris.expires_at - clock.now) == (100, 20)
    assert cache.ttl_s == 20


async def test_listing_shows_what_lives_and_makes_nobody_recently_used(clock: Clock) -> None:
    store = BoundedMemoryCache(max_entries=3, max_weight=99, weigh=len, clock=clock)
    for key, ttl in (("old", 30), ("gone", 10), ("new", 30)):
        await store.set(key, key, ttl=ttl)
    clock.now += 10
    listed = store.items()
    await store.set("a", "a")
    await store.set("b", "b")

    assert listed == [("old", "old"), ("new", "new")]
    assert await store.get("old") is None
    assert await store.get("new") == "new"
