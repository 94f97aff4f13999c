"""What a reader is shown of another process's answer, whatever becomes of its pieces in Redis."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given, strategies as st
from msgspec.structs import replace

from lyra.chat.runs.event_log import READERS
from lyra.chat.runs.remote_run import RemoteRun, open_chunk
from lyra.errors import TooManyRequestsError
from lyra.redis.run_store import Chunk, RunSnapshot
from lyra.settings import Settings
from lyra.web.api.run_relay import relay
from lyra.web.api.wire_formats import UiMessageFrames
from lyra.web.http.event_stream import EventStream
from lyra.web.http.stream_monitor import StreamMonitor
from lyra.web.http.write_coalescer import WriteCoalescer
from tests.support.remote_runs import (
    LINES,
    MOMENT,
    NAME,
    OTHER,
    OWNER,
    SECRET,
    TOKEN,
    ScriptedRedis,
    cut_chunks,
)
from tests.support.stream_grammar import check_parts, read_body


def remote(redis: ScriptedRedis, longest_s: float = 60) -> RemoteRun:
    return RemoteRun(
        redis,  # type: ignore[arg-type]
        OWNER,
        NAME,
        partial(open_chunk, SECRET, TOKEN, NAME),
        grace_s=15,
        longest_s=longest_s,
        pace_s=lambda: 0.0,
    )


async def shown(chunks: list[Chunk], at_once: int = 3) -> list[bytes]:
    """All that a reader is shown of these pieces, and then of a maker who is gone."""
    slices = [chunks[i : i + at_once] for i in range(0, len(chunks), at_once)]
    log = remote(ScriptedRedis(*(RunSnapshot(tuple(each), alive=True) for each in slices)))
    while not log.ended:
        assert await log.look()
    return log.lines(0)


def check(lines: list[bytes]) -> None:
    """The whole answer, a beginning of it with an error behind it, or nothing at all."""
    if lines in ([], LINES):
        return
    parts = [orjson.loads(line) for line in lines]
    check_parts(parts)
    assert [part["data"]["code"] for part in parts if part["type"] == "data-error"] == [
        "llm_interrupted"
    ]
    assert parts[-1]["finishReason"] == "error"
    deltas = [line for line in lines if b'"text-delta"' in line]
    assert deltas == [line for line in LINES if b'"text-delta"' in line][: len(deltas)]


Tamper = Callable[[list[Chunk], int, int], list[Chunk]]


def _swapped(chunks: list[Chunk], i: int, j: int) -> list[Chunk]:
    chunks[i], chunks[j] = chunks[j], chunks[i]
    return chunks


def _with(chunks: list[Chunk], i: int, **changes: Any) -> list[Chunk]:
    return [*chunks[:i], replace(chunks[i], **changes), *chunks[i + 1 :]]


TAMPERS: dict[str, Tamper] = {
    "missing": lambda chunks, i, _: chunks[:i] + chunks[i + 1 :],
    "doubled": lambda chunks, i, j: [*chunks[:j], chunks[i], *chunks[j:]],
    "swapped": _swapped,
    "tail dropped": lambda chunks, i, _: chunks[:i],
    "head dropped": lambda chunks, i, _: chunks[i:],
    "truncated": lambda chunks, i, j: _with(chunks, i, sealed=chunks[i].sealed[: -j - 1]),
    "emptied": lambda chunks, i, _: _with(chunks, i, sealed=b""),
    "moved": lambda chunks, i, j: _with(chunks, i, position=j),
    "marked as last": lambda chunks, i, _: _with(chunks, i, last=True),
    "marked as not the last": lambda chunks, i, _: _with(chunks, i, last=False),
    "moved and marked": lambda chunks, i, j: _with(chunks, i, position=j, last=True),
    "another piece's words": lambda chunks, i, j: _with(chunks, i, sealed=chunks[j].sealed),
    "another run's": lambda chunks, i, _: [*chunks[:i], cut_chunks((), OTHER)[0], *chunks[i:]],
}


@given(
    cuts=st.lists(st.integers(1, len(LINES) - 1), max_size=6),
    steps=st.lists(
        st.tuples(st.sampled_from(sorted(TAMPERS)), st.integers(0, 6), st.integers(0, 6)),
        max_size=4,
    ),
    at_once=st.integers(1, 4),
)
def test_nothing_done_to_the_pieces_makes_half_an_answer_look_whole(
    cuts: list[int], steps: list[tuple[str, int, int]], at_once: int
) -> None:
    chunks = cut_chunks(cuts)
    for kind, i, j in steps:
        if chunks:
            chunks = TAMPERS[kind](chunks, i % len(chunks), j % len(chunks))

    check(asyncio.run(shown(chunks, at_once)))


@pytest.mark.parametrize("kind", sorted(TAMPERS))
@pytest.mark.parametrize("i", range(4))
@pytest.mark.parametrize("j", range(4))
async def test_one_change_to_one_piece_never_does(kind: str, i: int, j: int) -> None:
    check(await shown(TAMPERS[kind](cut_chunks((4, 8, 12)), i, j)))


async def test_pieces_that_nobody_touched_are_the_whole_answer() -> None:
    assert await shown(cut_chunks((4, 8, 12))) == LINES
    assert await shown(cut_chunks(())) == LINES


@pytest.mark.parametrize("ahead", [0, 1, 3, 4, 9])
async def test_a_reader_who_has_had_more_than_is_here_is_told_that_it_broke_off(
    ahead: int,
) -> None:
    """The maker's own readers are ahead of Redis; one of them comes back when it has died."""
    log = remote(ScriptedRedis(RunSnapshot(tuple(cut_chunks((4, 8))[:1]), alive=True)))
    while not log.ended:
        await log.look()

    parts = [orjson.loads(line) for line in log.lines(4 + ahead)]
    assert [part["type"] for part in parts[-3:]] == ["data-error", "error", "finish"]
    assert parts[-1]["finishReason"] == "error"


