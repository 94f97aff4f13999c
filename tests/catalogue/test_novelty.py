"""The sentence that says why an item is new to a listener."""

import pytest

from lyra.catalogue.items import Item
from lyra.catalogue.known import KnownMusic
from lyra.catalogue.novelty import why_new
from lyra.listening.models import Artist, Listening, Play, Profile, Section, SectionName, Track

ALL: tuple[SectionName, ...] = ("top_tracks", "recently_played", "top_artists")
NEW = Item("track", "spotify:track:new", "High Tide", ("Velnora", "Ostrin"))


def known(
    *read: SectionName, artists: tuple[str, ...] = (), played: tuple[str, ...] = ()
) -> KnownMusic:
    sections = tuple(Section(name, "ok" if name in read else "timeout") for name in ALL)
    listening = Listening(
        Profile("vesna"),
        sections,
        top_artists=tuple(Artist(name) for name in artists),
        recently_played=tuple(Play(Track("Low Tide", artists=(name,))) for name in played),
    )
    return KnownMusic(listening)


@pytest.mark.parametrize(
    ("music", "sentence"),
    [
        (known(*ALL), "Not in your top tracks, recent plays or top artists."),
        (known("recently_played"), "Not in your recent plays."),
        (known("top_tracks", "top_artists"), "Not in your top tracks or top artists."),
        (
            known(*ALL, artists=("Marlow", "Velnora")),
            "By Velnora, number 2 of your top artists; not in your top tracks or recent plays.",
        ),
        (
            known(*ALL, artists=("Ostrin",)),
            "By Ostrin, number 1 of your top artists; not in your top tracks or recent plays.",
        ),
        (
            known(*ALL, played=("velnora",)),
            "By Velnora, whom you play; not in your top tracks or recent plays.",
        ),
        (known("top_artists", artists=("Velnora",)), "By Velnora, number 1 of your top artists."),
        (known(), None),
    ],
)
def test_it_names_only_what_was_read(music: KnownMusic, sentence: str | None) -> None:
    assert why_new(NEW, music) == sentence


def test_an_artist_is_new_by_the_lists_alone() -> None:
    artist = Item("artist", "spotify:artist:new", "Sennet", ("Sennet",))

    assert why_new(artist, known(*ALL)) == "Not in your top tracks, recent plays or top artists."


def test_what_is_known_has_no_such_sentence() -> None:
    song = Item("track", "spotify:track:x", "Low Tide - Remastered", ("Velnora",))

    assert why_new(song, known(*ALL, played=("Velnora",))) is None


@pytest.mark.parametrize("row", [Artist("Velnora"), Track("Low Tide", artists=("Velnora",))])
def test_an_artist_of_another_list_is_not_said_to_be_played(row: Artist | Track) -> None:
    """It may be a playlist that nobody has ever played."""
    music = known(*ALL)
    music.add([row])

    expected = (
        "By Velnora, who is in another list of yours; not in your top tracks or recent plays."
    )
    assert why_new(NEW, music) == expected
