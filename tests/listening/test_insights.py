import pytest

from lyra.listening.insights import busiest_window, decades, hour, plays_by_hour, repeated
from lyra.listening.models import Play, Track


def play(at: str | None, name: str = "Paper Lighthouse", id_: str | None = None) -> Play:
    return Play(Track(name, id=id_), played_at=at)


def test_decades_come_with_most_tracks_first() -> None:
    tracks = [Track("a", released=1987), Track("b", released=2011), Track("c", released=2019)]

    assert decades([*tracks, Track("d")]) == ((2010, 2), (1980, 1))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-22T05:39:14.954Z", 5),
        ("2026-11-22T23:00:00Z", 23),
        ("9999-99-99T99:99:99Z", None),
        (None, None),
    ],
)
def test_the_hour_of_a_play_is_utc_or_unknown(at: str | None, expected: int | None) -> None:
    assert hour(play(at)) == expected


def test_plays_are_counted_for_each_of_24_hours() -> None:
    counted = plays_by_hour(
        [play("2026-11-22T05:39:14Z"), play("2026-11-21T05:01:00Z"), play(None)]
    )

    assert (len(counted), counted[5], sum(counted)) == (24, 2, 2)


def test_the_busiest_window_may_pass_midnight() -> None:
    by_hour = [0] * 24
    by_hour[23] = by_hour[0] = 5

    assert busiest_window(by_hour, width=2) == 23


def test_without_plays_there_is_no_busiest_window() -> None:
    assert busiest_window([0] * 24) is None


def test_a_track_that_comes_twice_is_repeated() -> None:
    found = repeated([play(None, "One", "x"), play(None, "Two", "y"), play(None, "One", "x")])

    assert found is not None
    assert (found[0].name, found[1]) == ("One", 2)


def test_tracks_that_come_once_are_not_repeated() -> None:
    assert repeated([play(None, "One"), play(None, "Two")]) is None
    assert repeated([]) is None
