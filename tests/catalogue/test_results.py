"""A search's answer, read with tolerance: what cannot be used costs itself alone."""

from typing import Any

import orjson
import pytest

from lyra.catalogue.items import Item, Kind
from lyra.catalogue.results import MAX_ITEMS, read_results
from lyra.spotify.failures import SpotifyFailure
from tests.catalogue.conftest import track


def read(items: list[Any], kind: Kind = "track") -> tuple[Item, ...]:
    return read_results(orjson.dumps({f"{kind}s": {"items": items}}), kind)


def test_a_track_has_its_artists_album_year_and_address() -> None:
    (item,) = read([track("Tide", "Velnora", "Marlow", album="Maps", released="2019-05")])

    assert (item.name, item.artists, item.album, item.year) == (
        "Tide",
        ("Velnora", "Marlow"),
        "Maps",
        2019,
    )
    assert item.uri.startswith("spotify:track:")
    assert item.url is not None
    assert item.duration_ms == 200_000


def test_an_album_has_its_own_date_and_image() -> None:
    album = {
        "uri": "spotify:album:1", "name": "Maps", "artists": [{"name": "Velnora"}],
        "release_date": "1999", "images": [{"url": "https://i.example/cover", "width": 300}],
    }  # fmt: skip
    (item,) = read([album], "album")

    assert (item.kind, item.name, item.year, item.image) == (
        "album",
        "Maps",
        1999,
        "https://i.example/cover",
    )
    assert item.album is None


def test_an_artist_is_its_own_artist() -> None:
    (item,) = read([{"uri": "spotify:artist:1", "name": "Velnora", "images": None}], "artist")

    assert (item.name, item.artists) == ("Velnora", ("Velnora",))


@pytest.mark.parametrize(
    "odd",
    [
        None,
        {},
        {"name": "Tide"},
        {"name": None, "uri": "spotify:track:1", "artists": [{"name": "Velnora"}]},
        {"name": "Tide", "uri": "javascript:alert(1)", "artists": [{"name": "Velnora"}]},
        {"name": "Tide", "uri": "spotify:track:1", "artists": []},
        {"name": 7, "uri": "spotify:track:1", "artists": [{"name": "Velnora"}]},
        {"name": "Tide", "uri": "spotify:track:1", "artists": "Velnora"},
        {"name": "Tide", "uri": "spotify:track:1", "artists": [{"name": "V" * 70_000}]},
        "Tide",
        [],
    ],
    ids=str,
)
def test_an_item_that_cannot_be_used_costs_itself_alone(odd: Any) -> None:
    assert [item.name for item in read([odd, track("Tide", "Velnora")])] == ["Tide"]


def test_names_are_cleaned() -> None:
    (item,) = read([track("Ti\u202ede\n\u200b", "Vel\x00nora")])

    assert (item.name, item.artists) == ("Tide", ("Velnora",))


def test_no_more_than_one_page_is_read() -> None:
    assert len(read([track(f"Song {each}", "Velnora") for each in range(50)])) == MAX_ITEMS


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"tracks":null}', b'{"tracks":{"items":7}}', b"7"]
)
def test_another_shape_is_a_failure(body: bytes) -> None:
    with pytest.raises(SpotifyFailure, match="a form that Lyra does not know"):
        read_results(body, "track")


@pytest.mark.parametrize("body", [b"", b'{"tracks":{"items":[', b"<html>"])
def test_broken_json_is_a_failure_that_may_pass(body: bytes) -> None:
    with pytest.raises(SpotifyFailure, match="broke off"):
        read_results(body, "track")


def test_a_page_without_items_is_nothing_found() -> None:
    assert read_results(b'{"tracks":{"items":null}}', "track") == ()
