"""The search of the invented Spotify, over a socket."""

from typing import Any

import pytest

from lyra.sandbox import sandbox_token
from lyra.sandbox.catalogue import Track, album, artist, track
from tests.sandbox.conftest import SpotifyCaller

WHO = artist(5)
SONG = track((5, 2))


async def search(
    spotify: SpotifyCaller, q: str, kind: str = "track", regime: str = "restricted", **more: str
) -> Any:
    token = sandbox_token(7, "typical", regime)
    answer = await spotify.fetch("/search", token, q=q, type=kind, **{"limit": "10", **more})
    assert answer.status == 200
    return answer.json


def names(page: Any) -> list[tuple[str, str]]:
    """Return title and first artist of each item, nulls left out."""
    return [(item["name"], item["artists"][0]["name"]) for item in page["items"] if item]


@pytest.mark.parametrize(
    "query",
    [
        f'track:"{SONG.name}" artist:"{WHO.name}"',
        f'track:"{SONG.name.upper()}" artist:"{WHO.name.lower()}"',
        f"{SONG.name} {WHO.name}",
        f"{WHO.name} {SONG.name}",
        f'artist:"{WHO.name}" {SONG.name}',
        f'"{SONG.name}" "{WHO.name}"',
    ],
)
async def test_a_track_is_found_by_title_and_artist(spotify: SpotifyCaller, query: str) -> None:
    found = await search(spotify, query)

    assert (SONG.name, WHO.name) in names(found["tracks"])[:3]


async def test_a_track_is_found_by_its_title_alone(spotify: SpotifyCaller) -> None:
    found = await search(spotify, f'track:"{SONG.name}"')

    assert all(SONG.name.casefold() in title.casefold() for title, _ in names(found["tracks"]))


async def test_tracks_of_an_artist_are_found_by_its_name(spotify: SpotifyCaller) -> None:
    found = await search(spotify, f'artist:"{WHO.name}"')

    assert found["tracks"]["total"] >= WHO.tracks
    assert (track((5, 0)).name, WHO.name) in names(found["tracks"])


async def test_imitations_stand_beside_the_original(spotify: SpotifyCaller) -> None:
    found = names((await search(spotify, f"{SONG.name} {WHO.name}"))["tracks"])

    assert (f"{SONG.name} (Karaoke Version)", "Sing It Yourself Crew") in found
    assert (SONG.name, f"{WHO.name} Tribute Band") in found


async def test_some_pages_hold_a_null(spotify: SpotifyCaller) -> None:
    pages = [await search(spotify, artist(index).name) for index in range(20)]

    assert any(None in page["tracks"]["items"] for page in pages)
    assert not all(None in page["tracks"]["items"] for page in pages)


async def test_an_artist_is_found_with_those_of_similar_names(spotify: SpotifyCaller) -> None:
    wanted = artist(3)
    found = (await search(spotify, wanted.name.upper(), "artist"))["artists"]["items"]

    assert found[0]["id"] == wanted.id
    assert f"{wanted.name} Tribute" in [each["name"] for each in found]


async def test_an_album_is_found_by_its_name_and_artist(spotify: SpotifyCaller) -> None:
    wanted = album(5, 0)
    found = await search(spotify, f'album:"{wanted.name}" artist:"{WHO.name}"', "album")

    assert found["albums"]["items"][0]["id"] == wanted.id


@pytest.mark.parametrize("inside", [True, False])
async def test_a_year_filters_tracks(spotify: SpotifyCaller, inside: bool) -> None:
    year = int(released(SONG)[:4])
    years = f"{year - 1}-{year + 1}" if inside else f"{year + 1}-{year + 3}"
    found = await search(spotify, f'track:"{SONG.name}" artist:"{WHO.name}" year:{years}')

    assert ((SONG.name, WHO.name) in names(found["tracks"])) is inside


def released(one: Track) -> str:
    return one.album.released


async def test_a_genre_finds_its_artists_and_their_tracks(spotify: SpotifyCaller) -> None:
    found = await search(spotify, "genre:shoegaze", "artist,track", "legacy")

    listed = [each for each in found["artists"]["items"] if "genres" in each]
    assert listed
    assert all("shoegaze" in each["genres"] for each in listed)
    assert found["tracks"]["total"]


async def test_pages_follow_one_another(spotify: SpotifyCaller) -> None:
    first = await search(spotify, WHO.name, limit="3")
    second = await search(spotify, WHO.name, limit="3", offset="3")
    both = await search(spotify, WHO.name, limit="6")

    joined = [*first["tracks"]["items"], *second["tracks"]["items"]]
    assert joined == both["tracks"]["items"]


async def test_kinds_that_the_catalogue_has_not_are_empty(spotify: SpotifyCaller) -> None:
    found = await search(spotify, "anything", "show,episode")

    assert found["shows"]["items"] == found["episodes"]["items"] == []


@pytest.mark.parametrize(
    ("regime", "query", "status"),
    [
        ("restricted", {"limit": "10"}, 200),
        ("restricted", {"limit": "11"}, 400),
        ("legacy", {"limit": "50"}, 200),
        ("legacy", {"limit": "51"}, 400),
        ("restricted", {"offset": "1001"}, 400),
        ("restricted", {"type": "song"}, 400),
        ("restricted", {"q": " "}, 400),
    ],
)
async def test_a_search_has_the_limits_of_its_regime(
    spotify: SpotifyCaller, regime: str, query: dict[str, Any], status: int
) -> None:
    asked = {"q": "ka", "type": "artist", **query}

    answer = await spotify.fetch("/search", sandbox_token(7, "empty", regime), **asked)

    assert answer.status == status
