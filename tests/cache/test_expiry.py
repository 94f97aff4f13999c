"""Old and new data: who is answered with what, and when Spotify is asked again.

The rows are those of the cache's table of acceptance scenarios.
"""

import asyncio

import pytest

from lyra.cache.listeners import ListenerCache
from lyra.cache.lookup import Lookup
from lyra.cache.memory_tier import BACKOFF_S
from lyra.errors import SpotifyTokenRejectedError, SpotifyUnavailableError
from lyra.listening.models import SectionName
from lyra.spotify.failures import SpotifyFailure
from tests.cache.conftest import ANNA, BODIES, BORIS, CacheMaker, Clock, ScriptedSpotify

DOWN = dict.fromkeys(BODIES, SpotifyFailure("server_error"))
GAP: dict[SectionName, SpotifyFailure] = {"playlists": SpotifyFailure("server_error")}


@pytest.fixture
def cache(make_cache: CacheMaker) -> ListenerCache:
    """Fresh for 100 s, at hand for 50 s more."""
    return make_cache(cache_ttl_s=100, cache_stale_s=50, cache_refresh_wait_s=60)


async def visit(cache: ListenerCache) -> Lookup:
    lookup = await cache.lookup(ANNA)
    await lookup.entry()
    return lookup


async def landed(cache: ListenerCache) -> None:
    """Let the fetch that runs come to its end."""
    for _ in range(50):
        await asyncio.sleep(0)
    assert cache.stats()["flights"] == 0


def name(spotify: ScriptedSpotify, display_name: str) -> None:
    spotify.bodies["profile"] = b'{"id": "vesna", "display_name": "%b"}' % display_name.encode()


async def shown(lookup: Lookup) -> str | None:
    return (await lookup.entry()).listening().profile.display_name


