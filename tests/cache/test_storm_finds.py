"""Faults that the storm, and reading for it, have found in the cache: one small test each."""

import asyncio

from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import Token
from tests.cache.conftest import ANNA, BODIES, BORIS, CacheMaker, Clock, ScriptedSpotify

CHIARA = Token("chiara-token-0003")


async def turns(count: int = 50) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_joiner_after_expiry_never_gets_expired_data_as_fresh(
    make_cache: CacheMaker, spotify: ScriptedSpotify, clock: Clock
) -> None:
    """The renewal begins in time, is slow, and loses a section."""
    cache = make_cache(cache_ttl_s=100, cache_stale_s=0)
    await (await cache.lookup(ANNA)).entry()
    spotify.gate.clear()
    spotify.fails = {"playlists": SpotifyFailure("server_error")}
    clock.now += 99
    await cache.lookup(ANNA)
    await turns()
    clock.now += 2
    joiner = await cache.lookup(ANNA)
    spotify.gate.set()
    entry = await joiner.entry()

    assert joiner.state == "joined"
    assert clock.now < entry.expires_at


async def test_a_listener_in_use_keeps_the_end_of_its_tokens_hour(
    make_cache: CacheMaker, clock: Clock
) -> None:
    """Hits keep the entry in a full store, but not the mark of when its token came."""
    cache = make_cache(cache_max_entries=2)
    first = await (await cache.lookup(ANNA)).entry()
    for other in (BORIS, CHIARA):
        await (await cache.lookup(other)).entry()
        await cache.lookup(ANNA)
    clock.now += 3000
    await cache.lookup(ANNA)
    await turns()
    renewed = await cache.peek(ANNA)

    assert renewed is not None
    assert renewed.fetched_at == clock.now
    assert renewed.stale_until == first.stale_until


async def test_a_renewal_that_spotify_forbids_is_throttled_too(
    make_cache: CacheMaker, spotify: ScriptedSpotify, clock: Clock
) -> None:
    """Otherwise every message of a listener who was struck off the app's list asks again."""
    cache = make_cache()
    await (await cache.lookup(ANNA)).entry()
    spotify.fails = {"profile": SpotifyFailure("not_registered")}
    clock.now += 3000
    for _ in range(5):
        await cache.lookup(ANNA)
        await turns()

    assert spotify.fetches == 2


async def test_a_full_table_of_fetches_lets_old_data_stand_in(
    make_cache: CacheMaker, spotify: ScriptedSpotify, clock: Clock
) -> None:
    """An answer is at hand, and no fetch that could make it better."""
    cache = make_cache(cache_ttl_s=100, spotify_max_fetches=1)
    await (await cache.lookup(ANNA)).entry()
    clock.now += 110
    spotify.gate.clear()
    await cache.lookup(BORIS)
    lookup = await cache.lookup(ANNA)
    spotify.gate.set()

    assert (lookup.state, lookup.reason) == ("stale", "overloaded")


async def test_an_entry_completed_past_its_ttl_is_not_served_as_fresh(
    make_cache: CacheMaker, spotify: ScriptedSpotify, clock: Clock
) -> None:
    """Only where a fetch may take longer than a tenth of the TTL."""
    cache = make_cache(cache_ttl_s=80, cache_stale_s=0, spotify_timeout_s=30)
    spotify.fails = {"playlists": SpotifyFailure("server_error")}
    await (await cache.lookup(ANNA)).entry()
    spotify.fails = {}
    spotify.gate.clear()
    clock.now += 61
    visit = await cache.lookup(ANNA)
    await turns()
    clock.now += 29
    spotify.gate.set()
    entry = await visit.entry()

    assert visit.state == "miss"
    assert clock.now < entry.expires_at


async def test_a_total_failure_backs_off_where_there_is_old_data(
    make_cache: CacheMaker, spotify: ScriptedSpotify, clock: Clock
) -> None:
    """The counterpart of the refused renewal."""
    cache = make_cache()
    await (await cache.lookup(ANNA)).entry()
    spotify.fails = dict.fromkeys(BODIES, SpotifyFailure("server_error"))
    clock.now += 3000
    for _ in range(5):
        await cache.lookup(ANNA)
        await turns()

    assert spotify.fetches == 2
