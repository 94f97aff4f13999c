"""The length of a playlist, as the listener's own words ask for it."""

import pytest

from lyra.chat.tools.requested_length import read_requested_length

MINUTES = [
    ("make me a 30-minute playlist of new songs", 30),
    ("a playlist of 45 minutes", 45),
    ("45 mins of calm music", 45),
    ("90 min", 90),
    ("an hour of jazz", 60),
    ("half an hour of jazz", 30),
    ("a half-hour mix", 30),
    ("2 hours for the road", 120),
    ("1.5 hours", 90),
    ("eine Playlist von 30 Minuten", 30),
    ("eine halbe Stunde Musik", 30),
    ("1,5 Stunden", 90),
    ("une playlist de 20 minutes", 20),
    ("una lista de 40 minutos", 40),
    ("una hora de música", 60),
    ("una playlist di 25 minuti", 25),
    ("uma playlist de 25 minutos", 25),
    ("een lijst van 30 minuten", 30),
    ("30分のプレイリスト", 30),
    ("плейлист на 30 минут", 30),
    ("30분 플레이리스트", 30),
]
SONGS = [
    ("20 songs for a run", 20),
    ("a playlist of 12 new songs", 12),
    ("give me ten songs", None),
    ("10 tracks", 10),
    ("15 neue Lieder", 15),
    ("15 canciones", 15),
    ("10 morceaux", 10),
    ("10曲", 10),
    ("12 песен", 12),
]
NOTHING = [
    "make me a playlist",
    "songs from the 90s",
    "songs of 1975",
    "my top 50",
    "30 minutes or 45 minutes, whatever fits",
    "0 songs",
    "5000 songs",
    "",
    "a 3.5 minute pop song",
]


@pytest.mark.parametrize(("question", "minutes"), MINUTES)
def test_minutes_are_read(question: str, minutes: int) -> None:
    assert read_requested_length(question).minutes == minutes


@pytest.mark.parametrize(("question", "songs"), SONGS)
def test_songs_are_read(question: str, songs: int | None) -> None:
    assert read_requested_length(question).songs == songs


@pytest.mark.parametrize("question", NOTHING)
def test_no_length_or_two_of_them_is_none(question: str) -> None:
    assert read_requested_length(question) == (None, None)


def test_both_can_be_said() -> None:
    assert read_requested_length("10 songs, 40 minutes at most") == (10, 40)


def test_a_long_question_is_read_at_its_beginning_alone() -> None:
    assert read_requested_length("1 " * 100_000 + "30 minutes") == (None, None)
