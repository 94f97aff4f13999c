"""Two sizes of the property tests.

Few examples, always the same ones, unless asked for more:

    pytest tests/properties --hypothesis-profile=fuzz
"""

import pytest
from hypothesis import HealthCheck, Phase, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]

settings.register_profile(
    "small",
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[phase for phase in Phase if phase is not Phase.explain],
    database=None,
    suppress_health_check=_SLOW,
)
settings.register_profile(
    "fuzz", max_examples=2_000, deadline=None, print_blob=True, suppress_health_check=_SLOW
)


def _asked_for(config: pytest.Config) -> str | None:
    profile: str | None = config.getoption("--hypothesis-profile")
    return profile


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--streams 200000` reads that many streams, `--listeners 60` counts for so many seeds."""
    parser.addoption("--streams", type=int, default=500, help="streams of a model's server")
    parser.addoption("--listeners", type=int, default=1, help="seeds of each persona and regime")
    parser.addoption("--rounds", type=int, default=200, help="answers in rounds over sockets")
    parser.addoption("--save-storms", type=int, default=12, help="seeds for saved playlists")
    parser.addoption("--tool-storms", type=int, default=4, help="seeds for answers with tools")
    parser.addoption("--days", type=int, default=0, help="days of 500 listeners with tools")
    parser.addoption("--streams-seed", default="1", help="what those streams are drawn from")


def pytest_configure(config: pytest.Config) -> None:
    """Load the small profile where the command line names none."""
    if not _asked_for(config):
        settings.load_profile("small")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give a test of thousands of examples the time that it takes."""
    if _asked_for(config) == "fuzz":
        for item in items:
            item.add_marker(pytest.mark.timeout(1_800))
