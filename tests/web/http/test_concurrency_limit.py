"""Places are given in turn, and none is lost or doubled, in whatever order things happen."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from lyra.errors import OverloadedError
from lyra.settings import Settings
from lyra.web.http.concurrency_limit import ConcurrencyLimiter, Slot
from tests.conftest import settle
from tests.support.virtual_time import virtual


def served(waiting: deque[asyncio.Task[Slot]]) -> list[Slot]:
    """The places of those at the head of the queue who have one; they leave it."""
    places = []
    while waiting and waiting[0].done():
        first = waiting.popleft()
        if not first.cancelled() and first.exception() is None:
            places.append(first.result())
    return places


@given(st.lists(st.sampled_from(("take", "give", "leave")), max_size=40))
def test_places_are_never_lost_and_go_to_who_came_first(steps: list[str]) -> None:
    async def play() -> None:
        places = ConcurrencyLimiter(Settings(max_in_flight=2, max_waiting=3, waiting_s=60))
        held: list[Slot] = []
        waiting: deque[asyncio.Task[Slot]] = deque()
        async with asyncio.TaskGroup() as tasks:
            for step in steps:
                if step == "take":
                    waiting.append(tasks.create_task(places.take_slot()))
                elif step == "give" and held:
                    held.pop().release()
                elif step == "leave" and waiting:
                    waiting.pop().cancel()
                await settle()
                held += served(waiting)
                assert places.stats()["free"] + len(held) == 2
                assert not (waiting and places.stats()["free"])
            for task in waiting:
                task.cancel()

    with suppress(ExceptionGroup):  # those for whom there was no room
        asyncio.run(play())


class Crowd:
    """Requests of every fate around two places, and what has to hold of them at any moment."""

    def __init__(self) -> None:
        self.places = ConcurrencyLimiter(Settings(max_in_flight=2, max_waiting=4, waiting_s=1))
        self.held: list[Slot] = []
        self.asked: list[asyncio.Task[Slot]] = []
        self.left: list[asyncio.Task[Slot]] = []

    def take(self) -> None:
        self._ask(self.places.take_slot())

    def retake(self) -> None:
        """Wait for a body: give the place back, and take it again."""
        if self.held:
            place = self.held.pop()
            place.release()
            self._ask(again(place))

    def give(self) -> None:
        if self.held:
            self.held.pop().release()

    def give_in_time(self) -> None:
        """Give a place back in the turn in which the time of those who ask now is up."""
        asyncio.get_running_loop().call_later(1, self.give)

    def leave_first(self) -> None:
        self._leave(0)

    def leave_last(self) -> None:
        self._leave(-1)

    def _ask(self, asking: Coroutine[Any, Any, Slot]) -> None:
        self.asked.append(asyncio.get_running_loop().create_task(asking))

    def _leave(self, which: int) -> None:
        waiting = [task for task in self.asked if not task.done() and task not in self.left]
        if waiting and waiting[which].cancel():
            self.left.append(waiting[which])

    def check(self) -> None:
        """No place is lost, none is there twice, and whoever left has got none."""
        for task in [each for each in self.asked if each.done()]:
            self.asked.remove(task)
            assert task.cancelled() == (task in self.left)
            if not task.cancelled() and isinstance(task.exception(), OverloadedError):
                continue
            if not task.cancelled():
                self.held.append(task.result())
        served = 2 - len(self.held) - self.places.stats()["free"]
        assert 0 <= served <= len(self.asked), "served, and not yet told"


async def again(place: Slot) -> Slot:
    await place.reacquire()
    return place


STEPS = ("take", "retake", "give", "give_in_time", "leave_first", "leave_last")
# What happens between two steps: nothing at all, a turn of the loop, or time.
PAUSES = st.sampled_from((None, None, None, 0.0, 0.5, 1.0))


@given(st.lists(st.tuples(st.sampled_from(STEPS), PAUSES), max_size=60))
@settings(max_examples=400, deadline=None)
def test_no_order_of_events_loses_or_doubles_a_slot(
    steps: list[tuple[str, float | None]],
) -> None:
    """Requests come, get a slot, give it back, leave or wait too long, in any order."""

    @virtual
    async def play() -> None:
        crowd = Crowd()
        for step, pause in steps:
            getattr(crowd, step)()
            if pause is not None:
                await asyncio.sleep(pause)
            crowd.check()
        while crowd.held or crowd.asked:
            crowd.give()
            await asyncio.sleep(2)
            crowd.check()
        assert crowd.places.stats() == {"free": 2, "waiting": 0}

    play()


@pytest.mark.parametrize("first", ["leaves", "gives"])
@virtual
async def test_a_waiter_leaving_as_a_slot_is_released_loses_no_slot(first: str) -> None:
    places = ConcurrencyLimiter(Settings(max_in_flight=1, max_waiting=5, waiting_s=1))
    held = await places.take_slot()
    waiting = asyncio.get_running_loop().create_task(places.take_slot())
    await asyncio.sleep(0)
    for act in (
        (waiting.cancel, held.release) if first == "leaves" else (held.release, waiting.cancel)
    ):
        act()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert places.stats() == {"free": 1, "waiting": 0}
