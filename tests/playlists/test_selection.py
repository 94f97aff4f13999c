"""Which tracks are proposed: each recording once, and as long as was asked for."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lyra.playlists.proposal import ProposedTrack
from lyra.playlists.selection import Selection, Wish, recording, select

SONG = "Low Tide"
MINUTE_MS = 60_000


def track(number: int, name: str = "", minutes: float | None = 3.5, **more: Any) -> ProposedTrack:
    length = None if minutes is None else round(minutes * MINUTE_MS)
    defaults: dict[str, Any] = {"artists": ("Velnora",), "new": True, "duration_ms": length}
    return ProposedTrack(f"spotify:track:{number:022}", name or f"Song {number}", **defaults | more)


def tracks(number: int, minutes: float | None = 3.5) -> list[ProposedTrack]:
    return [track(each, minutes=minutes) for each in range(number)]


def reasons(selection: Selection) -> dict[str, int]:
    why = [reason for _, reason in selection.left_out]
    return {reason: why.count(reason) for reason in why}


@pytest.mark.parametrize(
    "again",
    [
        "Low Tide - Remastered 2011",
        "Low Tide (feat. Osku)",
        "LOW TIDE",
        "Low Tide (Single Version)",
        "Low Tide - 2009 Mix",
    ],
)
def test_another_issue_of_a_recording_is_left_out(again: str) -> None:
    selection = select([track(1, SONG), track(2, again)], Wish())

    assert [each.name for each in selection.tracks] == [SONG]
    assert reasons(selection) == {"duplicate": 1}
    assert selection.notes == ["1 song was left out: the same recording was there already."]


@pytest.mark.parametrize("other", ["Low Tide - Live", "Low Tide (Acoustic)", "Low Tides"])
def test_another_recording_stays(other: str) -> None:
    assert len(select([track(1, SONG), track(2, other)], Wish()).tracks) == 2


def test_a_song_of_the_same_name_by_somebody_else_stays() -> None:
    theirs = track(2, SONG, artists=("Osku",))

    assert len(select([track(1, SONG), theirs], Wish()).tracks) == 2


def test_an_address_that_is_wanted_twice_is_proposed_once() -> None:
    assert len(select([track(1), track(1)], Wish()).tracks) == 1


def test_what_the_playlist_holds_is_not_added_again() -> None:
    held = [track(9, f"{SONG} - Remastered")]
    selection = select([track(1, SONG), track(2)], Wish(), held)

    assert [each.name for each in selection.tracks] == ["Song 2"]
    assert reasons(selection) == {"in_playlist": 1}


def test_of_new_music_nothing_known_is_proposed() -> None:
    wanted = [track(1), replace_new(track(2))]
    selection = select(wanted, Wish(only_new=True))

    assert [each.new for each in selection.tracks] == [True]
    assert selection.notes == ["1 song was left out: your data hold what is not new."]


def replace_new(known: ProposedTrack) -> ProposedTrack:
    return ProposedTrack(known.uri, known.name, known.artists, duration_ms=known.duration_ms)


def test_as_many_songs_as_were_asked_for_are_proposed() -> None:
    selection = select(tracks(14), Wish(count=10))

    assert [each.uri for each in selection.tracks] == [each.uri for each in tracks(10)]
    assert selection.notes == []


def test_too_few_songs_are_said_to_be() -> None:
    selection = select(tracks(4), Wish(count=10))

    assert selection.notes == ["These are 4 of the 10 songs that were asked for."]


def test_the_minutes_that_were_asked_for_are_kept() -> None:
    selection = select(tracks(20), Wish(minutes=30))

    assert selection.minutes == 32
    assert selection.notes == []


def test_a_song_that_would_be_too_much_is_passed_over_for_one_that_fits() -> None:
    wanted = [track(1, minutes=20), track(2, minutes=30), track(3, minutes=9)]
    selection = select(wanted, Wish(minutes=30))

    assert [each.name for each in selection.tracks] == ["Song 1", "Song 3"]


def test_too_few_minutes_are_said_to_be() -> None:
    selection = select(tracks(5), Wish(minutes=30))

    assert selection.notes == ["They come to 18 of the 30 minutes that were asked for."]


def test_a_song_of_unknown_length_is_no_part_of_a_number_of_minutes() -> None:
    selection = select([track(1, minutes=None), *tracks(9)[2:]], Wish(minutes=20))

    assert reasons(selection)["length_unknown"] == 1
    assert all(each.duration_ms for each in selection.tracks)


def test_without_a_length_the_minutes_are_not_known() -> None:
    assert select([track(1), track(2, minutes=None)], Wish()).minutes is None


WISHES = st.builds(
    Wish,
    count=st.none() | st.integers(1, 100),
    minutes=st.none() | st.integers(1, 600),
    only_new=st.booleans(),
)
TRACKS = st.lists(
    st.builds(
        track,
        st.integers(0, 40),
        st.sampled_from(["", SONG, f"{SONG} - Live", f"{SONG} - Mono", "海", "???"]),
        st.none() | st.floats(0.1, 90),
        new=st.booleans(),
        artists=st.sampled_from([(), ("Velnora",), ("The Velnora", "Osku")]),
    ),
    max_size=100,
)


@given(wanted=TRACKS, held=TRACKS, wish=WISHES)
def test_whatever_is_wanted_the_selection_keeps_what_was_asked(
    wanted: Sequence[ProposedTrack], held: Sequence[ProposedTrack], wish: Wish
) -> None:
    selection = select(wanted, wish, held)
    chosen = selection.tracks

    assert len(chosen) + len(selection.left_out) == len(wanted)
    assert len({each.uri for each in chosen}) == len(set(map(recording, chosen))) == len(chosen)
    assert not set(map(recording, chosen)) & set(map(recording, held))
    places = [next(at for at, each in enumerate(wanted) if each is one) for one in chosen]
    assert places == sorted(places)
    if wish.count:
        assert len(chosen) <= wish.count
    if wish.only_new:
        assert all(each.new for each in chosen)
    if wish.minutes:
        length_ms = sum(each.duration_ms or 0 for each in chosen)
        assert length_ms <= wish.minutes * MINUTE_MS * 7 / 6
        short = length_ms < wish.minutes * MINUTE_MS * 5 / 6
        assert short == any("minutes that were asked for" in note for note in selection.notes)
