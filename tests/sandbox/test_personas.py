"""What the personas beyond the typical one are met with, over a socket."""

from typing import Any

import pytest

from lyra.sandbox import sandbox_token
from lyra.sandbox.catalogue import artist, classical
from lyra.sandbox.listeners import build_listener
from tests.sandbox.conftest import PATHS, SpotifyCaller


async def items(spotify: SpotifyCaller, endpoint: str, *token: Any, **query: str) -> list[Any]:
    found: list[Any] = (await spotify.get(endpoint, *token, limit="50", **query)).json["items"]
    return found


async def test_a_huge_library_is_read_page_by_page(spotify: SpotifyCaller) -> None:
    pages = [
        (await spotify.get("playlists", 7, "huge_library", limit="50", offset=str(at))).json
        for at in range(0, 1_250, 50)
    ]

    found = [each for page in pages for each in page["items"]]
    ids = {each["id"] for each in found if each}
    assert [page["total"] for page in pages] == [1_200] * 25
    assert [len(page["items"]) for page in pages] == [50] * 24 + [0]
    assert [bool(page["next"]) for page in pages] == [True] * 23 + [False] * 2
    # One element is null and one playlist is listed twice.
    assert len(ids) == 1_198


@pytest.mark.parametrize(
    ("persona", "refused"),
    [
        ("no_scope_top", {"artists", "tracks"}),
        ("no_scope_recent", {"recent"}),
        ("no_scope_playlists", {"playlists"}),
    ],
)
async def test_a_listener_who_withheld_a_scope_is_refused_there_and_only_there(
    spotify: SpotifyCaller, persona: str, refused: set[str]
) -> None:
    answers = {name: await spotify.get(name, 7, persona) for name in PATHS}

    assert {name for name, answer in answers.items() if answer.status == 403} == refused
    assert {answers[name].json["error"]["message"] for name in refused} == {
        "Insufficient client scope"
    }
    assert {answer.status for answer in answers.values()} == {200, 403}


async def test_a_listener_revoked_midway_is_read_once_and_then_refused(
    spotify: SpotifyCaller,
) -> None:
    token = sandbox_token(7, "revoked_midway")

    first = [(await spotify.get_with(name, token)).status for name in PATHS]
    second = [(await spotify.get_with(name, token)).status for name in PATHS]

    assert (first, second) == ([200] * 5, [401] * 5)


async def test_a_private_session_shows_in_the_top_lists_alone(spotify: SpotifyCaller) -> None:
    recent = (await spotify.get("recent", 7, "private_session", limit="50")).json

    assert (recent["items"], recent["cursors"], recent["next"]) == ([], None, None)
    assert len(await items(spotify, "artists", 7, "private_session")) == 50


async def test_a_podcast_listener_has_episodes_among_the_plays(spotify: SpotifyCaller) -> None:
    plays = await items(spotify, "recent", 7, "podcast")
    episodes = [each for each in plays if each["track"]["type"] == "episode"]

    assert 0 < len(episodes) < len(plays)
    assert all(each["context"]["type"] == "show" for each in episodes)
    assert all("artists" not in each["track"] and each["track"]["show"] for each in episodes)


@pytest.mark.parametrize("endpoint", ["tracks", "recent"])
async def test_local_files_have_no_ids_and_durations_of_two_kinds(
    spotify: SpotifyCaller, endpoint: str
) -> None:
    rows = await items(spotify, endpoint, 7, "local_files", "legacy")
    tracks = [each.get("track", each) for each in rows]
    local = [each for each in tracks if each["is_local"]]

    assert 0 < len(local) < len(tracks)
    assert all(each["id"] is each["artists"][0]["id"] is each["album"]["id"] is None
               for each in local)  # fmt: skip
    assert all(each["uri"].startswith("spotify:local:") for each in local)
    assert {type(each["duration_ms"]) for each in local} == {int, dict}


async def test_a_classical_listener_knows_many_composers_and_long_titles(
    spotify: SpotifyCaller,
) -> None:
    ranked = build_listener(7, "classical").artists["long_term"]
    tracks = await items(spotify, "tracks", 7, "classical", time_range="long_term")

    assert all(map(classical, ranked))
    assert len(ranked) > 60
    assert len(tracks) == 50
    assert min(len(each["name"]) for each in tracks if "No." in each["name"]) > 60
    assert max(len(each["name"]) for each in tracks) > 110
    assert max(len(each["artists"]) for each in tracks) == 4


async def test_an_odd_listener_meets_an_artist_without_a_name(spotify: SpotifyCaller) -> None:
    found = await items(spotify, "artists", 7, "odd", time_range="long_term")

    assert "" in {each["name"] for each in found}
    assert "null" in {each["name"] for each in found}


async def test_the_artist_without_a_name_is_hardly_known() -> None:
    typical = [build_listener(seed, "typical") for seed in range(1, 11)]

    assert all(artist(each).name for one in typical for each in one.artists["medium_term"][:50])


async def test_playlists_are_named_with_nothing_and_with_control_characters(
    spotify: SpotifyCaller,
) -> None:
    names = {each["name"] for each in await items(spotify, "playlists", 7, "typical") if each}

    assert "" in names
    assert any("\u0000" in name for name in names)