async def test_row13_one_refresh_ahead_after_four_fifths_of_the_ttl(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    name(spotify, "old")
    await visit(cache)
    name(spotify, "new")
    clock.now += 85
    during = [await visit(cache) for _ in range(20)]
    await landed(cache)
    after = await visit(cache)

    assert {lookup.state for lookup in (*during, after)} == {"hit"}
    assert {await shown(found) for found in during} == {"old"}
    assert await shown(after) == "new"
    assert (spotify.fetches, cache.stats()["refreshes_total"]) == (2, 1)


async def test_row14_nobody_asks_so_nothing_is_renewed(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    await visit(cache)
    clock.now += 95
    await landed(cache)

    assert spotify.fetches == 1


async def test_row15_a_failed_refresh_keeps_the_value_and_backs_off(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    await visit(cache)
    spotify.fails = DOWN
    clock.now += 81
    states = []
    for _ in range(9):
        states.append((await visit(cache)).state)
        await landed(cache)
        clock.now += 2

    assert set(states) == {"hit"}
    assert spotify.fetches == 2


async def test_row16_past_its_time_old_data_stands_in_and_says_so(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    await visit(cache)
    spotify.fails = DOWN
    clock.now += 110
    lookup = await visit(cache)

    assert lookup.describe() == {
        "state": "stale",
        "reason": "spotify_unavailable",
        "spotify_calls": 0,
        "age_s": 110,
        "expires_in_s": 0,
    }


async def test_row17_after_a_failure_old_data_is_used_without_asking(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    await visit(cache)
    spotify.fails = DOWN
    clock.now += 105
    states = {(await visit(cache)).state for _ in range(50)}
    assert (states, spotify.fetches) == ({"stale"}, 2)

    clock.now += BACKOFF_S
    await visit(cache)
    assert (spotify.fetches, cache.stats()["stale_total"]) == (3, 51)


async def test_row18_when_the_stale_time_ends_the_error_comes_through(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    await visit(cache)
    spotify.fails = DOWN
    clock.now += 150

    with pytest.raises(SpotifyUnavailableError):
        await visit(cache)


async def test_row19_who_has_old_data_does_not_wait_for_a_slow_fetch(
    make_cache: CacheMaker, spotify: ScriptedSpotify, clock: Clock
) -> None:
    cache = make_cache(cache_ttl_s=100, cache_stale_s=50, cache_refresh_wait_s=0.001)
    name(spotify, "old")
    await visit(cache)
    name(spotify, "new")
    clock.now += 110
    spotify.gate.clear()
    slow = await visit(cache)
    spotify.gate.set()
    await landed(cache)
    later = await visit(cache)

    assert (slow.state, slow.reason, await shown(slow)) == ("stale", "slow", "old")
    assert (later.state, await shown(later)) == ("hit", "new")


async def test_row12_an_entry_that_expires_in_its_refresh_joins_it(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    await visit(cache)
    clock.now += 99
    spotify.gate.clear()
    await visit(cache)
    clock.now += 2
    joiner = await cache.lookup(ANNA)
    spotify.gate.set()
    await landed(cache)

    assert (joiner.state, spotify.fetches) == ("joined", 2)


@pytest.mark.parametrize("age_s", [90, 110])
async def test_row10_a_rejected_token_evicts_its_data(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock, age_s: int
) -> None:
    await visit(cache)
    spotify.fails = {"profile": SpotifyFailure("token_rejected")}
    clock.now += age_s
    await asyncio.gather(visit(cache), return_exceptions=True)
    await landed(cache)

    assert await cache.peek(ANNA) is None
    with pytest.raises(SpotifyTokenRejectedError):
        await visit(cache)


async def test_row32_only_the_missing_section_is_fetched_again(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    spotify.fails = dict(GAP)
    await visit(cache)
    spotify.asked.clear()
    spotify.fails = {}
    clock.now += 61
    await visit(cache)
    await landed(cache)
    entry = await cache.peek(ANNA)

    assert spotify.asked == ["playlists"]
    assert entry is not None
    listening = entry.listening()
    assert {section.status for section in listening.sections} == {"ok"}
    assert listening.top_artists[0].name == "Kalorda Wenmi"
    assert (entry.fetched_at, entry.expires_at) == (clock.now - 61, clock.now + 39)


async def test_row32_filling_a_gap_notices_a_revoked_token(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    spotify.fails = dict(GAP)
    await visit(cache)
    spotify.fails = dict.fromkeys(BODIES, SpotifyFailure("token_rejected"))
    clock.now += 61

    with pytest.raises(SpotifyTokenRejectedError):
        await visit(cache)
    assert await cache.peek(ANNA) is None


async def test_a_renewal_that_loses_a_section_is_thrown_away(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    await visit(cache)
    spotify.fails = dict(GAP)
    clock.now += 85
    await visit(cache)
    await landed(cache)
    lookup = await visit(cache)

    listening = (await lookup.entry()).listening()
    assert {section.status for section in listening.sections} == {"ok"}
    assert spotify.fetches == 2


async def test_past_its_time_an_entry_gives_way_to_one_with_a_gap(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    await visit(cache)
    spotify.fails = dict(GAP)
    clock.now += 110
    await asyncio.gather(visit(cache))
    await landed(cache)

    entry = await cache.peek(ANNA)
    assert entry is not None
    assert entry.fetched_at == clock.now


async def test_row39_nothing_stands_in_past_the_tokens_life(
    make_cache: CacheMaker, spotify: ScriptedSpotify, clock: Clock
) -> None:
    cache = make_cache(cache_ttl_s=86_400, cache_stale_s=86_400)
    await visit(cache)
    spotify.fails = DOWN
    clock.now += 3600

    with pytest.raises(SpotifyUnavailableError):
        await visit(cache)


async def test_a_clear_takes_the_stale_data_too(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    await visit(cache)
    clock.now += 110
    await cache.clear(ANNA)
    spotify.fails = DOWN

    with pytest.raises(SpotifyUnavailableError):
        await visit(cache)


async def test_a_full_table_of_fetches_costs_a_renewal_and_no_answer(
    make_cache: CacheMaker, spotify: ScriptedSpotify, clock: Clock
) -> None:
    cache = make_cache(cache_ttl_s=100, spotify_max_fetches=1)
    await visit(cache)
    clock.now += 85
    spotify.gate.clear()
    await cache.lookup(BORIS)
    lookup = await visit(cache)
    spotify.gate.set()

    assert (lookup.state, cache.stats()["refreshes_total"]) == ("hit", 0)
