from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from lyra.chat.evidence import find_evidence
from lyra.listening.insights import (
    busiest_span,
    decades,
    hour,
    most_repeated,
    plays_by_hour,
)
from lyra.listening.models import Listening, Play, Profile, Track
from lyra.listening.views import suggestions
from lyra.timezones import UTC_ZONE, read_zone


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


def test_the_busiest_span_may_pass_midnight() -> None:
    assert busiest_span(played(23 * 60, 23 * 60 + 1, 0, 12 * 60)) == (23, 1, 3, UTC_ZONE)


def test_without_plays_there_is_no_busiest_span() -> None:
    assert busiest_span([]) is None


@pytest.mark.parametrize(
    ("name", "at", "expected"),
    [
        ("Asia/Kolkata", "2026-11-22T05:39:14Z", 11),  # half an hour beside
        ("Asia/Kathmandu", "2026-11-22T05:20:00Z", 11),  # three quarters
        ("Europe/Berlin", "2026-10-24T22:30:00Z", 0),  # in summer time still
        ("Europe/Berlin", "2026-10-25T22:30:00Z", 23),  # and not any more
        ("America/St_Johns", "2026-11-22T02:00:00Z", 22),
        ("Pacific/Kiritimati", "2026-11-22T23:59:59Z", 13),
    ],
)
def test_an_hour_is_that_of_the_zone_on_that_day(name: str, at: str, expected: int) -> None:
    assert hour(play(at), read_zone(name)) == expected


def test_a_track_that_comes_twice_is_repeated() -> None:
    plays = [play(None, "One", "x"), play(None, "Two", "y"), play(None, "One", "x")]

    assert names_of(most_repeated(plays)) == (["One"], 2)


def test_tracks_that_come_once_are_not_repeated() -> None:
    assert names_of(most_repeated([play(None, "One"), play(None, "Two")])) == ([], 0)
    assert names_of(most_repeated([])) == ([], 0)


def test_tracks_that_come_equally_often_are_all_told() -> None:
    plays = [play(None, "One", "x"), play(None, "Two", "y")] * 2

    assert names_of(most_repeated([*plays, play(None, "Three", "z")])) == (["One", "Two"], 2)


def test_local_files_of_one_title_by_two_artists_are_two() -> None:
    files = [Play(Track("Intro", artists=(by,), artist_ids=(None,))) for by in ("Ostra", "Vey")]
    tracks, most = most_repeated([*files, *files, files[0]])

    assert ([track.artists for track in tracks], most) == ([("Ostra",)], 3)


def names_of(repeated: tuple[Sequence[Track], int]) -> tuple[list[str], int]:
    return [track.name for track in repeated[0]], repeated[1]


def played(*minutes: int) -> list[Play]:
    """A play for each minute of the day."""
    return [play(f"2026-11-22T{at // 60:02}:{at % 60:02}:00Z", id_=str(at)) for at in minutes]


@pytest.mark.parametrize("at", range(24))
def test_plays_of_one_hour_are_said_to_be_of_that_hour(at: int) -> None:
    plays = played(*range(at * 60, at * 60 + 30))
    span = busiest_span(plays)

    assert span == (at, (at + 1) % 24, 30, UTC_ZONE)
    words = f"between {at:02}:00 and {(at + 1) % 24:02}:00 UTC"
    listening = Listening(Profile(), (), recently_played=tuple(plays))
    assert f"30 of your last 30 plays ended {words}." in find_evidence(listening, [], "When?")
    assert f"What did I play {words}?" in suggestions(listening)


@given(st.lists(st.integers(0, 24 * 60 - 1), min_size=1, max_size=50))
def test_a_span_begins_and_ends_with_plays_and_holds_those_it_counts(minutes: list[int]) -> None:
    span = busiest_span(played(*minutes))

    assert span is not None
    hours = [(span.start + step) % 24 for step in range((span.end - span.start) % 24)]
    heard = [at // 60 for at in minutes]
    assert len(hours) <= 4
    assert {hours[0], hours[-1]} <= set(heard)
    assert span.plays == sum(hour in hours for hour in heard)
    assert span.plays == max(sum((hour - first) % 24 < 4 for hour in heard) for first in range(24))


def test_plays_whose_time_is_not_known_are_in_no_span() -> None:
    listening = Listening(Profile(), (), recently_played=(*played(61, 62), play(None)))

    assert "2 of your last 3 plays ended between 01:00 and 02:00 UTC." in find_evidence(
        listening, [], "At which hours do I listen?"
    )
    assert busiest_span([play(None)]) is None