async def test_one_run_has_four_readers_at_most() -> None:
    log = remote(ScriptedRedis())
    inside = [log.read() for _ in range(READERS)]
    for reader in inside:
        reader.__enter__()

    with pytest.raises(TooManyRequestsError), log.read():
        raise AssertionError("a fifth reader")
    inside[0].__exit__(None, None, None)
    with log.read():
        assert log.readers == READERS


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that are slept, in no time."""
    slept: list[float] = []
    at_once = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await at_once(0)

    monkeypatch.setattr("lyra.chat.runs.remote_run.asyncio.sleep", sleep)
    return slept


async def test_a_poller_backs_off_while_nothing_comes_and_hurries_when_something_does(
    pauses: list[float],
) -> None:
    first, *_, last = cut_chunks((4,))
    silence = [RunSnapshot((), alive=True)] * 20
    log = remote(
        ScriptedRedis(RunSnapshot((first,), alive=True), *silence, RunSnapshot((last,), alive=True))
    )
    await log.poll()

    assert log.lines(0) == LINES
    assert min(pauses) == pauses[0] == pauses[-1] == 0.1
    assert max(pauses) == pauses[-2] == 1.0


async def test_that_somebody_reads_is_said_once_for_all_readers(pauses: list[float]) -> None:
    redis = ScriptedRedis(*[RunSnapshot(tuple(cut_chunks((4,))[:1]), alive=True)] * 50)
    log = remote(redis)
    with log.read(), log.read(), log.read():
        await log.poll()

    assert redis.notices == [["read", NAME]]  # again after a third of the grace, which is not over
    assert len(pauses) == redis.seen


async def test_an_answer_that_grows_no_more_breaks_off_though_its_maker_seems_to_live(
    pauses: list[float],
) -> None:
    """Whoever may write to Redis can give signs of life for ever."""
    alive = RunSnapshot((), alive=True)
    log = remote(
        ScriptedRedis(RunSnapshot(tuple(cut_chunks((4,))[:1]), alive=True), *[alive] * 99),
        longest_s=0,
    )
    await log.poll()

    check(log.lines(0))
    assert orjson.loads(log.lines(0)[-1])["finishReason"] == "error"
    assert len(pauses) < 99


async def test_without_redis_for_some_seconds_an_answer_breaks_off(pauses: list[float]) -> None:
    log = remote(ScriptedRedis(RunSnapshot(tuple(cut_chunks((4,))[:1]), alive=True), *[None] * 99))
    await log.poll()

    check(log.lines(0))
    assert orjson.loads(log.lines(0)[-1])["finishReason"] == "error"
    assert 4 < sum(pauses) < 10


async def test_nothing_is_shown_of_an_answer_that_was_forgotten_and_put_back() -> None:
    redis = ScriptedRedis(RunSnapshot(tuple(cut_chunks((4,))), alive=True))
    redis.forgotten_at = MOMENT
    log = remote(redis)

    assert await log.look()
    assert (log.lines(0), log.ended) == ([], True)
    assert not await log.wait_begun()


async def test_an_answer_that_is_forgotten_while_it_is_read_breaks_off_at_once() -> None:
    """Even if whoever may write to Redis gives signs of life for it."""
    redis = ScriptedRedis(
        RunSnapshot(tuple(cut_chunks((4,))[:1]), alive=True), RunSnapshot((), alive=True)
    )
    log = remote(redis)
    await log.look()
    redis.forgotten_at = MOMENT
    await log.look()

    check(log.lines(0))
    assert log.ended
    assert not await log.wait_begun()  # for whoever comes while another still reads


async def test_an_answer_that_broke_off_before_it_is_read_says_so_once() -> None:
    log = remote(ScriptedRedis(RunSnapshot(tuple(cut_chunks((4,))[:1]), alive=True)))
    while not log.ended:
        await log.look()

    async def answer(request: web.Request) -> web.StreamResponse:
        coalescer = WriteCoalescer(asyncio.get_running_loop())
        async with EventStream(request, StreamMonitor(Settings()), coalescer) as stream:
            await stream.open()
            return await relay(stream, log, UiMessageFrames(log))

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestClient(TestServer(app)) as client, client.get("/") as response:
        stream = read_body(await response.read())

    assert stream.parts == [orjson.loads(line) for line in log.lines(0)]
    assert stream.ending == "llm_interrupted"
