"""The accuracy that `analyse_genres` claims, on the play logs of the sandbox."""

import pytest

from tests.support.genre_accuracy import measure_genres


@pytest.mark.parametrize(
    ("persona", "low", "high", "worst"),
    [("typical", 0.07, 0.11, 0.2), ("heavy", 0.07, 0.11, 0.2), ("classical", 0.03, 0.06, 0.1)],
)
def test_told_shares_are_as_near_to_the_plays_as_is_claimed(
    persona: str, low: float, high: float, worst: float
) -> None:
    found = measure_genres(persona, range(1, 13))

    assert low < found.mean < high
    assert found.worst < worst


def test_the_first_genre_is_mostly_right() -> None:
    assert measure_genres("typical", range(1, 13)).first_right >= 0.8


def test_of_a_listener_of_six_days_little_is_known() -> None:
    assert measure_genres("new", range(1, 13)).mean > 0.2
