"""`scripts/load_test.py`: the load it puts on a server, and what it tells of it."""

import orjson
import pytest

from lyra.sandbox import Sandbox
from tests.conftest import Start
from tests.scripts.conftest import RunScript

SCRIPT = "load_test.py"
TIMES = {
    "sent late",
    "first word, cold",
    "first word, warm",
    "gap between words",
    "whole answer",
}


async def test_without_a_server_it_loads_a_demo_of_its_own_with_the_invented_model(
    run_script: RunScript,
) -> None:
    # A demo that took these over would not start, or would ask that key's owner.
    ran = await run_script(
        *(SCRIPT, "--rate", "20", "--seconds", "1", "--json"),
        LYRA_PORT="eighty",
        ANTHROPIC_API_KEY="sk-ant-nobodys",
    )
    told = orjson.loads(ran.out)

    assert (ran.code, ran.err) == (0, "")
    assert told["asked"] == told["answered"] > 5
    assert told["errors"] == {}
    assert set(told["times_ms"]) == TIMES
    for row in told["times_ms"].values():
        assert not row["count"] or 0 <= row["p50"] <= row["p95"] <= row["p99"]
    assert sum(count for _, count in told["histogram_ms"]) == told["answered"]


async def test_it_asks_for_as_many_listeners_as_it_was_told(
    run_script: RunScript, start: Start, sandbox: Sandbox
) -> None:
    service = await start(streams_per_token=100)
    options = ("--rate", "40", "--seconds", "0.5", "--listeners", "3", "--json")
    ran = await run_script(SCRIPT, service.url, *options)
    told = orjson.loads(ran.out)

    assert ran.code == 0
    assert sandbox.stats.model_calls >= told["answered"] > 3  # some take two rounds
    assert len(sandbox.stats.by_token) == 3


async def test_errors_are_counted_by_code_and_make_the_exit_code_1(
    run_script: RunScript, start: Start
) -> None:
    service = await start(rate_per_minute=1)
    options = ("--rate", "40", "--seconds", "0.5", "--listeners", "1")
    ran = await run_script(SCRIPT, service.url, *options, "--json")
    told = orjson.loads(ran.out)

    assert ran.code == 1
    assert told["answered"] == 1
    assert told["errors"] == {"too_many_requests": told["asked"] - 1}


async def test_an_answer_that_fails_halfway_counts_as_its_error(
    run_script: RunScript, start: Start
) -> None:
    service = await start(model="fault:eof")
    ran = await run_script(SCRIPT, service.url, "--rate", "40", "--seconds", "0.5")

    assert ran.code == 2  # not a single whole answer
    assert "x llm_truncated" in ran.out
    assert "Waits for the first word:\n  below " in ran.out
    assert "#" in ran.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("http://lyra.example",), "another machine"),
        (("http://192.0.2.1:8080",), "another machine"),
        (("--seconds", "601"), "at most 600 seconds"),
        (("--rate", "1e9"), "20000 questions"),
        (("--rate", "nan"), "20000 questions"),
        (("--listeners", "0"), "at least one listener"),
    ],
)
async def test_a_load_that_nobody_can_have_meant_is_refused(
    run_script: RunScript, arguments: tuple[str, ...], told: str
) -> None:
    ran = await run_script(SCRIPT, *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
