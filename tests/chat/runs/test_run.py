"""The log of an answer: whatever is done to it in whatever order, it has exactly one ending."""

import asyncio
import tracemalloc
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import orjson
import pytest
from hypothesis import given, strategies as st

from lyra.chat.parts import (
    Abort,
    Finish,
    Start,
    TextDelta,
    failure_parts,
    status,
)
from lyra.chat.runs.run import Run
from lyra.errors import LlmTimeoutError
from tests.support.stream_grammar import check_parts

Step = Callable[[Run], None]

ENDINGS: dict[str, Step] = {
    "finish": lambda run: run.end(Finish("stop", {})),
    "fail": lambda run: run.end(
        *failure_parts(LlmTimeoutError(), run.id), Finish("error", {}), failure=LlmTimeoutError()
    ),
    "abort": lambda run: run.end(Abort("draining")),
    "stop": lambda run: run.stop("stopped"),
}
STEPS: dict[str, Step] = {
    **ENDINGS,
    "begin": lambda run: run.begin(Start(run.id, {})),
    "status": lambda run: run.add(status("thinking")),
    "say": lambda run: run.add_text("word "),
}


def shown(run: Run) -> list[dict[str, Any]]:
    return [orjson.loads(part.encode()) for part in run.since(0)]


@given(st.lists(st.sampled_from(sorted(STEPS))), st.sampled_from(sorted(ENDINGS)))
def test_any_order_of_steps_gives_one_start_and_one_ending(steps: list[str], last: str) -> None:
    run = Run("run_1")
    for step in [*steps, last]:
        STEPS[step](run)

    if run.begun:
        check_parts(shown(run))
    else:
        assert shown(run) == []


@given(st.lists(st.sampled_from(sorted(STEPS))), st.sampled_from(sorted(ENDINGS)))
def test_nothing_is_added_after_the_first_ending(steps: list[str], first: str) -> None:
    run = Run("run_1")
    STEPS["begin"](run)
    ENDINGS[first](run)
    before, failure = shown(run), run.failure

    for step in steps:
        STEPS[step](run)

    assert shown(run) == before
    assert run.failure is failure


def test_what_was_done_before_the_beginning_is_shown_after_it() -> None:
    run = Run("run_1")
    run.add(status("loading_listening"))
    run.add_text("word")
    assert run.since(0) == []

    run.begin(Start(run.id, {}))

    assert [part["type"] for part in shown(run)] == [
        "start",
        "data-status",
        "text-start",
        "text-delta",
    ]


async def read_through(run: Run) -> None:
    async with aclosing(run.changes()) as changes:
        async for _ in changes:
            pass


async def test_whoever_waits_for_an_ending_is_woken_by_each_kind() -> None:
    for end in ENDINGS.values():
        run = Run("run_1")
        async with asyncio.TaskGroup() as tasks:
            waiting = [
                tasks.create_task(wait)
                for wait in (run.wait_begun(), run.wait_ended(), read_through(run))
            ]
            await asyncio.sleep(0)
            assert not any(task.done() for task in waiting)
            end(run)


@given(st.lists(st.sampled_from(sorted(STEPS))), st.sampled_from(sorted(ENDINGS)))
def test_a_packed_run_tells_the_same_lines_from_every_place(steps: list[str], last: str) -> None:
    run = Run("run_1")
    for step in ["begin", *steps, last]:
        STEPS[step](run)
    expected = [run.lines(position) for position in range(len(run.lines(0)) + 2)]

    run.pack()

    assert [run.lines(position) for position in range(len(expected))] == expected
    assert expected[0]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_words_survive_their_encoding_on_one_line(words: str) -> None:
    encoded = TextDelta("t1", words).encode()

    assert orjson.loads(encoded) == {"type": "text-delta", "id": "t1", "delta": words}
    assert b"\n" not in encoded
    assert b"\r" not in encoded


def test_a_line_that_is_kept_weighs_what_it_holds() -> None:
    """Orjson's bytes keep the 4 KiB that they were written into."""
    tracemalloc.start()
    try:
        lines = [status("thinking").encode() for _ in range(100)]
        weight, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert weight < 100 * (len(lines[0]) + 200)


def test_a_run_keeps_of_its_failure_what_it_says_and_no_frame() -> None:
    run = Run("run_1")
    with pytest.raises(LlmTimeoutError) as caught:
        raise LlmTimeoutError(reason="slow")
    run.fail(caught.value)

    assert run.failure is not None
    assert (run.failure.code, run.failure.reason) == ("llm_timeout", "slow")
    assert run.failure.__traceback__ is None
