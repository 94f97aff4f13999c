"""The day's tokens of one Spotify account."""

import asyncio
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings, strategies as st

from lyra.cache.keys import Key, KeyMaker
from lyra.chat.model.port import Prompt, Usage
from lyra.chat.request_schema import Turn
from lyra.chat.token_quota import Cost, Reservation, TokenQuota, estimate_cost
from lyra.errors import LlmTimeoutError, LlmUnavailableError, LyraError, TooManyRequestsError

KEYS = KeyMaker()
ONE, TWO = KEYS.account("one"), KEYS.account("two")
NOON = 1_000 * 86_400 + 43_200.0
COST = Cost(limit=600, prompt=250)


class Clock:
    now = NOON

    def __call__(self) -> float:
        return self.now


def budget(daily: int = 1000, *, entries: int = 10) -> tuple[TokenQuota, Clock]:
    clock = Clock()
    return TokenQuota(daily, entries=entries, wall_clock=clock), clock


async def spend(spending: TokenQuota, account: Key, usage: Usage) -> None:
    """One question with an answer that uses this."""
    (await spending.reserve(account, Cost())).settle(usage)


async def test_who_has_used_up_the_day_is_told_when_the_next_begins() -> None:
    spending, clock = budget()
    await spend(spending, ONE, Usage(input_tokens=900, output_tokens=99))
    await spend(spending, ONE, Usage(output_tokens=1))
    with pytest.raises(TooManyRequestsError) as raised:
        await spending.reserve(ONE, COST)
    await spending.reserve(TWO, COST)

    assert raised.value.reason == "daily_budget"
    assert raised.value.retry_after_s == 43_200
    clock.now += 43_200
    await spending.reserve(ONE, COST)


async def test_cached_input_counts_a_tenth_and_what_fills_the_cache_counts_whole() -> None:
    spending, _ = budget()
    await spend(spending, ONE, Usage(cached_input_tokens=4990, cache_write_tokens=500))
    await spend(spending, ONE, Usage(cached_input_tokens=10))
    with pytest.raises(TooManyRequestsError):
        await spending.reserve(ONE, COST)


async def test_a_budget_of_0_is_none() -> None:
    spending, _ = budget(0)
    await spend(spending, ONE, Usage(output_tokens=10**9))
    await asyncio.gather(*(spending.reserve(ONE, COST) for _ in range(9)))


async def test_the_table_is_bounded_and_forgets_who_asked_longest_ago() -> None:
    spending, _ = budget(1, entries=2)
    for name in ("one", "two", "three"):
        await spend(spending, KEYS.account(name), Usage(output_tokens=5))
    await spending.reserve(ONE, COST)
    for name in ("two", "three"):
        with pytest.raises(TooManyRequestsError):
            await spending.reserve(KEYS.account(name), COST)


async def test_of_many_who_ask_at_once_only_those_pass_whom_the_rest_of_the_day_can_pay() -> None:
    spending, _ = budget(2000)
    reservation = (spending.reserve(ONE, COST) for _ in range(64))
    answers = await asyncio.gather(*reservation, return_exceptions=True)

    passed = [each for each in answers if isinstance(each, Reservation)]
    refused = [each for each in answers if isinstance(each, TooManyRequestsError)]
    assert (len(passed), len(refused)) == (3, 61)
    assert {(each.reason, each.retry_after_s) for each in refused} == {("daily_budget", 1.0)}


async def test_with_a_token_left_one_question_at_a_time_passes_whatever_it_may_cost() -> None:
    spending, _ = budget(100)
    first = await spending.reserve(ONE, COST)
    with pytest.raises(TooManyRequestsError):
        await spending.reserve(ONE, COST)
    first.settle(Usage(output_tokens=99))

    await spending.reserve(ONE, COST)


async def test_who_leaves_before_the_model_has_counted_the_prompt_is_charged_its_length() -> None:
    spending, _ = budget(1000)
    for _ in range(4):
        abandoned = await spending.reserve(ONE, COST)
        with pytest.raises(asyncio.CancelledError), abandoned.send_prompt():
            raise asyncio.CancelledError
        abandoned.settle()

    with pytest.raises(TooManyRequestsError):
        await spending.reserve(ONE, COST)


