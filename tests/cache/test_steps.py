"""What is done for one listener costs the same, however many others are held."""

from collections.abc import Awaitable, Callable

import pytest

from lyra.cache.listeners import ListenerCache
from lyra.spotify.token import Token
from tests.cache.conftest import ANNA, CacheMaker
from tests.support.steps import steps_of

OTHERS = 400
Deed = Callable[[ListenerCache], Awaitable[object]]


async def _visited(cache: ListenerCache) -> None:
    await (await cache.lookup(ANNA)).entry()


async def _counted(cache: ListenerCache) -> None:
    cache.stats()


DEEDS: dict[str, Deed] = {
    "visit": _visited,
    "peek": lambda cache: cache.peek(ANNA),
    "forget": lambda cache: cache.clear(ANNA),
    "stats": _counted,
}


@pytest.mark.parametrize("deed", DEEDS)
async def test_one_listener_costs_the_same_among_many(make_cache: CacheMaker, deed: str) -> None:
    alone, among = make_cache(), make_cache()
    for number in range(OTHERS):
        await (await among.lookup(Token(f"somebody-else-{number}"))).entry()
    for cache in (alone, among):
        await _visited(cache)

    assert await steps_of(DEEDS[deed](among)) == await steps_of(DEEDS[deed](alone))


async def test_a_full_cache_makes_room_for_one_by_looking_at_few(make_cache: CacheMaker) -> None:
    """All others are in use, so that each has a second chance."""
    cache = make_cache(cache_max_entries=OTHERS)
    for number in range(OTHERS):
        token = Token(f"somebody-else-{number}")
        await (await cache.lookup(token)).entry()
        await cache.lookup(token)
    small = make_cache(cache_max_entries=100)
    for number in range(100):
        token = Token(f"somebody-else-{number}")
        await (await small.lookup(token)).entry()
        await small.lookup(token)

    more = await steps_of(_visited(cache)) - await steps_of(_visited(small))
    assert abs(more) < OTHERS - 100  # not even one instruction for each of the others
