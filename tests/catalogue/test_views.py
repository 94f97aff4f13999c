"""What a program may ask for, and what it is told."""

from typing import Any

import pytest

from lyra.catalogue.finder import Find
from lyra.catalogue.items import Item, Wanted
from lyra.catalogue.known import Place
from lyra.catalogue.views import find_view, read_wanted
from lyra.errors import RequestError

TIDE = Wanted("track", "Velnora", "Tide")


def test_a_title_is_a_tracks_and_without_one_the_artist_is_meant() -> None:
    asked = [
        {"artist": "Velnora", "title": "Tide"},
        {"artist": "Velnora"},
        {"artist": "Velnora", "title": "Maps", "kind": "album"},
    ]

    assert read_wanted(asked) == [
        TIDE,
        Wanted("artist", "Velnora"),
        Wanted("album", "Velnora", "Maps"),
    ]


@pytest.mark.parametrize(
    ("items", "where"),
    [
        ([], "array"),
        ([{"artist": "a"}] * 13, "array"),
        ("Tide", "array"),
        (None, "array"),
        ([{"title": "Tide"}], r"\$\[0\]"),
        ([{"artist": ""}], r"\$\[0\]\.artist"),
        ([{"artist": "   "}], r"\$\[0\]\.artist"),
        ([{"artist": "a" * 301}], r"\$\[0\]\.artist"),
        ([{"artist": "a"}, {"artist": 7}], r"\$\[1\]\.artist"),
        ([{"artist": "a", "kind": "show"}], r"\$\[0\]\.kind"),
        ([{"artist": "a", "kind": "album"}], r"\$\[0\]"),
        ([{"artist": "\u200b"}], r"an artist is missing - at `\$\[0\]"),
        (
            [{"artist": "a"}, {"artist": "a", "title": "\u202e"}],
            r"a title is missing - at `\$\[1\]",
        ),
        ([{"artist": "a", "uri": "spotify:x"}], r"\$\[0\]|uri"),
    ],
)
def test_what_is_not_as_expected_is_refused_with_its_place(items: Any, where: str) -> None:
    with pytest.raises(RequestError, match=where):
        read_wanted(items)


def test_names_are_wanted_as_they_are_seen() -> None:
    asked = [{"artist": f"Vel\u200bnora{' ' * 200}\n& Co", "title": "Ti\u202ede"}]

    assert read_wanted(asked) == [Wanted("track", "Velnora & Co", "Tide")]


def test_a_found_item_says_where_it_is_known_from() -> None:
    item = Item("track", "spotify:track:1", "Tide", ("Velnora",), album="Maps", year=2019)
    found = Find(TIDE, "found", item)

    view = find_view(found, Place("top_tracks", 3))

    assert view["known"] == {"section": "top_tracks", "rank": 3}
    assert view["item"]["year"] == 2019
    assert "image" not in view["item"]
    assert find_view(found, None)["known"] is None


@pytest.mark.parametrize(
    ("find", "reason", "words"),
    [
        (Find(TIDE, "not_found"), "not_found", "shows no such item"),
        (Find(TIDE, "refused", reason="listener"), "listener", "in this hour"),
        (Find(TIDE, "failed", reason="timeout"), "timeout", "did not answer in time"),
    ],
)
def test_what_was_not_found_says_why(find: Find, reason: str, words: str) -> None:
    view = find_view(find, None)

    assert (view["found"], view["reason"]) == (False, reason)
    assert words in view["message"]
