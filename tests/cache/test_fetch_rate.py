"""How often one token, and one account, is read; a forget does not begin the count anew."""

import pytest
from hypothesis import given, strategies as st

from lyra.cache.fetch_rate import FetchRate
from lyra.cache.keys import Key
from lyra.cache.listeners import ListenerCache
from lyra.errors import SpotifyTokenRejectedError, TooManyRequestsError
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import Token
from tests.cache.conftest import ANNA, BORIS, CacheMaker, Clock, ScriptedSpotify

ACCOUNT = Key("an account")


async def load(cache: ListenerCache, token: Token = ANNA) -> bool:
    """Whether the listener is answered; forgotten at once."""
    try:
        await (await cache.lookup(token)).entry()
    except TooManyRequestsError:
        return False
    finally:
        await cache.clear(token)
    return True


async def test_forget_and_load_in_a_loop_fetch_ten_times_a_minute(
    make_cache: CacheMaker, spotify: ScriptedSpotify
) -> None:
    cache = make_cache(fetches_per_minute=10)
    answers = [await load(cache) for _ in range(400)]

    assert answers == [True] * 10 + [False] * 390
    assert spotify.fetches == 10


async def test_the_refusal_says_why_and_when_and_then_it_is_so(
    make_cache: CacheMaker, clock: Clock
) -> None:
    cache = make_cache(fetches_per_minute=10)
    while await load(cache):
        pass
    with pytest.raises(TooManyRequestsError) as refused:
        await cache.lookup(ANNA)

    assert (refused.value.reason, refused.value.whole_seconds) == ("fetches", 6)
    clock.now += 6
    assert [await load(cache), await load(cache)] == [True, False]


async def test_the_tokens_of_one_account_are_counted_together(
    make_cache: CacheMaker, spotify: ScriptedSpotify
) -> None:
    """Whose a token is shows with its first reading; there is none after it."""
    cache = make_cache(fetches_per_minute=10)
    tokens = [Token(f"one-of-many-tokens-{number}") for number in range(20)]
    for _ in range(20):
        for token in tokens:
            await load(cache, token)

    assert spotify.fetches <= 20 + 10


async def test_another_account_is_not_slowed_by_that(
    make_cache: CacheMaker, spotify: ScriptedSpotify
) -> None:
    cache = make_cache(fetches_per_minute=10)
    while await load(cache):
        pass
    spotify.bodies["profile"] = b'{"id": "boris"}'

    assert await load(cache, BORIS)


async def test_a_token_that_spotify_refuses_is_asked_about_no_oftener(
    make_cache: CacheMaker, spotify: ScriptedSpotify
) -> None:
    spotify.fails["profile"] = SpotifyFailure("token_rejected")
    cache = make_cache(fetches_per_minute=10)
    for _ in range(100):
        with pytest.raises((SpotifyTokenRejectedError, TooManyRequestsError)):
            await (await cache.lookup(ANNA)).entry()
        await cache.clear(ANNA)

    assert spotify.fetches == 10


async def test_who_has_old_data_gets_them_when_it_is_too_often(
    make_cache: CacheMaker, spotify: ScriptedSpotify, clock: Clock
) -> None:
    cache = make_cache(fetches_per_minute=1, cache_ttl_s=10)
    await (await cache.lookup(ANNA)).entry()
    clock.now += 11
    visit = await cache.lookup(ANNA)

    assert (visit.state, visit.describe()["reason"]) == ("stale", "too_many_requests")
    assert spotify.fetches == 1


async def test_hits_and_those_who_join_cost_nothing(make_cache: CacheMaker) -> None:
    cache = make_cache(fetches_per_minute=1)
    visits = [await cache.lookup(ANNA) for _ in range(50)]
    for visit in visits:
        await visit.entry()

    assert [(await cache.lookup(ANNA)).state for _ in range(50)] == ["hit"] * 50


@given(
    rate=st.integers(1, 20),
    steps=st.lists(st.tuples(st.floats(0, 40), st.integers(0, 3)), max_size=60),
)
def test_no_minute_holds_more_than_twice_the_rate_of_any_token(
    rate: int, steps: list[tuple[float, int]]
) -> None:
    clock = Clock()
    fetches = FetchRate(rate, entries=100, clock=clock)
    begun: list[tuple[float, int]] = []
    for wait, token in steps:
        clock.now += wait
        try:
            fetches.spend(Key(str(token)))
        except TooManyRequestsError:
            continue
        begun.append((clock.now, token))
        fetches.learn(Key(str(token)), ACCOUNT)

    for at, _ in begun:
        within = [each for moment, each in begun if at <= moment < at + 60]
        assert len(within) <= 2 * rate + 4  # the first of each token shows its account
        assert all(within.count(token) <= 2 * rate for token in range(4))


def test_nothing_is_remembered_for_long_or_of_too_many() -> None:
    clock = Clock()
    fetches = FetchRate(10, entries=50, clock=clock)
    for number in range(1000):
        fetches.spend(Key(f"token {number}"))
        fetches.learn(Key(f"token {number}"), Key(f"account {number}"))
    assert len(fetches) <= 2 * 50 + 2

    clock.now += 61
    for _ in range(100):
        fetches.spend(Key("one"))
        clock.now += 60
    assert len(fetches) <= 1
