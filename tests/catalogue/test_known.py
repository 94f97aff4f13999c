"""Whether a listener's own data hold an item of the catalogue."""

from lyra.catalogue.items import Item, Kind
from lyra.catalogue.known import KnownMusic, Place
from lyra.listening.models import Artist, Listening, Play, Profile, Track

LISTENING = Listening(
    profile=Profile(),
    sections=(),
    top_artists=(Artist("The Lanterns", uri="spotify:artist:lanterns"), Artist("Velnora")),
    top_tracks=(
        Track("Salt - Remastered 2011", ("Velnora",), uri="spotify:track:salt", album="Maps"),
        Track("Tide (feat. Marlow)", ("Velnora", "Marlow"), uri="spotify:track:tide"),
    ),
    recently_played=(
        Play(Track("Tide", ("Velnora",), uri="spotify:track:other-tide")),
        Play(Track("Harbour", ("Orrin",), album="Piers")),
    ),
)


def place(
    name: str, *artists: str, kind: Kind = "track", uri: str = "spotify:x:new"
) -> Place | None:
    return KnownMusic(LISTENING).find(Item(kind, uri, name, artists))


def test_an_item_is_known_by_its_address() -> None:
    assert place("Another name", "Nobody", uri="spotify:track:tide") == Place("top_tracks", 2)


def test_another_edition_of_a_known_song_is_known() -> None:
    assert place("Salt", "Velnora") == Place("top_tracks", 1)
    assert place("Tide - Live", "Velnora") == Place("top_tracks", 2)


def test_the_same_title_by_another_artist_is_new() -> None:
    assert place("Salt", "Orrin") is None


def test_a_song_that_was_only_played_is_known_without_a_rank() -> None:
    assert place("Harbour", "Orrin") == Place("recently_played")


def test_an_artist_of_the_top_has_its_rank_and_others_none() -> None:
    assert place("Lanterns", kind="artist") == Place("top_artists", 1)
    assert place("Marlow", kind="artist") == Place("top_tracks")
    assert place("Nobody", kind="artist") is None


def test_an_album_is_known_by_a_track_of_it() -> None:
    assert place("Maps (Deluxe Edition)", "Velnora", kind="album") == Place("top_tracks")
    assert place("Piers", "Orrin", kind="album") == Place("recently_played")
    assert place("Maps", "Orrin", kind="album") is None


def test_without_data_everything_is_new() -> None:
    empty = KnownMusic(Listening(profile=Profile(), sections=()))

    assert empty.find(Item("track", "spotify:track:tide", "Tide", ("Velnora",))) is None
