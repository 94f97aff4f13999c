"""Work in the background goes on beside a block, ends with it, and says when it breaks."""

import asyncio

import pytest

from lyra.background import background


async def test_background_work_runs_during_the_block_and_ends_with_it() -> None:
    steps: list[str] = []
    begun = asyncio.Event()

    async def work() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("ended")

    async with background(work()):
        await begun.wait()
        steps.append("in the block")
    steps.append("after it")

    assert steps == ["in the block", "ended", "after it"]


async def test_broken_background_work_is_logged_and_the_block_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work() -> None:
        raise ValueError("a fault")

    async with background(work()):
        for _ in range(3):
            await asyncio.sleep(0)
        assert [record.name for record in caplog.records] == ["lyra.background"]


async def test_a_block_that_fails_ends_the_work_as_well() -> None:
    task: list[asyncio.Task[object] | None] = []

    async def work() -> None:
        task.append(asyncio.current_task())
        await asyncio.Event().wait()

    async def block() -> None:
        async with background(work()):
            await asyncio.sleep(0)
            raise ValueError("of the block")

    with pytest.raises(ValueError, match="of the block"):
        await block()

    assert task[0] is not None
    assert task[0].cancelled()
