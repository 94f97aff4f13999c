"""The invented Web API over a socket: shapes in each regime, pages, tokens."""

from typing import Any

import aiohttp
import pytest

from lyra.sandbox import Sandbox, sandbox_token
from lyra.sandbox.listeners import build_listener
from tests.sandbox.conftest import PATHS, SpotifyCaller

RESTRICTED_USER = {
    "account_id", "display_name", "external_urls", "href", "id", "images", "type", "uri",
}  # fmt: skip
LEGACY_USER = (RESTRICTED_USER - {"account_id"}) | {
    "country", "email", "explicit_content", "followers", "product",
}  # fmt: skip
RESTRICTED_ARTIST = {"external_urls", "href", "id", "images", "name", "type", "uri"}
LEGACY_ARTIST = RESTRICTED_ARTIST | {"followers", "genres", "popularity"}
RESTRICTED_TRACK = {
    "album", "artists", "disc_number", "duration_ms", "explicit", "external_ids", "external_urls",
    "href", "id", "is_local", "name", "preview_url", "track_number", "type", "uri",
}  # fmt: skip
LEGACY_TRACK = RESTRICTED_TRACK | {"popularity", "available_markets"}
ALBUM = {
    "album_type", "total_tracks", "external_urls", "href", "id", "images", "name", "release_date",
    "release_date_precision", "type", "uri", "artists",
}  # fmt: skip
PLAYLIST = {
    "collaborative", "description", "external_urls", "href", "id", "images", "name", "owner",
    "primary_color", "public", "snapshot_id", "type", "uri",
}  # fmt: skip
PAGE = {"href", "limit", "next", "offset", "previous", "total", "items"}


async def items(spotify: SpotifyCaller, endpoint: str, *token: Any) -> list[Any]:
    found: list[Any] = (await spotify.get(endpoint, *token, limit="50")).json["items"]
    return found


@pytest.mark.parametrize(
    ("regime", "keys"), [("restricted", RESTRICTED_USER), ("legacy", LEGACY_USER)]
)
async def test_the_profile_has_the_keys_of_its_regime(
    spotify: SpotifyCaller, regime: str, keys: set[str]
) -> None:
    answer = await spotify.get("me", 7, "typical", regime)

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert set(answer.json) == keys


@pytest.mark.parametrize(
    ("regime", "keys"), [("restricted", RESTRICTED_ARTIST), ("legacy", LEGACY_ARTIST)]
)
async def test_every_top_artist_has_the_keys_of_its_regime(
    spotify: SpotifyCaller, regime: str, keys: set[str]
) -> None:
    found = await items(spotify, "artists", 7, "typical", regime)

    assert len(found) == 50
    assert all(set(each) == keys for each in found)


@pytest.mark.parametrize(
    ("regime", "keys"), [("restricted", RESTRICTED_TRACK), ("legacy", LEGACY_TRACK)]
)
async def test_every_top_track_has_the_keys_of_its_regime_but_for_the_rare_gaps(
    spotify: SpotifyCaller, regime: str, keys: set[str]
) -> None:
    found = await items(spotify, "tracks", 7, "typical", regime)
    gaps = {"external_ids", "preview_url", "linked_from"}

    assert len(found) == 50
    assert all(set(each) ^ keys <= gaps for each in found)
    album = ALBUM | ({"available_markets"} if regime == "legacy" else set())
    assert all(set(each["album"]) == album for each in found)


async def test_restricted_playlists_tell_the_length_of_own_lists_only(
    spotify: SpotifyCaller,
) -> None:
    found = [each for each in await items(spotify, "playlists") if each]

    assert all(set(each) - {"items"} == PLAYLIST for each in found)
    assert any("items" in each for each in found)
    assert any("items" not in each for each in found)


