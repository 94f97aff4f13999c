"""No order of clicks, faults and restarts makes two playlists, loses a track or saves another list.

    pytest tests/properties/test_save_storm.py --save-storms 1000

A storm has ten proposals: a thousand are 10,000 schedules.
"""

import pytest

from tests.support.save_storm import SaveStorm
from tests.support.virtual_time import virtual


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """As many seeds as the command line asks for."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("--save-storms")))


@virtual
async def test_what_is_saved_is_what_was_confirmed_once(seed: int) -> None:
    await SaveStorm(seed).run()
