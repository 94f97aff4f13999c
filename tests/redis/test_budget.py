"""The day's tokens of one account, counted by all processes together."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random

import pytest

from lyra.cache.keys import KeyMaker
from lyra.chat.model.port import Usage
from lyra.chat.token_quota import Cost, Reservation, TokenQuota
from lyra.errors import TooManyRequestsError
from lyra.redis.counters import HoldResult, SharedCounters
from tests.redis.conftest import Join, Member
from tests.support.fault_kit import toxic
from tests.support.redis_servers import RedisServer

ACCOUNT = KeyMaker("one-secret-for-all-processes").account("one")
NOON = 1_000 * 86_400 + 43_200.0
USED = f"1000:{ACCOUNT}"
COST = Cost(limit=600, prompt=250)
DAILY = 2000


Budgets = Callable[..., Awaitable[list[TokenQuota]]]


@pytest.fixture
async def budgets(join: Join) -> AsyncIterator[Budgets]:
    """As many processes' budgets; they end as a process does, before its gateway to Redis."""
    opened: list[TokenQuota] = []

    async def open_budgets(*, many: int = 2, held_s: float = 600.0) -> list[TokenQuota]:
        made = [
            TokenQuota(
                DAILY,
                entries=10,
                wall_clock=lambda: NOON,
                longest_s=held_s,
                shared=SharedCounters((await join()).gateway),
            )
            for _ in range(many)
        ]
        opened.extend(made)
        return made

    yield open_budgets
    for budget in opened:
        await budget.close()


async def test_concurrent_questions_reserve_at_most_the_quota_left(
    budgets: Budgets,
) -> None:
    both = await budgets()
    reservations = (both[n % 2].reserve(ACCOUNT, COST) for n in range(24))
    answers = await asyncio.gather(*reservations, return_exceptions=True)
    passed = [each for each in answers if isinstance(each, Reservation)]
    for answer in passed:
        answer.settle(Usage(output_tokens=600))
    for each in both:
        await each.close()

    assert len(passed) == 3
    assert sum(isinstance(each, TooManyRequestsError) for each in answers) == 21
    last = await both[0].reserve(ACCOUNT, COST)  # 200 are left, and nothing is held
    with pytest.raises(TooManyRequestsError):
        await both[1].reserve(ACCOUNT, COST)
    last.settle(Usage(output_tokens=200))
    await both[0].close()
    with pytest.raises(TooManyRequestsError) as refused:
        await both[1].reserve(ACCOUNT, COST)
    assert refused.value.retry_after_s == 43_200


async def test_two_processes_exceed_the_quota_by_one_answer_at_most(
    budgets: Budgets,
) -> None:
    both, random = await budgets(), Random(11)
    used: list[int] = []

    async def question() -> None:
        try:
            reservation = await random.choice(both).reserve(ACCOUNT, COST)
        except TooManyRequestsError:
            return
        for _ in range(random.randrange(20)):
            await asyncio.sleep(0)
        used.append(random.randint(0, COST.limit))
        reservation.settle(Usage(output_tokens=used[-1]))

    for _ in range(30):
        await asyncio.gather(*(question() for _ in range(8)))
    for each in both:
        await each.close()

    assert DAILY <= sum(used) < DAILY + COST.limit
    assert [each.stats()["held"] for each in both] == [0, 0]


async def test_a_caller_who_leaves_while_redis_is_asked_holds_nothing(budgets: Budgets) -> None:
    first, second = await budgets()
    leaving = asyncio.get_running_loop().create_task(first.reserve(ACCOUNT, COST))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    await first.close()

    whole = await second.reserve(ACCOUNT, Cost(DAILY))
    whole.settle()
    assert leaving.cancelled()
    assert first.stats()["held"] == 0


async def test_a_dead_processs_reservation_expires_with_its_answers(
    budgets: Budgets,
) -> None:
    dead, alive = await budgets(held_s=0.001)
    await dead.reserve(ACCOUNT, COST)
    held = 0
    while True:
        try:
            await alive.reserve(ACCOUNT, Cost(DAILY))
            break
        except TooManyRequestsError:
            held += 1
    assert held < 1000