@pytest.mark.parametrize(
    ("failure", "charged"), [(LlmUnavailableError(), False), (LlmTimeoutError(), True)]
)
async def test_a_prompt_that_the_model_refuses_costs_nothing(
    failure: LyraError, charged: bool
) -> None:
    spending, _ = budget(250)
    reservation = await spending.reserve(ONE, COST)
    with pytest.raises(type(failure)), reservation.send_prompt():
        raise failure
    reservation.settle()

    again = await asyncio.gather(spending.reserve(ONE, COST), return_exceptions=True)
    assert isinstance(again[0], TooManyRequestsError) == charged


async def test_an_answer_settles_once() -> None:
    spending, _ = budget(1000)
    reservation = await spending.reserve(ONE, COST)
    for _ in range(9):
        reservation.settle(Usage(output_tokens=600))
    await spending.reserve(ONE, COST)


async def test_an_answer_over_midnight_counts_for_the_day_on_which_it_was_asked_for() -> None:
    spending, clock = budget(1000)
    reservation = await spending.reserve(ONE, COST)
    clock.now += 86_400
    reservation.settle(Usage(output_tokens=5000))

    await spending.reserve(ONE, COST)
    assert spending.stats() == {"accounts": 0, "held": COST.limit, "owed": 0}


def test_what_may_be_used_is_held_of_every_part_of_the_prompt() -> None:
    turns = (Turn("user", "é" * 50), Turn("assistant", "x" * 100), Turn("user", "z"))
    prompt = Prompt("r" * 99, lambda: "日" * 100, turns, lambda: pytest.fail("not needed"))

    assert estimate_cost(prompt, 1000) == Cost(limit=1300, prompt=150)


class Day:
    """Questions of two accounts in a random order, each with an ending of its own."""

    def __init__(self, seed: int, daily: int) -> None:
        self.random = Random(seed)
        self.spending, self.clock = budget(daily)
        self.used = {ONE: 0, TWO: 0}
        self.dearest = 0

    async def question(self) -> None:
        account = self.random.choice([ONE, TWO])
        await self.pause()
        cost = Cost(limit=self.random.randint(1, 900), prompt=self.random.randint(0, 400))
        cost = Cost(cost.limit, min(cost.prompt, cost.limit))
        try:
            reservation = await self.spending.reserve(account, cost)
        except TooManyRequestsError:
            return
        used = await self.answered(reservation, cost)
        self.used[account] += used
        self.dearest = max(self.dearest, used)

    async def answered(self, reservation: Reservation, cost: Cost) -> int:
        """Let an answer have any ending; what it costs."""
        usage = Usage(output_tokens=self.random.randint(0, cost.limit - cost.prompt))
        ending = self.random.choice(["whole", "left", "refused", "never sent"])
        await self.pause()
        if ending != "never sent":
            with suppress(LlmUnavailableError), reservation.send_prompt():
                await self.called(refuses=ending == "refused")
        if ending == "whole":
            usage = Usage(input_tokens=cost.prompt, output_tokens=usage.output_tokens)
            reservation.settle(usage)
            return cost.prompt + usage.output_tokens
        reservation.settle()
        return cost.prompt if ending == "left" else 0

    async def called(self, *, refuses: bool) -> None:
        await self.pause()
        if refuses:
            raise LlmUnavailableError

    async def pause(self) -> None:
        for _ in range(self.random.randrange(6)):
            await asyncio.sleep(0)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(), daily=st.integers(1, 3000), many=st.integers(1, 40))
def test_no_order_of_questions_uses_more_than_the_day_and_one_answer(
    seed: int, daily: int, many: int
) -> None:
    async def run() -> Day:
        day = Day(seed, daily)
        await asyncio.gather(*(day.question() for _ in range(many)))
        return day

    day = asyncio.run(run())
    assert max(day.used.values()) <= daily - 1 + day.dearest
    assert day.spending.stats()["held"] == 0
