"""The day's tokens of one Spotify account."""

import pytest

from lyra.cache.keys import KeyMaker
from lyra.chat.budget import Budget
from lyra.chat.model import Usage
from lyra.errors import TooManyRequestsError

KEYS = KeyMaker()
ONE, TWO = KEYS.account("one"), KEYS.account("two")
NOON = 1_000 * 86_400 + 43_200.0


class Clock:
    now = NOON

    def __call__(self) -> float:
        return self.now


def budget(daily: int = 1000, *, entries: int = 10) -> tuple[Budget, Clock]:
    clock = Clock()
    return Budget(daily, entries=entries, wall_clock=clock), clock


async def test_who_has_used_up_the_day_is_told_when_the_next_begins() -> None:
    spending, clock = budget()
    spending.spent(ONE, Usage(input_tokens=900, output_tokens=99))
    await spending.check(ONE)
    spending.spent(ONE, Usage(output_tokens=1))
    with pytest.raises(TooManyRequestsError) as told:
        await spending.check(ONE)
    await spending.check(TWO)

    assert told.value.reason == "daily_budget"
    assert told.value.retry_after_s == 43_200
    clock.now += 43_200
    await spending.check(ONE)


async def test_cached_input_counts_a_tenth_and_what_fills_the_cache_counts_whole() -> None:
    spending, _ = budget()
    spending.spent(ONE, Usage(cached_input_tokens=4990, cache_write_tokens=500))
    await spending.check(ONE)
    spending.spent(ONE, Usage(cached_input_tokens=10))
    with pytest.raises(TooManyRequestsError):
        await spending.check(ONE)


async def test_a_budget_of_0_is_none() -> None:
    spending, _ = budget(0)
    spending.spent(ONE, Usage(output_tokens=10**9))
    await spending.check(ONE)


async def test_the_table_is_bounded_and_forgets_who_asked_longest_ago() -> None:
    spending, _ = budget(1, entries=2)
    for name in ("one", "two", "three"):
        spending.spent(KEYS.account(name), Usage(output_tokens=5))
    await spending.check(ONE)
    for name in ("two", "three"):
        with pytest.raises(TooManyRequestsError):
            await spending.check(KEYS.account(name))
