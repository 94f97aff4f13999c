"""The contents of a playlist, over a socket, and faults of the endpoints beyond the five."""

import asyncio

import aiohttp
import orjson
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


SEARCH = {"q": artist(5).name, "type": "artist,track"}
CONTENTS = (
    f"/playlists/{playlist(build_listener(7, 'typical'), 'listener', least=TRAPS_FROM).id}/items"
)
BOTH = [("search", "/search", SEARCH), ("items", CONTENTS, {"limit": "50"})]


@pytest.mark.parametrize(("endpoint", "path", "query"), BOTH, ids=["search", "items"])
async def test_a_fault_strikes_the_request_of_its_number(
    spotify: SpotifyCaller, endpoint: str, path: str, query: dict[str, str]
) -> None:
    faults = (f"429-3-{endpoint}~2+1", f"500-{endpoint}~3+1", f"html-{endpoint}~4+1")
    token = sandbox_token(7, "typical", "restricted", *faults)

    answers = [await spotify.fetch(path, token, **query) for _ in range(5)]

    assert [each.status for each in answers] == [200, 429, 500, 200, 200]
    assert answers[1].headers["retry-after"] == "3"
    assert answers[3].headers["content-type"] == "text/html"
    assert answers[4].json == answers[0].json


@pytest.mark.parametrize(("endpoint", "path", "query"), BOTH, ids=["search", "items"])
async def test_a_hang_strikes_the_request_of_its_number(
    spotify: SpotifyCaller, endpoint: str, path: str, query: dict[str, str]
) -> None:
    token = sandbox_token(7, "typical", "restricted", f"hang-{endpoint}~2+1")

    assert (await spotify.fetch(path, token, **query)).status == 200
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await spotify.fetch(path, token, **query)
    assert (await spotify.fetch(path, token, **query)).status == 200


@pytest.mark.parametrize(("endpoint", "path", "query"), BOTH, ids=["search", "items"])
async def test_a_page_can_hold_nothing_but_nulls(
    spotify: SpotifyCaller, endpoint: str, path: str, query: dict[str, str]
) -> None:
    token = sandbox_token(7, "typical", "restricted", f"oncenulls-{endpoint}")

    nulls, whole = [(await spotify.fetch(path, token, **query)).json for _ in range(2)]

    for page, other in zip(pages(nulls), pages(whole), strict=True):
        assert page == {**other, "items": [None] * len(other["items"])}
        assert page["items"]


def pages(body: dict[str, object]) -> list[dict[str, list[object]]]:
    """The paging objects of an answer, which may be one itself."""
    return [body] if "items" in body else [*body.values()]  # type: ignore[list-item]


@pytest.mark.parametrize(("endpoint", "path", "query"), BOTH, ids=["search", "items"])
@pytest.mark.parametrize("fault", ["truncated", "empty200"])
async def test_rubbish_reaches_the_other_endpoints_too(
    spotify: SpotifyCaller, fault: str, endpoint: str, path: str, query: dict[str, str]
) -> None:
    token = sandbox_token(7, "typical", "restricted", f"{fault}-{endpoint}")

    answer = await spotify.fetch(path, token, **query)

    assert answer.status == 200
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(answer.body)


async def test_a_search_can_be_reset(spotify: SpotifyCaller) -> None:
    with pytest.raises(aiohttp.ClientError):
        await spotify.fetch("/search", sandbox_token(7, "typical", "mixed", "reset"), **SEARCH)


@pytest.mark.parametrize("regime", ["restricted", "legacy"])
@pytest.mark.parametrize(
    "path",
    [
        "/artists",
        "/albums",
        "/tracks",
        "/recommendations",
        "/artists/x/related-artists",
        "/artists/x/top-tracks",
        "/audio-features",
        "/browse/new-releases",
        "/users/x/playlists",
    ],
)
async def test_paths_that_spotify_has_closed_are_not_there(
    spotify: SpotifyCaller, path: str, regime: str
) -> None:
    answer = await spotify.fetch(path, sandbox_token(7, "typical", regime), ids="x")

    assert answer.status == 404
    assert spotify.sandbox.stats.total == 0


@pytest.mark.parametrize("endpoint", ["artists", "tracks"])
async def test_the_ranges_differ_as_the_taste_drifts(spotify: SpotifyCaller, endpoint: str) -> None:
    rankings = {}
    for name in ("short_term", "medium_term", "long_term"):
        rows = (await spotify.get(endpoint, time_range=name, limit="50")).json["items"]
        rankings[name] = [row["name"] for row in rows]

    short, medium, long = rankings.values()
    assert short != medium != long != short
    assert {*short} & {*long}
    assert {*short} - {*long}
    assert (await spotify.get(endpoint, limit="50")).json["items"][0]["name"] == medium[0]
