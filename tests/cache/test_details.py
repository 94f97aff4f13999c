"""Details are kept with the listener's entry: one call each, and gone when the entry is."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from lyra.cache.held_details import MAX_DETAILS
from lyra.cache.listeners import ListenerCache
from lyra.cache.memory_tier import BACKOFF_S
from lyra.errors import (
    DrainingError,
    ForgottenError,
    OverloadedError,
    SessionEndedError,
    SpotifyTokenRejectedError,
    TooManyRequestsError,
)
from lyra.listening.details import (
    Detail,
    DetailRefusedError,
    PlaylistTracks,
    TopItems,
    WantedDetail,
)
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import LoginToken, Token
from tests.cache.conftest import (
    ANNA,
    BORIS,
    OTHERS,
    OWN,
    PLAYLISTS,
    CacheMaker,
    Clock,
    ScriptedSpotify,
)

SHORT = TopItems("top_tracks", "short_term")
LONG = TopItems("top_artists", "long_term")
MINE = PlaylistTracks(OWN)
REJECTED = SpotifyFailure("token_rejected")


@pytest.fixture(autouse=True)
def with_playlists(spotify: ScriptedSpotify) -> None:
    spotify.bodies["playlists"] = PLAYLISTS


async def ask(cache: ListenerCache, wanted: WantedDetail = SHORT, token: Token = ANNA) -> Detail:
    entry = await (await cache.lookup(token)).entry()
    return await cache.detail(token, entry, wanted)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def fails(asking: Awaitable[object]) -> str:
    with pytest.raises(SpotifyFailure) as raised:
        await asking
    return str(raised.value.code)


async def test_a_detail_is_read_when_it_is_first_asked_for_and_once(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    first = [await ask(cache, wanted) for wanted in (SHORT, LONG, MINE)]
    again = [await ask(cache, wanted) for wanted in (SHORT, LONG, MINE)]

    assert first == again
    assert len(spotify.asked) == 5 + 3
    assert set(spotify.details.values()) == {1}
    assert first[0].tracks[0].name == "top_tracks short_term"
    assert first[1].artists[0].name == "top_artists long_term"
    assert first[2].tracks[0].name == "playlist_items " + "o" * 22


async def test_the_half_year_and_a_refused_playlist_cost_no_call(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    detail = await ask(cache, TopItems("top_artists", "medium_term"))
    for uri in (OTHERS, "spotify:playlist:" + "u" * 22, "../me"):
        with pytest.raises(DetailRefusedError):
            await ask(cache, PlaylistTracks(uri))

    assert detail.artists[0].name == "Kalorda Wenmi"
    assert len(spotify.asked) == 5


async def test_a_hundred_who_ask_at_once_cause_one_call_whoever_leaves(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    await cache.lookup(ANNA)
    await ask(cache, LONG)
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(ask(cache)) for _ in range(100)]
        await settle()
        for caller in callers[:50]:
            caller.cancel()
        await settle()
        spotify.gate.set()

    assert spotify.details["top_tracks short_term"] == 1
    assert {caller.result() for caller in callers[50:]} == {await ask(cache)}
    stats = cache.stats()
    assert (stats["detail_misses_total"], stats["detail_joined_total"]) == (2, 99)
    assert stats["detail_hits_total"] == 1


async def test_a_flight_that_all_have_left_is_kept_for_the_next(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    entry = await (await cache.lookup(ANNA)).entry()
    spotify.gate.clear()
    caller = asyncio.ensure_future(cache.detail(ANNA, entry, SHORT))  # noqa: TID251 - to be left
    await settle()
    caller.cancel()
    await asyncio.wait([caller])
    spotify.gate.set()
    await settle()
    await ask(cache)

    assert spotify.details["top_tracks short_term"] == 1


async def test_listeners_have_details_of_their_own(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    await ask(cache, token=ANNA)
    await ask(cache, token=BORIS)

    assert spotify.details["top_tracks short_term"] == 2


async def test_a_detail_weighs_with_its_entry_and_goes_with_it(cache: ListenerCache) -> None:
    await (await cache.lookup(ANNA)).entry()
    without = cache.stats()["bytes"]
    await ask(cache)
    with_detail = cache.stats()["bytes"]
    entry = await cache.peek(ANNA)
    assert entry is not None
    assert with_detail == entry.weight() > without + len(entry.details[0].packed)
    await cache.clear(ANNA)

    assert cache.stats()["bytes"] == 0


@pytest.mark.parametrize("everybody", [True, False])
async def test_a_clear_takes_the_details_along(
    cache: ListenerCache, spotify: ScriptedSpotify, everybody: bool
) -> None:
    await ask(cache)
    await cache.clear(None if everybody else ANNA)
    await ask(cache)

    assert spotify.details["top_tracks short_term"] == 2


@pytest.mark.parametrize("everybody", [True, False])
@pytest.mark.parametrize("read_again", [True, False])
async def test_a_clear_in_a_fetch_wins_and_its_waiters_are_answered(
    cache: ListenerCache, spotify: ScriptedSpotify, everybody: bool, read_again: bool
) -> None:
    """Even where the listener has been read again meanwhile."""
    entry = await (await cache.lookup(ANNA)).entry()
    spotify.detail_gate.clear()
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(cache.detail(ANNA, entry, SHORT))
        await settle()
        await cache.clear(None if everybody else ANNA)
        if read_again:
            await (await cache.lookup(ANNA)).entry()
        spotify.detail_gate.set()
    kept = await cache.peek(ANNA)

    assert asking.result().tracks
    assert (kept.details if kept else ()) == ()
    await ask(cache)
    assert spotify.details["top_tracks short_term"] == 2


async def test_a_clear_ends_a_log_ins_flight(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    token = LoginToken("BQ-a-token-of-it", "account:of-one", 3600.0)
    entry = await (await cache.lookup(token)).entry()
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(fail_with(ForgottenError, cache.detail(token, entry, SHORT)))
        await settle()
        await cache.clear(token)
        await asking

    assert cache.stats()["flights"] == 0


async def fail_with(error: type[Exception], asking: Awaitable[object]) -> Any:
    with pytest.raises(error) as raised:
        await asking
    return raised.value


async def test_a_session_that_has_ended_is_not_read(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    ended = False

    async def confirm() -> None:
        if ended:
            raise SessionEndedError

    token = LoginToken("BQ-a-token-of-it", "account:of-one", 3600.0, confirm=confirm)
    entry = await (await cache.lookup(token)).entry()
    ended = True
    await fail_with(SessionEndedError, cache.detail(token, entry, SHORT))

    assert not spotify.details


async def test_no_detail_is_shown_past_the_ttl_or_its_entry(
    make_cache: CacheMaker, spotify: ScriptedSpotify, clock: Clock
) -> None:
    cache = make_cache(cache_ttl_s=1000, cache_stale_s=0)
    await ask(cache)
    clock.now += 999
    await ask(cache)
    assert spotify.details["top_tracks short_term"] == 1
    clock.now += 1
    await ask(cache)

    assert spotify.details["top_tracks short_term"] == 2


async def test_no_detail_outlives_its_token(make_cache: CacheMaker, clock: Clock) -> None:
    cache = make_cache(cache_ttl_s=86_400)
    await (await cache.lookup(ANNA)).entry()
    clock.now += 3000
    await ask(cache)
    entry = await cache.peek(ANNA)

    assert entry is not None
    assert entry.details[0].expires_at == entry.token_seen_at + 3600


async def test_a_renewed_entry_takes_its_details_over(
    make_cache: CacheMaker, spotify: ScriptedSpotify, clock: Clock
) -> None:
    cache = make_cache(cache_ttl_s=1000)
    await (await cache.lookup(ANNA)).entry()
    clock.now += 700
    await ask(cache)
    clock.now += 200  # the entry is renewed behind this look-up
    await ask(cache)
    await settle()
    clock.now += 700
    await ask(cache)

    assert cache.stats()["refreshes_total"] == 1
    assert spotify.details["top_tracks short_term"] == 1
    clock.now += 100  # a thousand seconds after it was read
    await ask(cache)
    assert spotify.details["top_tracks short_term"] == 2


async def test_an_evicted_entry_takes_its_details_along(
    make_cache: CacheMaker, spotify: ScriptedSpotify
) -> None:
    cache = make_cache(cache_max_entries=1)
    await ask(cache, token=ANNA)
    await ask(cache, token=BORIS)
    await ask(cache, token=ANNA)

    assert spotify.details["top_tracks short_term"] == 3
    assert cache.stats()["entries"] == 1


async def test_without_an_entry_a_detail_is_answered_and_not_kept(cache: ListenerCache) -> None:
    entry = await (await cache.lookup(ANNA)).entry()
    await cache.clear(ANNA)
    detail = await cache.detail(ANNA, entry, SHORT)

    assert detail.tracks
    assert (cache.stats()["entries"], cache.stats()["bytes"]) == (0, 0)


async def test_a_detail_that_is_too_large_for_the_cache_leaves_the_entry(
    make_cache: CacheMaker,
) -> None:
    cache = make_cache()
    await (await cache.lookup(ANNA)).entry()
    small = make_cache(cache_max_bytes=cache.stats()["bytes"] + 100)
    await ask(small)

    assert small.stats()["entries"] == 1
    assert (await ask(small)).tracks


async def test_a_failure_is_not_kept_and_not_asked_for_again_at_once(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    spotify.fails = {"top_tracks short_term": SpotifyFailure("server_error")}
    codes = [await fails(ask(cache)) for _ in range(3)]
    assert (codes, spotify.details["top_tracks short_term"]) == (["server_error"] * 3, 1)
    await ask(cache, LONG)
    spotify.fails = {}
    clock.now += BACKOFF_S
    assert (await ask(cache)).tracks

    assert spotify.details["top_tracks short_term"] == 2


async def test_a_failure_reaches_every_waiter_as_one_of_its_own(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    entry = await (await cache.lookup(ANNA)).entry()
    spotify.fails = {"top_tracks short_term": SpotifyFailure("rate_limited", retry_after_s=7)}
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        asking = [
            group.create_task(fail_with(SpotifyFailure, cache.detail(ANNA, entry, SHORT)))
            for _ in range(3)
        ]
        await settle()
        spotify.gate.set()
    failures = [each.result() for each in asking]

    assert {(each.code, each.retry_after_s) for each in failures} == {("rate_limited", 7)}
    assert len({id(each) for each in failures}) == 3
    assert spotify.details["top_tracks short_term"] == 1


async def test_a_rejected_token_takes_its_data_along(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    entry = await (await cache.lookup(ANNA)).entry()
    spotify.fails = {"top_tracks short_term": REJECTED, "profile": REJECTED}
    await fail_with(SpotifyTokenRejectedError, cache.detail(ANNA, entry, SHORT))
    asked = len(spotify.asked)
    assert (cache.stats()["entries"], cache.stats()["rejected"]) == (0, 1)
    await fail_with(SpotifyTokenRejectedError, cache.detail(ANNA, entry, LONG))

    assert len(spotify.asked) == asked


async def test_a_rejection_of_one_part_alone_keeps_the_data(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    spotify.fails = {"top_tracks short_term": REJECTED}

    assert await fails(ask(cache)) == "token_rejected"
    assert (cache.stats()["entries"], cache.stats()["rejected"]) == (1, 0)


def many_playlists(count: int) -> tuple[bytes, list[PlaylistTracks]]:
    uris = [f"spotify:playlist:{number:022d}" for number in range(count)]
    rows = ",".join(f'{{"name":"P","uri":"{uri}","owner":{{"id":"vesna"}}}}' for uri in uris)
    return b'{"items":[%b]}' % rows.encode(), [PlaylistTracks(uri) for uri in uris]


async def test_as_many_details_are_kept_as_may_be_and_none_gives_way(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    spotify.bodies["playlists"], lists = many_playlists(MAX_DETAILS + 1)
    for each in lists[:-1]:
        await ask(cache, each)
        clock.now += 1
    refused = await fail_with(TooManyRequestsError, ask(cache, lists[-1]))
    for each in lists[:-1]:
        await ask(cache, each)

    assert (refused.reason, refused.retry_after_s) == ("details", 3600 - MAX_DETAILS)
    assert set(spotify.details.values()) == {1}


async def test_details_under_way_count_as_well(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    spotify.bodies["playlists"], lists = many_playlists(MAX_DETAILS + 1)
    entry = await (await cache.lookup(ANNA)).entry()
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        for each in lists[:-1]:
            group.create_task(cache.detail(ANNA, entry, each))
        await settle()
        await fail_with(TooManyRequestsError, cache.detail(ANNA, entry, lists[-1]))
        spotify.gate.set()


async def test_details_count_as_fetches_which_a_forget_does_not_reset(
    make_cache: CacheMaker, spotify: ScriptedSpotify
) -> None:
    cache = make_cache(fetches_per_minute=3)
    entry = await (await cache.lookup(ANNA)).entry()
    for _ in range(2):
        await cache.clear(ANNA)
        await cache.detail(ANNA, entry, SHORT)
    refused = await fail_with(TooManyRequestsError, cache.detail(ANNA, entry, SHORT))

    assert refused.reason == "fetches"
    assert spotify.details["top_tracks short_term"] == 2


async def test_details_and_fetches_share_one_bound(
    make_cache: CacheMaker, spotify: ScriptedSpotify
) -> None:
    cache = make_cache(spotify_max_fetches=1)
    entry = await (await cache.lookup(ANNA)).entry()
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        group.create_task(cache.detail(ANNA, entry, SHORT))
        await settle()
        await fail_with(OverloadedError, cache.detail(ANNA, entry, LONG))
        spotify.gate.set()


async def test_a_shutdown_is_an_answer_to_those_who_wait_and_leaves_no_task(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    entry = await (await cache.lookup(ANNA)).entry()
    spotify.gate.clear()
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(fail_with(DrainingError, cache.detail(ANNA, entry, SHORT)))
        await settle()
        await cache.drain(0)
        await asking
    await fail_with(DrainingError, cache.detail(ANNA, entry, LONG))

    assert cache.stats()["flights"] == 0


async def test_a_store_that_breaks_costs_no_answer(
    cache: ListenerCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await (await cache.lookup(ANNA)).entry()

    def broken(*_: object) -> bool:
        raise RuntimeError

    monkeypatch.setattr(cache._memory.entries, "replace_value", broken)
    detail = await cache.detail(ANNA, entry, SHORT)

    assert detail.tracks
    assert cache.stats()["faults_total"] == 1
