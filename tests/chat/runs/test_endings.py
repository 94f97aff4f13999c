"""An answer ends, and gives its place back, whatever is wrong beside it or with who makes it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from lyra.cache.keys import Key
from lyra.chat.model.port import ChatModel, ModelStream, OnPiece, Prompt
from lyra.chat.parts import Finish, Start as StartPart
from lyra.chat.request_schema import ChatInput, Turn
from lyra.chat.runs.registry import RunRegistry
from lyra.chat.runs.run import Run
from lyra.chat.runs.supervisor import RunSupervisor
from lyra.settings import Settings
from lyra.spotify.token import Token
from tests.conftest import Start, settle
from tests.support.calls import chat, chatting, init, read_until
from tests.support.producers import Work
from tests.support.stream_grammar import read_body
from tests.support.visitors import Clock

OVERDUE_S = 126.0  # LYRA_ANSWER_TIMEOUT_S and the margin
FAULT = "this is a fault in Lyra"


class BrokenError(Exception):
    """Something in Lyra is broken."""


def breaks(*_: object, **__: object) -> None:
    raise BrokenError


BESIDE = (
    "lyra.chat.generation.find_mentions",
    "lyra.chat.generation.make_card",
    "lyra.chat.generation.find_evidence",
    "lyra.chat.token_quota.Reservation.settle",
    "lyra.chat.generation.annotate",
    "lyra.cache.lookup.Lookup.lookup_ms",
    "lyra.cache.lookup.Lookup.describe",
    "prometheus_client.Counter.inc",
)


@pytest.mark.parametrize("broken", BESIDE)
async def test_what_breaks_beside_an_answer_costs_neither_its_words_nor_its_ending(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    service = await start(streams_per_token=1)
    await init(service)
    monkeypatch.setattr(broken, breaks)

    streams = [read_body((await chat(service)).body) for _ in range(2)]

    assert [each.ending for each in streams] == ["stop", "stop"]
    assert all(each.text for each in streams)
    assert FAULT in caplog.text
    assert service.services.runs.stats()["live"] == 0


@pytest.mark.parametrize(
    "timing",
    ["first_token_seconds", "longest_gap_seconds", "data_age_seconds", "model_seconds"],
)
async def test_a_timing_that_breaks_costs_an_answer_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, timing: str
) -> None:
    service = await start(streams_per_token=1)
    await init(service)
    histogram = getattr(service.services.metrics, timing)
    monkeypatch.setattr(histogram, "observe", breaks)
    monkeypatch.setattr(histogram, "labels", breaks)

    streams = [read_body((await chat(service)).body) for _ in range(2)]

    assert [each.ending for each in streams] == ["stop", "stop"]
    assert FAULT in caplog.text


async def nothing() -> None:
    """End at once, and say nothing."""


class Ignorant(Work):
    """A producer that cannot say how its answer ends."""

    make_abort = breaks  # type: ignore[assignment]


async def test_a_stop_is_an_ending_also_where_nothing_can_be_told_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = Run("run_1")
    run.begin(StartPart(run.id, {}))
    run.start(Ignorant(nothing), asyncio.Event().set)
    run.stop("stopped")

    assert run.ended
    assert [part.encode() for part in run.since(1)] == [b'{"type":"abort","reason":"stopped"}']
    assert caplog.text.count(FAULT) == 1


class Broken:
    """A reader that breaks at everything that it is told."""

    on_change = on_text = breaks


async def test_a_reader_that_breaks_is_no_fault_of_the_answer() -> None:
    run = Run("run_1")
    with run.follow(Broken()), run.change_event() as other:
        run.begin(StartPart(run.id, {}))
        run.add_text("Words.")
        run.end(Finish("stop", {}))
        await other.wait()

    assert (run.text(), run.ended, run.finish is not None) == ("Words.", True, True)


async def broken() -> None:
    raise BrokenError


@pytest.mark.parametrize("work", [nothing, broken])
async def test_a_run_has_its_ending_when_its_work_is_over(
    work: Callable[[], Awaitable[None]],
) -> None:
    run, over = Run("run_1"), asyncio.Event()
    run.start(Work(work), over.set)
    await over.wait()

    assert run.ended
    assert run.failure is not None
    assert run.failure.code == "internal"


async def test_work_that_is_cancelled_before_its_first_step_leaves_an_ending() -> None:
    run, over = Run("run_1"), asyncio.Event()
    run.start(Work(nothing), over.set)
    run.cancel()
    await over.wait()

    assert run.ended
    assert run.finish is not None
    assert run.finish.finish_reason == "error"


class Deaf:
    """A model that begins to speak, and then hears no end."""

    name = "deaf"
    offline = False

    def __init__(self) -> None:
        self.freed = asyncio.Event()

    @asynccontextmanager
    async def open(self, _: Prompt) -> AsyncIterator[ModelStream]:
        yield self

    async def stream_to(self, take: OnPiece) -> None:
        take("Half")
        await self.listen()

    async def listen(self) -> None:
        while not self.freed.is_set():
            try:
                await self.freed.wait()
            except asyncio.CancelledError:
                continue


@pytest.fixture
async def deaf(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Deaf]:
    """The model of every service of this test; it hears at the end of the test at the latest."""
    model = Deaf()

    @asynccontextmanager
    async def open_deaf(_: Settings) -> AsyncIterator[ChatModel]:
        yield model

    monkeypatch.setattr("lyra.app.open_model", open_deaf)
    yield model
    model.freed.set()
    await settle()


async def test_an_answer_whose_work_hears_no_end_is_ended_and_gives_its_place_back(
    start: Start, deaf: Deaf
) -> None:
    clock = Clock()
    service = await start(clock=clock, streams_per_token=1, max_streams=1)
    await init(service)
    async with chatting(service) as reader:
        begun = await read_until(reader, b"Half")
        clock.now += OVERDUE_S
        stream = read_body(begun + await reader.read())
    async with chatting(service) as reader:
        await read_until(reader, b"Half")
        rendered = service.services.metrics.render()
        clock.now += OVERDUE_S
        await reader.read()

    assert (stream.text, stream.ending) == ("Half", "internal")
    assert b"lyra_overdue_answers_total 1.0" in rendered
    assert b'lyra_answers_total{ending="internal"} 1.0' in rendered
    assert deaf.freed.is_set() is False


QUESTION = ChatInput((Turn("user", "One?"),), resumable=True)
TOKEN = Token("a-token-of-nobody")
OWNER = Key("owner")


async def unread(runs: RunRegistry, work: Deaf) -> Run:
    """A run whose reader has left, and whose work does not mind."""
    async with runs.open_run(OWNER, TOKEN, QUESTION) as run:
        runs.start(run, Work(work.listen))
        await asyncio.sleep(0)
    return run


async def test_runs_without_a_reader_are_ended_oldest_first_and_not_before_their_time(
    deaf: Deaf,
) -> None:
    clock = Clock()
    supervisor = RunSupervisor(120, clock=clock)
    runs = RunRegistry(Settings(), None, supervisor)
    old = [await unread(runs, deaf) for _ in range(3)]
    clock.now += OVERDUE_S - 2
    young = await unread(runs, deaf)
    supervisor.look()
    too_early = [run.ended for run in old]
    clock.now += 2
    supervisor.look()

    assert too_early == [False] * 3
    assert [run.ended for run in (*old, young)] == [True, True, True, False]
    assert runs.stats()["live"] == 1
    assert supervisor.stats() == {"answers_total": 3, "stuck": 3}
    deaf.freed.set()
    await young.wait_closed()
    await runs.close()


async def test_a_look_ends_no_more_than_a_turn_of_the_loop_has_time_for(deaf: Deaf) -> None:
    clock = Clock()
    supervisor = RunSupervisor(120, clock=clock)
    runs = RunRegistry(Settings(streams_per_token=200), None, supervisor)
    crowd = [await unread(runs, deaf) for _ in range(120)]
    clock.now += OVERDUE_S
    looks = []
    while supervisor.look():
        looks.append(sum(run.ended for run in crowd))

    assert looks == [50, 100]
    assert all(run.ended for run in crowd)
    deaf.freed.set()
    await runs.close()


async def test_a_run_that_is_over_is_watched_no_more() -> None:
    clock = Clock()
    supervisor = RunSupervisor(120, clock=clock)
    runs = RunRegistry(Settings(), None, supervisor)
    async with runs.open_run(OWNER, TOKEN, QUESTION) as run:
        runs.start(run, Work(nothing))
        await run.wait_ended()
        await run.wait_closed()
    clock.now += OVERDUE_S
    supervisor.look()

    assert supervisor.stats() == {"answers_total": 0, "stuck": 0}
    await runs.close()


async def test_an_answer_at_its_own_deadline_is_none_of_the_supervisors(start: Start) -> None:
    service = await start(model="fault:hang", answer_timeout_s=0.2)
    answer = await chat(service)  # a status or a stream: which of them, the machine's speed decides

    assert b'"llm_timeout"' in answer.body
    assert b"lyra_overdue_answers_total 0.0" in service.services.metrics.render()
