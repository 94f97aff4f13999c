"""No order of events breaks a promise of the cache.

    pytest tests/cache/test_storm.py --storms 20000

runs as many seeds; without the option only a few. Each seed has settings of its own.
"""

import pytest

from tests.support.storm import Storm
from tests.support.virtual_time import virtual

FEW = 60  # also where the option is unknown, since another folder's tests were asked for


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """As many seeds as the command line asks for."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("--storms", default=FEW)))


@virtual
async def test_no_storm_breaks_a_promise(seed: int) -> None:
    """One fetch at a time, nothing back after a clear, nothing past its time, nothing left over.

    The whole list is that of the judge.
    """
    storm = Storm(seed)
    await storm.run()

    storm.judge.end(storm.visits)
    assert storm.visits
