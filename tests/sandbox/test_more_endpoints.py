"""The contents of a playlist, over a socket, and faults of the endpoints beyond the five."""

import pytest

from lyra.sandbox import sandbox_token
from lyra.sandbox.catalogue import artist
from lyra.sandbox.listeners import Listener, Playlist, build_listener
from lyra.sandbox.spotify_rows import TRAPS_FROM
from tests.sandbox.conftest import Answer, SpotifyCaller


def playlist(listener: Listener, *owners: str, least: int = 0) -> Playlist:
    """The first playlist of one of these owners that has at least so many rows."""
    return next(
        each
        for each in listener.playlists
        if each and each.owner in owners and (each.total or 0) >= least and not each.collaborative
    )


async def contents(
    spotify: SpotifyCaller,
    item: Playlist,
    regime: str = "restricted",
    name: str = "items",
    **q: str,
) -> Answer:
    token = sandbox_token(7, "typical", regime)
    return await spotify.fetch(f"/playlists/{item.id}/{name}", token, limit="50", **q)


async def test_an_own_playlist_holds_the_traps_of_spotifys_rows(spotify: SpotifyCaller) -> None:
    own = playlist(build_listener(7, "typical"), "listener", least=TRAPS_FROM)

    rows = (await contents(spotify, own)).json["items"]

    assert rows[1]["item"] is None
    assert rows[2]["item"]["type"] == "episode"
    assert rows[3]["is_local"] is rows[3]["item"]["is_local"] is True
    assert rows[4]["item"]["duration_ms"] == {"totalMilliseconds": 198_000}
    assert rows[5]["added_at"] is rows[5]["added_by"] is None
    assert rows[6]["added_by"]["id"] == "harbourmaster"
    assert rows[7]["item"] == rows[0]["item"]
    assert all(set(row) == {"added_at", "added_by", "is_local", "item"} for row in rows)


@pytest.mark.parametrize(
    ("regime", "keys"),
    [("restricted", {"item"}), ("legacy", {"track"}), ("mixed", {"item", "track"})],
)
async def test_a_row_names_its_track_as_the_regime_does(
    spotify: SpotifyCaller, regime: str, keys: set[str]
) -> None:
    own = playlist(build_listener(7, "typical"), "listener", least=TRAPS_FROM)

    rows = (await contents(spotify, own, regime)).json["items"]

    assert {key for row in rows for key in row} - {"added_at", "added_by", "is_local"} == keys


async def test_a_playlist_has_as_many_rows_as_its_total_says(spotify: SpotifyCaller) -> None:
    listener = build_listener(7, "typical")
    own = [each for each in listener.playlists if each and each.owner == "listener"]

    totals = {each.id: (await contents(spotify, each)).json["total"] for each in own}

    assert totals == {each.id: each.total or 0 for each in own}


async def test_a_playlist_named_for_an_artist_holds_that_artist(spotify: SpotifyCaller) -> None:
    listener = build_listener(7, "typical")
    mostly = next(each for each in listener.playlists if each and each.artist is not None)

    rows = (await contents(spotify, mostly, "legacy")).json["items"]

    assert mostly.name.endswith(artist(mostly.artist or 0).name)
    tracks = [row["track"] for row in rows if row["track"] and row["track"]["type"] == "track"]
    assert {each["artists"][0]["name"] for each in tracks} == {artist(mostly.artist or 0).name}


async def test_the_contents_come_in_pages(spotify: SpotifyCaller) -> None:
    own = playlist(build_listener(7, "typical"), "listener", least=TRAPS_FROM)

    whole = (await contents(spotify, own)).json
    page = (await contents(spotify, own, offset="1")).json

    assert page["items"] == whole["items"][1:] + page["items"][49:]
    assert f"/playlists/{own.id}/items?offset=1&limit=50" in page["href"]


@pytest.mark.parametrize(
    ("owner", "regime", "name", "status"),
    [
        ("listener", "restricted", "tracks", 403),
        ("listener", "legacy", "tracks", 200),
        ("friend", "restricted", "items", 403),
        ("friend", "legacy", "items", 200),
        ("spotify", "restricted", "items", 404),
        ("spotify", "legacy", "items", 404),
    ],
)
async def test_who_may_read_a_playlist(
    spotify: SpotifyCaller, owner: str, regime: str, name: str, status: int
) -> None:
    found = playlist(build_listener(7, "typical"), owner)

    assert (await contents(spotify, found, regime, name)).status == status


async def test_an_unknown_playlist_is_a_404(spotify: SpotifyCaller) -> None:
    answer = await spotify.fetch("/playlists/0000000000000000000000/items", sandbox_token())

    assert answer.status == 404


async def test_faults_reach_the_other_endpoints_too(spotify: SpotifyCaller) -> None:
    token = sandbox_token(7, "typical", "restricted", "503-search", "404-items")

    search = await spotify.fetch("/search", token, q="ka", type="artist")
    rows = await spotify.fetch("/playlists/x/items", token)

    assert (search.status, rows.status) == (503, 404)
    assert spotify.sandbox.stats.by_endpoint["search"] == 1