async def test_legacy_playlists_tell_every_length(spotify: SpotifyCaller) -> None:
    found = [each for each in await items(spotify, "playlists", 7, "typical", "legacy") if each]

    assert all(set(each) == PLAYLIST | {"tracks"} for each in found)


async def test_playlists_hold_what_spotify_was_seen_to_send(spotify: SpotifyCaller) -> None:
    found = await items(spotify, "playlists", 7, "typical", "legacy")
    lists = [each for each in found if each]
    ids = [each["id"] for each in lists]

    assert None in found
    assert any(each["images"] is None for each in lists)
    assert any(each["tracks"]["total"] is None for each in lists)
    assert any(each["tracks"]["total"] == 0 for each in lists)
    assert any(each["owner"]["id"] is None for each in lists)
    assert any(each["description"] is None for each in lists)
    assert len(ids) > len(set(ids))


@pytest.mark.parametrize(("regime", "value"), [("genres_null", None), ("genres_empty", [])])
async def test_genres_are_sent_as_null_or_empty_where_the_regime_says_so(
    spotify: SpotifyCaller, regime: str, value: list[str] | None
) -> None:
    found = await items(spotify, "artists", 7, "typical", regime)

    assert all(set(each) == RESTRICTED_ARTIST | {"genres"} for each in found)
    assert all(each["genres"] == value for each in found)


async def test_the_mixed_regime_changes_from_item_to_item(spotify: SpotifyCaller) -> None:
    artists = await items(spotify, "artists", 7, "typical", "mixed")
    tracks = await items(spotify, "tracks", 7, "typical", "mixed")

    assert {tuple(sorted(set(each) - RESTRICTED_ARTIST)) for each in artists} == {
        (),
        ("genres",),
        ("followers", "genres", "popularity"),
    }
    assert {"popularity" in each for each in tracks} == {True, False}


async def test_odd_albums_and_contexts_occur(spotify: SpotifyCaller) -> None:
    tracks = [
        track
        for seed in range(1, 9)
        for track in await items(spotify, "tracks", seed, "typical", "legacy")
    ]
    plays = await items(spotify, "recent", 7, "heavy")

    assert any(not each["album"]["images"] for each in tracks)
    assert any(each["album"]["name"] == "" for each in tracks)
    assert {each["album"]["release_date_precision"] for each in tracks} == {"day", "month", "year"}
    assert any(each["album"]["release_date"] == "0000" for each in tracks)
    assert {"playlist", None} <= {each["context"] and each["context"]["type"] for each in plays}


async def test_the_top_lists_follow_the_play_log(spotify: SpotifyCaller) -> None:
    ranges = build_listener(7, "typical").artists

    for time_range, ranked in ranges.items():
        page = await spotify.get("artists", limit="3", time_range=time_range)
        assert page.json["total"] == len(ranked)
        assert f"time_range={time_range}" in page.json["href"]
        whole = await spotify.get("artists", limit="2", offset="1", time_range=time_range)
        assert whole.json["items"] == page.json["items"][1:]


async def test_medium_term_and_twenty_items_are_the_defaults(spotify: SpotifyCaller) -> None:
    plain = await spotify.get("tracks")
    explicit = await spotify.get("tracks", time_range="medium_term", limit="20", offset="0")

    assert plain.body == explicit.body
    assert set(plain.json) == PAGE
    assert len(plain.json["items"]) == 20


async def test_pages_name_the_next_and_the_previous(spotify: SpotifyCaller) -> None:
    first = (await spotify.get("playlists", 7, "heavy", limit="50")).json
    second = (await spotify.get("playlists", 7, "heavy", limit="50", offset="50")).json

    assert first["previous"] is None
    assert first["next"].endswith("offset=50&limit=50")
    assert second["previous"].endswith("offset=0&limit=50")
    assert second["next"] is None
    assert first["total"] == len(first["items"]) + len(second["items"])


