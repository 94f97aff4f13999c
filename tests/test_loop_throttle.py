"""Heavy steps on one event loop: a few in each of its turns."""

import asyncio
from collections import Counter

from lyra.loop_throttle import LoopThrottle


class Work:
    """Does steps, and notes in which turn of the loop each was done."""

    def __init__(self, steps: int) -> None:
        self.turns = LoopThrottle(steps)
        self.now = 0
        self.done: list[str] = []
        self.when: list[int] = []

    async def step(self, name: str = "") -> None:
        await self.turns.slice()
        self.note(name)

    async def begin(self, name: str = "") -> None:
        await self.turns.admit()
        self.note(name)

    def note(self, name: str) -> None:
        self.done.append(name)
        self.when.append(self.now)

    async def come_round(self, times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(0)
            self.now += 1


async def test_no_turn_of_the_loop_has_more_steps_than_allowed() -> None:
    work = Work(steps=3)
    async with asyncio.TaskGroup() as group:
        for _ in range(30):
            group.create_task(work.step())
        await work.come_round(20)

    each = Counter(work.when)
    assert sum(each.values()) == 30
    assert max(each.values()) == 3
    assert len(each) == 10


async def test_a_lonely_step_waits_for_nobody() -> None:
    turns = LoopThrottle(steps=1)
    for _ in range(3):
        step = turns.slice()
        try:
            step.send(None)
        except StopIteration:
            pass
        else:
            raise AssertionError
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_steps_are_done_in_the_order_in_which_they_came() -> None:
    work, names = Work(steps=2), [str(number) for number in range(20)]
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(work.step(name))

    assert work.done == names


async def test_what_begins_lets_the_steps_that_wait_go_first() -> None:
    work = Work(steps=1)
    async with asyncio.TaskGroup() as group:
        group.create_task(work.step("step 1"))
        for name in ("begin 1", "begin 2"):
            group.create_task(work.begin(name))
        for name in ("step 2", "step 3"):
            group.create_task(work.step(name))

    assert work.done == ["step 1", "step 2", "step 3", "begin 1", "begin 2"]


async def test_one_thing_begins_in_a_turn_of_the_loop() -> None:
    work = Work(steps=4)
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(work.begin())
        await work.come_round(10)

    assert set(Counter(work.when).values()) == {1}


async def test_who_leaves_while_waiting_holds_nobody_up() -> None:
    work = Work(steps=1)
    async with asyncio.TaskGroup() as group:
        group.create_task(work.step("first"))
        leaving = [group.create_task(work.step("gone")) for _ in range(50)]
        leaving += [group.create_task(work.begin("gone")) for _ in range(50)]
        group.create_task(work.step("last"))
        await asyncio.sleep(0)
        for each in leaving:
            each.cancel()
        await work.come_round(4)

        assert work.done == ["first", "last"]


async def test_what_has_had_enough_comes_back_in_a_turn_of_its_own() -> None:
    work = Work(steps=4)

    async def heavy() -> None:
        for _ in range(5):
            await work.turns.yield_turn()
            work.note("heavy")

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(heavy())
        for _ in range(8):
            group.create_task(work.step("light"))
        await work.come_round(40)

    pieces = Counter(
        when for name, when in zip(work.done, work.when, strict=True) if name == "heavy"
    )
    assert sum(pieces.values()) == 15
    assert max(pieces.values()) == 1


async def test_no_step_follows_in_the_turn_that_has_had_enough() -> None:
    work = Work(steps=4)

    async def heavy() -> None:
        work.note("heavy")
        await work.turns.yield_turn()
        work.note("again")

    async with asyncio.TaskGroup() as group:
        group.create_task(heavy())
        group.create_task(work.step("light"))
        await work.come_round(10)

    assert work.done[0] == "heavy"
    assert work.when[0] < min(work.when[1:])
    assert sorted(work.done[1:]) == ["again", "light"]


async def test_who_leaves_before_it_comes_back_holds_nobody_up() -> None:
    work = Work(steps=4)
    async with asyncio.TaskGroup() as group:
        leaving = [group.create_task(work.turns.yield_turn()) for _ in range(20)]
        await asyncio.sleep(0)
        group.create_task(work.step("last"))
        for each in leaving:
            each.cancel()
        await work.come_round(4)

        assert work.done == ["last"]
