"""Numbers, years, hours and days, as people write them."""

from datetime import date

import pytest

from lyra.responder.slots import (
    Count,
    Hours,
    Period,
    Rank,
    SlotValue,
    Within,
    Years,
    find_slots,
)


def slots(text: str) -> list[SlotValue]:
    return [slot.value for slot in sorted(find_slots(text))]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("from the 1990s", 1990, 1999),
        ("90s", 1990, 1999),
        ("the '80s", 1980, 1989),
        ("2010s", 2010, 2019),
        ("the 00s", 2000, 2009),
        ("the eighties", 1980, 1989),
        ("in 1984", 1984, 1984),
        ("before 1980", 1000, 1979),
        ("older than 1970", 1000, 1969),
        ("after 2015", 2016, 2999),
        ("after the 90s", 2000, 2999),
        ("since 2015", 2015, 2999),
        ("from 2020 onwards", 2020, 2999),
        ("between 1990 and 1995", 1990, 1995),
        ("from 1995 to 1990", 1990, 1995),
        ("1990-1995", 1990, 1995),
    ],
)
def test_years(text: str, first: int, last: int) -> None:
    [years] = slots(text)

    assert isinstance(years, Years)
    assert years[:2] == (first, last)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("between 17:00 and 20:00 UTC", 17, 20),
        ("between 22:00 and 02:00 UTC", 22, 2),
        ("between 9 and 11", 9, 11),
        ("between 9 and 11 in the evening", 21, 23),
        ("from 5 to 7 pm", 17, 19),
        ("around 10:00", 9, 11),
        ("around 00:00", 23, 1),
        ("at 9 pm", 20, 22),
        ("at 12 am", 23, 1),
        ("at noon", 11, 13),
        ("at 7 o'clock", 6, 8),
        ("around 9", 8, 10),
        ("after 18:00", 18, 0),
        ("before 8 am", 0, 8),
        ("after midnight", 0, 5),
        ("before midnight", 18, 0),
        ("in the morning", 5, 12),
        ("at night", 22, 5),
    ],
)
def test_hours(text: str, start: int, end: int) -> None:
    assert slots(text) == [Hours(start, end)]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("top 10", [Count(10)]),
        ("my ten favourite", [Count(10)]),
        ("number 3", [Rank(3)]),
        ("my second favourite", [Rank(2)]),
        ("#4", [Rank(4)]),
        ("the 5th", [Rank(5)]),
        ("in my top 10", [Within(10)]),
        ("in my top 50", [Count(50)]),
        ("which one", []),
        ("top 0", []),
        ("good morning", []),
        ("a night owl", []),
        ("x90s y10z", []),
    ],
)
def test_counts_and_ranks(text: str, values: list[SlotValue]) -> None:
    assert slots(text) == values


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("today", 20, 20),
        ("yesterday", 19, 19),
        ("this week", 14, 20),
        ("last week", 7, 13),
        ("on Friday", 20, 20),  # the 20th is one
        ("last Saturday", 14, 14),
    ],
)
def test_periods_are_days(text: str, first: int, last: int) -> None:
    [period] = slots(text)

    assert isinstance(period, Period)
    assert period.days(date(2026, 11, 20)) == (date(2026, 11, first), date(2026, 11, last))


def test_last_night_is_a_day_and_hours() -> None:
    assert [type(value) for value in slots("last night")] == [Period, Hours]


@pytest.mark.parametrize("text", ["last month", "of all time", "last 6 months", "in June"])
def test_what_plays_cannot_answer_is_a_long_period(text: str) -> None:
    [period] = slots(text)

    assert isinstance(period, Period)
    assert period.kind == "long"


def test_hours_over_midnight_hold_the_right_hours() -> None:
    assert [hour for hour in range(24) if hour in Hours(22, 2)] == [0, 1, 22, 23]
    assert None not in Hours(0, 0)
    assert Hours(8, 10).lies_in(Hours(5, 12))
    assert not Hours(5, 12).lies_in(Hours(8, 10))
