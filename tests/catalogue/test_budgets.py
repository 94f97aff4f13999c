"""How many searches there may be: of an answer, of a listener's hour, of the app's day."""

import asyncio
from typing import Any

import pytest

from lyra.cache.keys import Key
from lyra.catalogue.budgets import AnswerBudget, SearchBudgets, SearchRefusedError
from lyra.settings import Settings
from tests.catalogue.conftest import Clock

HOUR_S, DAY_S = 3600, 86_400


def budgets(clock: Clock, entries: int = 100, **settings: int) -> SearchBudgets:
    return SearchBudgets(Settings(**settings), entries=entries, wall_clock=clock)  # type: ignore[arg-type]


async def bound(opened: SearchBudgets, answer: AnswerBudget) -> str | None:
    """Return which bound refuses one more search; None: it is spent."""
    try:
        await opened.spend(answer)
    except SearchRefusedError as refusal:
        return refusal.bound
    return None


async def test_an_answer_has_its_number_and_the_next_answer_its_own(clock: Clock) -> None:
    opened = budgets(clock, searches_per_answer=2)
    first, second = opened.open_answer(Key("a")), opened.open_answer(Key("a"))

    assert [await bound(opened, first) for _ in range(3)] == [None, None, "answer"]
    assert await bound(opened, second) is None
    assert (first.sent, first.left) == (2, 0)


async def test_a_listener_has_so_many_an_hour_whatever_the_answer(clock: Clock) -> None:
    opened = budgets(clock, searches_per_hour=3)
    spent = [await bound(opened, opened.open_answer(Key("a"))) for _ in range(4)]

    assert spent == [None, None, None, "listener"]
    assert await bound(opened, opened.open_answer(Key("b"))) is None
    clock.now += HOUR_S
    assert await bound(opened, opened.open_answer(Key("a"))) is None


async def test_the_app_has_so_many_a_day_whoever_asks(clock: Clock) -> None:
    opened = budgets(clock, searches_per_day=2)
    spent = [await bound(opened, opened.open_answer(Key(each))) for each in "abc"]

    assert spent == [None, None, "app"]
    clock.now += DAY_S
    assert await bound(opened, opened.open_answer(Key("c"))) is None


async def test_without_a_daily_number_the_app_has_no_bound(clock: Clock) -> None:
    opened = budgets(clock, searches_per_hour=10_000, searches_per_day=0)

    for number in range(2_000):
        await opened.spend(opened.open_answer(Key(f"{number}")))


async def test_what_is_refused_is_not_counted(clock: Clock) -> None:
    opened = budgets(clock, searches_per_answer=1, searches_per_hour=2)
    answer = opened.open_answer(Key("a"))
    assert [await bound(opened, answer) for _ in range(5)] == [None, *["answer"] * 4]

    assert await bound(opened, opened.open_answer(Key("a"))) is None


async def test_at_most_so_many_listeners_are_remembered(clock: Clock) -> None:
    opened = budgets(clock, entries=2, searches_per_hour=1)
    for each in "abc":
        await opened.spend(opened.open_answer(Key(each)))

    assert await bound(opened, opened.open_answer(Key("a"))) is None  # forgotten: in its favour
    with pytest.raises(SearchRefusedError):
        await opened.spend(opened.open_answer(Key("c")))


class Full:
    """The counters of all processes, which allow no more: to nobody, or not to one listener."""

    def __init__(self, key: str | None = None) -> None:
        self.key = key

    async def count_one(self, name: str, **_: object) -> bool:
        return self.key is not None and not name.endswith(f":{self.key}")


async def test_what_all_processes_refuse_is_not_charged_to_the_answer(clock: Clock) -> None:
    shared: Any = Full()
    opened = SearchBudgets(
        Settings(searches_per_answer=2), entries=10, wall_clock=clock, shared=shared
    )
    answer = opened.open_answer(Key("a"))

    assert await bound(opened, answer) == "listener"
    assert (answer.sent, answer.left) == (0, 2)


async def test_what_all_processes_refuse_takes_nothing_of_the_day_here(clock: Clock) -> None:
    shared: Any = Full("a")
    opened = SearchBudgets(
        Settings(searches_per_day=3), entries=10, wall_clock=clock, shared=shared
    )
    for _ in range(20):
        assert await bound(opened, opened.open_answer(Key("a"))) == "listener"

    assert [await bound(opened, opened.open_answer(Key("b"))) for _ in range(4)] == [
        *[None] * 3,
        "app",
    ]


class Slow:
    """The counters of all processes, which never answer."""

    async def count_one(self, *_: object, **__: object) -> bool:
        await asyncio.Event().wait()
        return True


async def test_a_search_given_up_while_it_is_counted_costs_nothing_here(clock: Clock) -> None:
    shared: Any = Slow()
    settings = Settings(searches_per_answer=1, searches_per_hour=1, searches_per_day=1)
    opened = SearchBudgets(settings, entries=10, wall_clock=clock, shared=shared)
    answer = opened.open_answer(Key("a"))
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):  # begun, and at its first wait given up
                await opened.spend(answer)

    assert (answer.sent, answer.left) == (0, 1)


async def test_a_new_hour_and_day_are_not_credited_with_what_the_old_ones_counted(
    clock: Clock,
) -> None:
    """Refused by all processes after the windows have turned."""

    class Late:
        turned = False

        async def count_one(self, *_: object, **__: object) -> bool:
            if self.turned:
                return True
            self.turned = True
            clock.now += DAY_S
            assert await bound(opened, opened.open_answer(Key("a"))) is None
            return False

    shared: Any = Late()
    settings = Settings(searches_per_hour=1, searches_per_day=1)
    opened = SearchBudgets(settings, entries=10, wall_clock=clock, shared=shared)

    assert await bound(opened, opened.open_answer(Key("a"))) == "listener"  # of the old hour
    assert await bound(opened, opened.open_answer(Key("a"))) == "listener"
    assert await bound(opened, opened.open_answer(Key("c"))) == "app"