async def test_recent_plays_have_cursors_that_are_their_own_times(spotify: SpotifyCaller) -> None:
    page = (await spotify.get("recent", limit="50")).json
    listener = build_listener(7, "typical")

    assert page["cursors"] == {
        "after": str(listener.recent[0][0]),
        "before": str(listener.recent[-1][0]),
    }
    assert page["items"][0]["played_at"].endswith(f"{listener.recent[0][0] % 1000:03}Z")
    assert f"before={page['cursors']['before']}" in page["next"]


async def test_after_fifty_recent_plays_comes_an_empty_page(spotify: SpotifyCaller) -> None:
    before = (await spotify.get("recent", limit="50")).json["cursors"]["before"]

    page = (await spotify.get("recent", limit="50", before=before)).json

    assert (page["items"], page["next"], page["cursors"]) == ([], None, None)


async def test_before_and_after_cut_the_recent_plays(spotify: SpotifyCaller) -> None:
    plays = build_listener(7, "typical").recent

    older = (await spotify.get("recent", limit="50", before=str(plays[9][0]))).json
    newer = (await spotify.get("recent", limit="50", after=str(plays[9][0]))).json

    assert (len(older["items"]), len(newer["items"])) == (40, 9)


@pytest.mark.parametrize(
    ("endpoint", "query"),
    [
        ("artists", {"limit": "51"}),
        ("artists", {"limit": "0"}),
        ("tracks", {"limit": "many"}),
        ("tracks", {"time_range": "forever"}),
        ("playlists", {"offset": "-1"}),
        ("recent", {"limit": "51"}),
        ("recent", {"before": "1", "after": "1"}),
    ],
)
async def test_a_query_out_of_bounds_is_a_400(
    spotify: SpotifyCaller, endpoint: str, query: dict[str, str]
) -> None:
    answer = await spotify.get_with(endpoint, sandbox_token(), **query)

    assert answer.status == 400
    assert answer.json["error"]["status"] == 400


@pytest.mark.parametrize(
    "token", ["sandbox.7.nobody.restricted", "sandbox.7.typical.modern", "BQDinvented0token"]
)
async def test_an_unknown_token_is_a_401(spotify: SpotifyCaller, token: str) -> None:
    answer = await spotify.get_with("me", token)

    assert answer.status == 401
    assert answer.json == {
        "error": {"status": 401, "message": "Missing/invalid/expired access token"}
    }


async def test_no_token_is_a_401(sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
    async with session.get(f"{sandbox.api_url}/me") as answer:
        assert answer.status == 401


async def test_another_scheme_than_bearer_is_a_400(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    headers = {"Authorization": "Basic aW52ZW50ZWQ="}

    async with session.get(f"{sandbox.api_url}/me", headers=headers) as answer:
        assert answer.status == 400


@pytest.mark.parametrize("endpoint", PATHS)
async def test_a_refused_persona_is_refused_everywhere(
    spotify: SpotifyCaller, endpoint: str
) -> None:
    unregistered = await spotify.get(endpoint, 7, "not_registered")
    premium = await spotify.get(endpoint, 7, "owner_not_premium")
    expired = await spotify.get(endpoint, 7, "expired")

    assert (unregistered.status, premium.status, expired.status) == (403, 403, 401)
    assert unregistered.headers["content-type"] == "text/plain; charset=utf-8"
    assert unregistered.body == b"User not registered in the Developer Dashboard"
    assert "premium subscription required" in premium.json["error"]["message"]


async def test_two_tokens_of_one_listener_have_one_account(spotify: SpotifyCaller) -> None:
    first = await spotify.get("me", 7, "typical", "restricted")
    second = await spotify.get("me", 7, "typical", "restricted", "slow-0")

    assert first.json["account_id"] == second.json["account_id"]


async def test_an_unknown_path_is_a_404(sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
    async with session.get(f"{sandbox.api_url}/recommendations") as answer:
        assert answer.status == 404
        assert (await answer.json())["error"]["message"] == "Service not found"
