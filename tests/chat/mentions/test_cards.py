"""Cards and facts are the listener's own: what an answer invents becomes neither."""

import pytest
from hypothesis import given, strategies as st

from lyra.chat.evidence import find_evidence
from lyra.chat.mentions.cards import MAX_MENTIONS, find_mentions, make_card
from lyra.listening.models import (
    Artist,
    Genre,
    GenreAnalysis,
    Listening,
    Play,
    Playlist,
    Profile,
    Track,
)
from tests.support.listenings import listenings


def track(name: str, *artists: str, number: int = 0) -> Track:
    return Track(name, artists=artists, id=f"t{number}", uri=f"spotify:track:{name}{number}")


HARBOUR = track("Harbour Lights, 3 a.m.", "Nightglass")
LONGER = track("Harbour Lights, 3 a.m. (Long Version)", "Nightglass")
HOME = track("Home", "Ostra Vey")
CAFE = track("Café del Año", "Mirelle Ando")
TOKYO = track("夜の港", "静かな海")
ARABIC = track("ليل طويل", "نور")
NIGHTGLASS = Artist("Nightglass", uri="spotify:artist:n", genres=("dream pop",))
SINGER = Artist("نمی\u200cشد زود", uri="spotify:artist:z")
PRIDE = Playlist("🏳️\u200d🌈 Days", uri="spotify:playlist:d")
SOFT = Playlist("Soft Mornings", uri="spotify:playlist:s", total=31, owner="vesna")
LISTENER = Listening(
    Profile("vesna"),
    (),
    top_artists=(NIGHTGLASS, SINGER),
    top_tracks=(HARBOUR, LONGER, HOME, CAFE, TOKYO, ARABIC),
    recently_played=(Play(HOME), Play(HARBOUR), Play(HOME)),
    playlists=(SOFT, PRIDE),
    genre_analysis=GenreAnalysis((Genre("dream pop", 0.4),), 0.5, "spotify", 3, 6),
)


def named(text: str) -> list[str]:
    return [each.item.name for each in find_mentions(text, LISTENER)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Try Harbour Lights, 3 a.m. first.", ["Harbour Lights, 3 a.m."]),
        ("try HARBOUR LIGHTS, 3 A.M. first", ["Harbour Lights, 3 a.m."]),
        ("Harbour Lights, 3 a.m. (Long Version)", ["Harbour Lights, 3 a.m. (Long Version)"]),
        ("**Cafe del Ano** is warm.", ["Café del Año"]),
        ("今夜は夜の港を聴いて", ["夜の港"]),
        ("جرب ليل طويل الآن", ["ليل طويل"]),
        ("Play نمی\u200cشد زود now.", ["نمی\u200cشد زود"]),
        ("Play نمیشد زود now.", ["نمی\u200cشد زود"]),
        ("Put on 🏳️\u200d🌈 Days", ["🏳️\u200d🌈 Days"]),
        ("On Soft Mornings, play Nightglass.", ["Soft Mornings", "Nightglass"]),
        ("Play “Home” tonight.", ["Home"]),
        ("Home by Ostra Vey is short.", ["Home"]),
        ("Home is where you listen.", []),
        ("I stay at home.", []),
        ("Homeward Nightglassy", []),
        ("Midnight Pavilion by The Invented", []),
        ("", []),
    ],
)
def test_a_name_is_found_where_it_is_meant(text: str, found: list[str]) -> None:
    assert named(text) == found


def test_a_card_holds_only_what_is_kept() -> None:
    [found] = find_mentions("On Soft Mornings you rest.", LISTENER)

    assert make_card(found).id == "spotify:playlist:s"
    assert make_card(found).data == {
        "uri": "spotify:playlist:s",
        "kind": "playlist",
        "name": "Soft Mornings",
        "artists": ["vesna"],
    }


@given(listenings, st.data())
def test_every_card_is_of_the_data_and_comes_once(
    listening: Listening, data: st.DataObject
) -> None:
    items: list[Track | Artist | Playlist] = [*listening.top_tracks, *listening.top_artists]
    items += listening.playlists
    names = [item.name for item in items] or ["nobody"]
    said = data.draw(st.lists(st.sampled_from(names) | st.text(max_size=20), max_size=30))
    found = find_mentions(" and “".join(said), listening)

    known = {item.uri for item in items} | {play.track.uri for play in listening.recently_played}
    uris = [each.item.uri for each in found]
    assert set(uris) <= known
    assert len(uris) == len(set(uris)) <= MAX_MENTIONS
    assert len(find_evidence(listening, found)) <= 6
