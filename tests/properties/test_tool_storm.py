"""Answers with tools for many listeners at once: no bound is passed, nothing leaks, nothing is left.

    pytest tests/properties/test_tool_storm.py --tool-storms 500
    pytest tests/properties/test_tool_storm.py --days 1

The second is a whole day of 500 listeners; what it did is printed.
"""

import pytest

from tests.support.tool_storm import Scale, ToolStorm
from tests.support.virtual_time import virtual

FEW = 4
DAY = Scale(
    listeners=500,
    hours=24,
    pause_s=9_000,
    settings={
        "searches_per_answer": 10,
        "searches_per_hour": 15,
        "searches_per_day": 3_000,
        "cache_max_entries": 400,
        "cache_ttl_s": 3_600,
        "streams_per_token": 3,
        "resume_grace_s": 15,
        "run_keep_s": 120,
        "daily_tokens": 10**9,
    },
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """As many seeds, and as many days, as the command line asks for."""
    if "seed" not in metafunc.fixturenames:
        return
    seeds = metafunc.config.getoption("--tool-storms", default=FEW)
    days = metafunc.config.getoption("--days", default=0)
    storms = [pytest.param(seed, Scale(), id=str(seed)) for seed in range(seeds)]
    long = pytest.mark.timeout(900)
    storms += [pytest.param(day, DAY, id=f"day {day}", marks=long) for day in range(days)]
    metafunc.parametrize(("seed", "scale"), storms)


@virtual
async def test_no_storm_passes_a_bound_leaks_or_leaves_anything(
    seed: int,
    scale: Scale,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The whole list is that of the judge."""
    storm = ToolStorm(seed, scale, monkeypatch)
    await storm.run()

    if scale is DAY:
        with capsys.disabled():
            print(f"\n{storm.told()}")  # noqa: T201 - for whoever asked for the day
    assert len(storm.runs_of) > scale.listeners
    assert storm.did["found"]
    assert storm.did["cards"] > storm.did["new cards"] > 0
