"""Who reads another process's answer: one copy and one poller for all of them, and no more looks."""

import asyncio
from contextlib import ExitStack, aclosing

import pytest

from lyra.chat.runs.event_log import READERS
from lyra.chat.runs.remote_run import RemoteRun
from lyra.chat.runs.replication import RunReplicator
from lyra.errors import TooManyRequestsError
from lyra.redis.run_store import RunSnapshot
from lyra.spotify.token import Token
from tests.conftest import settle
from tests.support.remote_runs import (
    LINES,
    NAME,
    OWNER,
    SECRET,
    TOKEN,
    ScriptedRedis,
    cut_chunks,
)


class Growing(ScriptedRedis):
    """A Redis with the first piece of an answer; the last is there once `whole` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.whole = False
        self.looking = asyncio.Event()

    async def settle(self, owner: str) -> bool:
        return owner == OWNER

    async def read(self, name: str, after: str = "-") -> RunSnapshot:
        assert name == NAME
        self.seen += 1
        self.looking.set()
        first, last = cut_chunks((4,))
        found = [first, last] if self.whole else [first]
        return RunSnapshot(tuple(piece for piece in found if piece.at > after), alive=True)


def replicator_of(redis: ScriptedRedis) -> RunReplicator:
    return RunReplicator(
        redis,  # type: ignore[arg-type]
        SECRET,
        keep_s=60,
        grace_s=60,
        longest_s=60,
    )


async def find(replicator: RunReplicator) -> RemoteRun:
    found = await replicator.find(OWNER, Token(TOKEN), NAME, is_chat=False)
    assert found is not None
    return found


async def read(run: RemoteRun) -> list[bytes]:
    seen: list[bytes] = []
    async with aclosing(run.changes()) as changes:
        async for _ in changes:
            seen += run.lines(len(seen))
    return seen


async def looks_of(readers: int) -> int:
    """How often Redis is looked at while so many read the same answer."""
    redis = Growing()
    replicator = replicator_of(redis)
    with ExitStack() as stack:
        runs = [await find(replicator)]
        for _ in range(readers):
            stack.enter_context(replicator.read(runs[0]))
            runs.append(await find(replicator) if readers < READERS else runs[0])
        redis.whole = True
        assert await asyncio.gather(*map(read, runs)) == [LINES] * len(runs)
    await replicator.close()
    assert all(run is runs[0] for run in runs)
    return redis.seen


async def test_many_readers_look_no_oftener_than_one() -> None:
    assert await looks_of(1) == await looks_of(3) == await looks_of(4)


async def test_a_fifth_reader_is_refused_and_so_is_who_looks_for_it() -> None:
    replicator = replicator_of(Growing())
    run = await find(replicator)
    with ExitStack() as stack:
        for _ in range(READERS):
            stack.enter_context(replicator.read(run))
        with pytest.raises(TooManyRequestsError), replicator.read(run):
            raise AssertionError("a fifth reader")
        with pytest.raises(TooManyRequestsError):
            await find(replicator)
    await replicator.close()


async def test_polling_begins_with_the_first_reader_and_ends_with_the_last() -> None:
    redis = Growing()
    replicator = replicator_of(redis)
    run = await find(replicator)
    await settle()
    before = asyncio.all_tasks()
    with replicator.read(run):
        with replicator.read(run):
            polling = asyncio.all_tasks() - before
            assert len(polling) == 1
        redis.looking.clear()
        await redis.looking.wait()  # the other one still reads
    await asyncio.wait(polling)

    assert asyncio.all_tasks() == before


async def test_who_still_reads_when_polling_ends_for_good_is_told() -> None:
    replicator = replicator_of(Growing())
    run = await find(replicator)
    async with asyncio.TaskGroup() as tasks:
        with replicator.read(run):
            reading = tasks.create_task(read(run))
            await settle()
            await replicator.close()
            lines = await reading

    assert lines[-1].startswith(b'{"type":"finish"')
    assert b"llm_interrupted" in b"".join(lines)
