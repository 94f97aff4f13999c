"""What could not be forgotten: bounded, each key for itself, and paid by one task."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from lyra.redis.pending_deletes import MAX_HELD, MAX_OTHERS, PendingDeletes
from lyra.redis.protocol import Timing
from tests.conftest import settle


class FakeGateway:
    """A gateway to a Redis that takes forgets once `open` is set; remembers the keys it was told."""

    reachable = True

    def __init__(self, rest_s: float = 0.0) -> None:
        self.timing = Timing(rest_s=rest_s)
        self.open = asyncio.Event()
        self.told: list[str] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.owed = PendingDeletes(self, self.forget)  # type: ignore[arg-type]

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def forget(self, key: str) -> bool:
        await self.open.wait()
        self.told.append(key)
        return True

    async def paid(self) -> None:
        """Let everything be told, and return when the task has ended."""
        self.open.set()
        self.owed.retry_now()
        await asyncio.gather(*self.tasks)


@pytest.fixture
async def gateway() -> FakeGateway:
    return FakeGateway()


async def test_what_is_owed_is_told_once_by_one_task_which_then_ends(gateway: FakeGateway) -> None:
    for key in ("a", "b", "a"):
        gateway.owed.add(key, held=False)
    assert len(gateway.tasks) == 1
    await gateway.paid()

    assert sorted(gateway.told) == ["a", "b"]
    assert (len(gateway.owed), gateway.tasks) == (0, set())
    gateway.owed.add("c", held=True)
    await gateway.paid()
    assert gateway.told[-1] == "c"


async def test_a_delete_demanded_while_its_key_is_sent_is_not_lost() -> None:
    """What was sent before it may have been carried out before it."""
    gateway = FakeGateway(rest_s=600)  # so that nobody pays but the test
    async with asyncio.TaskGroup() as tasks:
        gateway.owed.add("a", held=True)
        settling = tasks.create_task(gateway.owed.settle("a"))
        await settle()
        gateway.owed.add("a", held=True)
        gateway.open.set()

    assert not settling.result()
    assert "a" in gateway.owed
    assert await gateway.owed.settle("a")
    await gateway.paid()


async def test_the_tables_are_bounded_apart_and_the_oldest_give_way(gateway: FakeGateway) -> None:
    for number in range(MAX_HELD + 5):
        gateway.owed.add(f"held {number}", held=True)
    for number in range(MAX_OTHERS + 5):
        gateway.owed.add(f"other {number}", held=False)

    assert len(gateway.owed) == MAX_HELD + MAX_OTHERS
    assert "held 5" in gateway.owed
    assert "held 4" not in gateway.owed
    assert "other 5" in gateway.owed
    assert "other 4" not in gateway.owed
    for task in gateway.tasks:
        task.cancel()


async def test_a_key_that_was_held_stays_so_whoever_asks_for_it_later(gateway: FakeGateway) -> None:
    gateway.owed.add("a", held=True)
    gateway.owed.add("a", held=False)
    for number in range(MAX_OTHERS + 5):
        gateway.owed.add(f"other {number}", held=False)

    assert "a" in gateway.owed
    for task in gateway.tasks:
        task.cancel()


async def test_deleting_all_settles_earlier_pending_deletes_alone(
    gateway: FakeGateway,
) -> None:
    gateway.owed.add("before", held=True)
    demand = gateway.owed.demand()
    gateway.owed.add("after", held=True)
    gateway.owed.clear(demand)

    assert "before" not in gateway.owed
    assert "after" in gateway.owed
    await gateway.paid()
