"""How long a listener is kept, what is refused, what is counted."""

from random import Random

import pytest

from lyra.cache.listeners import ListenerCache
from lyra.errors import OverloadedError, SpotifyTokenRejectedError, SpotifyUnavailableError
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import Token
from tests.cache.conftest import ANNA, BORIS, CacheMaker, Clock, ScriptedSpotify

REJECTED, SERVER_ERROR, NO_SCOPE = (
    SpotifyFailure(code) for code in ("token_rejected", "server_error", "missing_scope")
)


async def test_the_second_visit_is_a_hit(cache: ListenerCache, spotify: ScriptedSpotify) -> None:
    first = await cache.lookup(ANNA)
    await first.entry()
    second = await cache.lookup(ANNA)

    assert (first.state, first.describe()["spotify_calls"]) == ("miss", 5)
    assert (second.state, second.describe()["spotify_calls"]) == ("hit", 0)
    assert spotify.fetches == 1


async def test_two_tokens_never_share_an_entry(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    anna = await (await cache.lookup(ANNA)).entry()
    spotify.bodies["profile"] = b'{"id": "boris"}'
    boris = await (await cache.lookup(BORIS)).entry()

    assert (anna.listening().profile.id, boris.listening().profile.id) == ("vesna", "boris")


async def test_an_entry_expires_at_its_ttl(make_cache: CacheMaker, clock: Clock) -> None:
    cache = make_cache(cache_ttl_s=100)
    await (await cache.lookup(ANNA)).entry()

    clock.now += 99.9
    assert (await cache.lookup(ANNA)).state == "hit"
    clock.now += 0.1
    assert (await cache.lookup(ANNA)).state != "hit"


async def test_jitter_shortens_the_ttl_by_a_tenth_at_most(
    make_cache: CacheMaker, clock: Clock
) -> None:
    cache = make_cache(rng=Random(7), cache_ttl_s=100, spotify_max_fetches=1)
    lives = []
    for _ in range(200):
        entry = await (await cache.lookup(ANNA)).entry()
        lives.append(entry.expires_at - clock.now)
        await cache.clear()

    assert 90 <= min(lives) < 92
    assert 98 < max(lives) <= 100


async def test_nothing_outlives_its_token_whatever_the_ttl(
    make_cache: CacheMaker, clock: Clock
) -> None:
    cache = make_cache(cache_ttl_s=86_400)
    entry = await (await cache.lookup(ANNA)).entry()

    assert entry.expires_at - clock.now == 3600


async def test_a_refetched_entry_dies_with_its_token_too(
    make_cache: CacheMaker, spotify: ScriptedSpotify, clock: Clock
) -> None:
    """The token's hour counts from its first fetch, not from the latest."""
    cache = make_cache()
    spotify.fails["playlists"] = SERVER_ERROR
    await (await cache.lookup(ANNA)).entry()
    clock.now += 3000
    del spotify.fails["playlists"]
    entry = await (await cache.lookup(ANNA)).entry()

    assert entry.expires_at - clock.now == 600


async def test_a_gap_that_may_pass_is_kept_a_minute(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    spotify.fails["playlists"] = SERVER_ERROR
    await (await cache.lookup(ANNA)).entry()

    clock.now += 59.9
    assert (await cache.lookup(ANNA)).state == "hit"
    clock.now += 0.2
    assert (await cache.lookup(ANNA)).state != "hit"


async def test_a_missing_scope_is_kept_the_whole_ttl(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    spotify.fails["playlists"] = NO_SCOPE
    await (await cache.lookup(ANNA)).entry()

    clock.now += 3000
    assert (await cache.lookup(ANNA)).state == "hit"


async def test_a_rejected_token_is_remembered_for_half_a_minute(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    spotify.fails["profile"] = REJECTED
    for _ in range(5):
        with pytest.raises(SpotifyTokenRejectedError):
            await (await cache.lookup(ANNA)).entry()
    assert (spotify.fetches, cache.stats()["negative_total"]) == (1, 4)

    clock.now += 30
    with pytest.raises(SpotifyTokenRejectedError):
        await (await cache.lookup(ANNA)).entry()
    assert spotify.fetches == 2


async def test_rejected_tokens_evict_no_listener(
    make_cache: CacheMaker, spotify: ScriptedSpotify
) -> None:
    cache = make_cache(cache_max_entries=1)
    await (await cache.lookup(ANNA)).entry()
    spotify.fails["profile"] = REJECTED
    for number in range(50):
        with pytest.raises(SpotifyTokenRejectedError):
            await (await cache.lookup(Token(f"garbage-{number}"))).entry()

    assert (await cache.lookup(ANNA)).state == "hit"


async def test_a_failure_is_not_kept(cache: ListenerCache, spotify: ScriptedSpotify) -> None:
    spotify.fails = dict.fromkeys(spotify.bodies, SERVER_ERROR)
    with pytest.raises(SpotifyUnavailableError):
        await (await cache.lookup(ANNA)).entry()
    spotify.fails = {}

    assert (await (await cache.lookup(ANNA)).entry()).top_artists_count == 1


async def test_peeking_never_fetches(cache: ListenerCache, spotify: ScriptedSpotify) -> None:
    assert await cache.peek(ANNA) is None
    assert spotify.fetches == 0


async def test_more_fetches_than_allowed_are_refused_at_once(
    make_cache: CacheMaker, spotify: ScriptedSpotify
) -> None:
    cache = make_cache(spotify_max_fetches=1)
    spotify.gate.clear()
    first = await cache.lookup(ANNA)
    with pytest.raises(OverloadedError):
        await cache.lookup(BORIS)
    spotify.gate.set()

    assert (await first.entry()).top_artists_count == 1


async def test_a_store_that_breaks_costs_a_fetch_and_no_error(
    cache: ListenerCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    for name in ("peek", "_set"):
        monkeypatch.setattr(cache._memory.entries, name, broken)

    assert (await (await cache.lookup(ANNA)).entry()).top_artists_count == 1
    assert (await cache.lookup(ANNA)).state == "miss"
    assert cache.stats()["faults_total"] == 5


async def test_entries_are_bounded_by_bytes(make_cache: CacheMaker) -> None:
    cache = make_cache(cache_max_bytes=1)
    await (await cache.lookup(ANNA)).entry()

    assert (cache.stats()["entries"], cache.stats()["evicted_too_big_total"]) == (0, 1)


async def test_a_visit_tells_ages_in_whole_seconds(cache: ListenerCache, clock: Clock) -> None:
    await (await cache.lookup(ANNA)).entry()
    clock.now += 12.7
    fields = (await cache.lookup(ANNA)).describe()

    assert fields == {"state": "hit", "spotify_calls": 0, "age_s": 12, "expires_in_s": 3587}


async def test_the_context_and_the_init_body_are_made_once(cache: ListenerCache) -> None:
    first = await (await cache.lookup(ANNA)).entry()
    second = await (await cache.lookup(ANNA)).entry()

    assert first.packed_context is second.packed_context
    assert first.init_members is second.init_members