async def test_while_redis_is_away_each_process_counts_for_itself(
    budgets: Budgets, server: RedisServer
) -> None:
    first, second = await budgets()
    reservation = await first.reserve(ACCOUNT, COST)
    await server.kill()
    reservation.settle(Usage(output_tokens=DAILY))
    await first.close()

    with pytest.raises(TooManyRequestsError):
        await first.reserve(ACCOUNT, COST)
    await second.reserve(ACCOUNT, COST)


async def test_usage_that_redis_missed_is_sent_with_the_next_question(
    budgets: Budgets, server: RedisServer
) -> None:
    (first,) = await budgets(many=1)
    reservation = await first.reserve(ACCOUNT, COST)
    await server.kill()
    reservation.settle(Usage(output_tokens=DAILY - 1))
    await first.close()
    assert first.stats()["owed"] == 1
    await server.start()
    while first.stats()["owed"]:  # the breaker looks behind before it lets a question through
        (await first.reserve(ACCOUNT, COST)).settle()
        await first.close()

    (second,) = await budgets(many=1)
    one = await second.reserve(ACCOUNT, COST)
    with pytest.raises(TooManyRequestsError):
        await second.reserve(ACCOUNT, COST)
    one.settle()


async def counted(member: Member) -> int:
    """What all processes have used, as Redis has it."""
    settled = await SharedCounters(member.gateway).settle(USED, {}, held_s=60, ttl_s=60)
    assert settled is not None
    return settled


@pytest.mark.parametrize("cut", range(5))
async def test_an_answer_counts_once_though_redis_reply_is_lost(
    join: Join, server: RedisServer, cut: int
) -> None:
    """The client sends again what it has no reply to; Redis may have carried it out."""
    async with toxic(server.port) as network:
        member = await join(f"redis://127.0.0.1:{network.port}")
        budget = TokenQuota(
            DAILY, entries=10, wall_clock=lambda: NOON, shared=SharedCounters(member.gateway)
        )
        reservation = await budget.reserve(ACCOUNT, COST)
        network.cut_after = network.passed + cut
        reservation.settle(Usage(output_tokens=100))
        await budget.close()
        (await budget.reserve(ACCOUNT, COST)).settle(Usage(output_tokens=11))
        await budget.close()

        assert network.cuts == 1
        assert await counted(member) == 111


async def test_usage_sent_twice_counts_once(join: Join) -> None:
    counters = SharedCounters((await join()).gateway)
    times = {"held_s": 60.0, "ttl_s": 60}
    amounts = {"one": 100, "two": 10}

    assert await counters.settle(USED, amounts, **times) == 110  # type: ignore[arg-type]
    assert await counters.settle(USED, amounts, **times) == 110  # type: ignore[arg-type]
    assert await counters.hold(
        USED, "next", 50, within=DAILY, owed={**amounts, "three": 1}, held_s=60, ttl_s=60
    ) == HoldResult(passes=True, used=111, held=0)


async def test_what_comes_after_its_own_settling_holds_nothing(join: Join) -> None:
    """As when Redis has hung, and goes on with what callers have given up."""
    counters = SharedCounters((await join()).gateway)
    await counters.settle(USED, {"one": 100}, held_s=60, ttl_s=60)
    for name, held in (("one", 0), ("two", 0), ("three", 50)):
        assert await counters.hold(
            USED, name, 50, within=DAILY, owed={}, held_s=60, ttl_s=60
        ) == HoldResult(passes=True, used=100, held=held)


async def test_what_is_owed_of_one_account_is_bounded_and_whole(
    budgets: Budgets, server: RedisServer
) -> None:
    (first,) = await budgets(many=1)
    reservations = [await first.reserve(ACCOUNT, Cost(limit=1)) for _ in range(100)]
    await server.kill()
    for each in reservations:
        each.settle(Usage(output_tokens=3))
    await first.close()

    assert first.stats() == {"accounts": 1, "held": 0, "owed": 1}
    (names,) = first._owed.values()
    assert len(names) <= 33
    assert sum(names.values()) == 300
