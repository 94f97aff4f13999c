"""How many searches there may be: of an answer, of a listener's hour, of the app's day."""

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
    """The counters of all processes, which allow no more."""

    async def count_one(self, *_: object, **__: object) -> bool:
        return False


async def test_what_all_processes_refuse_is_not_charged_to_the_answer(clock: Clock) -> None:
    shared: Any = Full()
    opened = SearchBudgets(
        Settings(searches_per_answer=2), entries=10, wall_clock=clock, shared=shared
    )
    answer = opened.open_answer(Key("a"))

    assert await bound(opened, answer) == "listener"
    assert (answer.sent, answer.left) == (0, 2)
