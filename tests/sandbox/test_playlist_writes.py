"""Playlists that a client makes and changes, over a socket."""

from typing import Any

import aiohttp
import pytest

from lyra.sandbox import Sandbox, sandbox_token, written_playlists
from lyra.sandbox.catalogue import artist, track
from lyra.sandbox.listeners import Listener, Playlist, build_listener
from tests.sandbox.conftest import Answer, SpotifyCaller

RESTRICTED, LEGACY = sandbox_token(), sandbox_token(7, "typical", "legacy")
NEW = {
    "name": "Rainy <Sunday>",
    "description": 'Made with Lyra (abcd2345) & "you"',
    "public": False,
}
KNOWN = [f"spotify:track:{track((5, number)).id}" for number in range(3)]
UNKNOWN = [f"spotify:track:{number:022}" for number in range(100)]
PRIVATE, PUBLIC = "playlist-modify-private", "playlist-modify-public"
NO_SCOPE = {"error": {"status": 403, "message": "Insufficient client scope"}}


async def create(spotify: SpotifyCaller, token: str = RESTRICTED, **changes: Any) -> Answer:
    return await spotify.send("POST", "/me/playlists", token, {**NEW, **changes})


async def made(spotify: SpotifyCaller, token: str = RESTRICTED, **changes: Any) -> str:
    answer = await create(spotify, token, **changes)
    assert answer.status == 201
    return str(answer.json["id"])


async def write(
    spotify: SpotifyCaller,
    method: str,
    playlist: str,
    uris: Any,
    token: str = RESTRICTED,
    *,
    name: str = "items",
    **more: Any,
) -> Answer:
    body = {"uris": uris, **more}
    return await spotify.send(method, f"/playlists/{playlist}/{name}", token, body)


async def read(spotify: SpotifyCaller, playlist: str, token: str = RESTRICTED) -> list[str]:
    """The addresses on a playlist, page by page."""
    uris: list[str] = []
    while True:
        path = f"/playlists/{playlist}/items"
        page = (await spotify.fetch(path, token, limit="50", offset=str(len(uris)))).json
        uris += [(row.get("item") or row.get("track"))["uri"] for row in page["items"]]
        if page["next"] is None:
            return uris


async def first_listed(spotify: SpotifyCaller, token: str = RESTRICTED) -> Any:
    return (await spotify.get_with("playlists", token)).json["items"][0]


def own(listener: Listener, *, public: bool = True, least: int = 1) -> Playlist:
    return next(
        each
        for each in listener.playlists
        if each
        and each.owner == "listener"
        and each.on_profile == public
        and (each.total or 0) >= least
    )


@pytest.mark.parametrize(("regime", "rows"), [("restricted", "items"), ("legacy", "tracks")])
async def test_a_new_playlist_is_told_whole(spotify: SpotifyCaller, regime: str, rows: str) -> None:
    answer = await create(spotify, sandbox_token(7, "typical", regime))

    told = answer.json
    assert answer.status == 201
    assert len(told["id"]) == 22
    assert told["external_urls"]["spotify"] == f"https://open.spotify.com/playlist/{told['id']}"
    assert told["uri"] == f"spotify:playlist:{told['id']}"
    assert told["snapshot_id"]
    assert told["owner"]["id"] == "typical7"
    assert (told[rows]["total"], told[rows]["items"], told[rows]["offset"]) == (0, [], 0)
    assert {"items", "tracks"} & set(told) == {rows}


async def test_a_playlist_that_the_profile_does_not_show_reads_back_as_public(
    spotify: SpotifyCaller,
) -> None:
    assert (await create(spotify, public=False)).json["public"] is True
    assert (await first_listed(spotify))["public"] is True


async def test_new_playlists_come_first_and_the_newest_before_all(spotify: SpotifyCaller) -> None:
    before = (await spotify.get_with("playlists", RESTRICTED, limit="50")).json
    ids = [await made(spotify, name=f"List {number}") for number in range(2)]

    after = (await spotify.get_with("playlists", RESTRICTED, limit="50")).json

    assert [each["id"] for each in after["items"][:2]] == ids[::-1]
    assert after["total"] == before["total"] + 2
    assert after["items"][2:] == before["items"][: len(after["items"]) - 2]


async def test_a_description_reads_back_as_escaped_html(spotify: SpotifyCaller) -> None:
    await made(spotify, description='a/b & <i>"c"</i>')

    assert (await first_listed(spotify))["description"] == (
        "a&#x2F;b &amp; &lt;i&gt;&quot;c&quot;&lt;&#x2F;i&gt;"
    )


@pytest.mark.parametrize(
    ("regime", "name", "held"), [("restricted", "items", "item"), ("legacy", "tracks", "track")]
)
async def test_what_is_written_reads_back_as_whole_tracks(
    spotify: SpotifyCaller, regime: str, name: str, held: str
) -> None:
    token = sandbox_token(7, "typical", regime)
    playlist = await made(spotify, token)
    put = await write(spotify, "PUT", playlist, KNOWN, token)

    page = (await spotify.fetch(f"/playlists/{playlist}/{name}", token)).json

    rows = [row[held] for row in page["items"]]
    assert put.status == 200
    assert set(put.json) == {"snapshot_id"}
    assert [row["uri"] for row in rows] == KNOWN
    assert [row["name"] for row in rows] == [track((5, number)).name for number in range(3)]
    assert {row["artists"][0]["name"] for row in rows} == {artist(5).name}
    assert set(page["items"][0]) == {"added_at", "added_by", "is_local", held}
    assert (await first_listed(spotify, token))[f"{held}s"]["total"] == 3


async def test_what_the_catalogue_does_not_know_keeps_its_address(spotify: SpotifyCaller) -> None:
    uris = [UNKNOWN[0], "spotify:episode:1234567890123456789012"]
    playlist = await made(spotify)
    await write(spotify, "PUT", playlist, uris)

    assert await read(spotify, playlist) == uris


async def test_a_replacement_replaces_and_an_addition_adds(spotify: SpotifyCaller) -> None:
    playlist = await made(spotify)

    first = await write(spotify, "PUT", playlist, UNKNOWN)
    again = await write(spotify, "PUT", playlist, KNOWN)
    added = await write(spotify, "POST", playlist, UNKNOWN[:2])
    middle = await write(spotify, "POST", playlist, UNKNOWN[5:6], position=1)

    assert [each.status for each in (first, again, added, middle)] == [200, 200, 201, 201]
    assert len({each.json["snapshot_id"] for each in (first, again, added, middle)}) == 4
    assert await read(spotify, playlist) == [KNOWN[0], UNKNOWN[5], *KNOWN[1:], *UNKNOWN[:2]]


async def test_a_long_playlist_reads_back_in_pages(spotify: SpotifyCaller) -> None:
    playlist = await made(spotify)
    await write(spotify, "PUT", playlist, UNKNOWN)
    await write(spotify, "POST", playlist, KNOWN)

    assert await read(spotify, playlist) == [*UNKNOWN, *KNOWN]


async def test_uris_in_the_query_make_spotify_ignore_the_body(spotify: SpotifyCaller) -> None:
    playlist = await made(spotify)

    answer = await spotify.send(
        "POST", f"/playlists/{playlist}/items", RESTRICTED, {"uris": KNOWN[1:]}, uris=KNOWN[0]
    )

    assert answer.status == 201
    assert await read(spotify, playlist) == KNOWN[:1]


async def test_every_token_of_the_account_sees_what_was_written(spotify: SpotifyCaller) -> None:
    playlist = await made(spotify)
    await write(spotify, "PUT", playlist, KNOWN)

    assert await read(spotify, playlist, LEGACY) == KNOWN
    assert (await first_listed(spotify, LEGACY))["id"] == playlist
    assert (await first_listed(spotify, sandbox_token(8)))["id"] != playlist


async def test_another_sandbox_knows_nothing_of_it(
    spotify: SpotifyCaller, session: aiohttp.ClientSession
) -> None:
    playlist = await made(spotify)

    async with Sandbox() as other:
        answer = await SpotifyCaller(other, session).fetch(f"/playlists/{playlist}/items", LEGACY)

    assert answer.status == 404


@pytest.mark.parametrize("regime", ["restricted", "legacy"])
async def test_an_own_playlist_can_be_extended(spotify: SpotifyCaller, regime: str) -> None:
    token = sandbox_token(7, "typical", regime)
    playlist = own(build_listener(7, "typical"), least=10)
    path = f"/playlists/{playlist.id}/items"
    whole = (await spotify.fetch(path, token, limit="50")).json

    answer = await write(spotify, "POST", playlist.id, KNOWN, token)

    last = (await spotify.fetch(path, token, offset=str(whole["total"]))).json
    listed = (await spotify.get_with("playlists", token, limit="50")).json["items"]
    found = next(each for each in listed if each and each["id"] == playlist.id)
    assert answer.status == 201
    assert (await spotify.fetch(path, token, limit="50")).json["items"][: whole["total"]] == (
        whole["items"]
    )
    assert [(row.get("item") or row["track"])["uri"] for row in last["items"]] == KNOWN
    assert (found.get("items") or found["tracks"])["total"] == whole["total"] + 3
    assert found["snapshot_id"] == answer.json["snapshot_id"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Error parsing JSON."),
        (b"[1]", "Error parsing JSON."),
        (b'{"name":', "Error parsing JSON."),
        ({}, "Missing required field: name"),
        ({"name": " "}, "Missing required field: name"),
        ({"name": 7}, "Missing required field: name"),
        ({"name": "x", "description": 7}, "Invalid description"),
        ({"name": "x", "public": "no"}, "Invalid public"),
        ({"name": "x", "collaborative": True}, "Collaborative playlists can only be private"),
    ],
)
async def test_a_body_that_makes_no_playlist_is_a_400(
    spotify: SpotifyCaller, body: Any, message: str
) -> None:
    answer = await spotify.send("POST", "/me/playlists", RESTRICTED, body)

    assert answer.json == {"error": {"status": 400, "message": message}}
    assert spotify.sandbox.made_playlists() == []


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize(
    "uris",
    [
        [*UNKNOWN, UNKNOWN[0]],
        ["spotify:album:0000000000000000000000"],
        ["spotify:local:a:b:c:1"],
        ["spotify:track:short"],
        [7],
        "spotify:track:0000000000000000000000",
        None,
    ],
)
async def test_uris_that_cannot_be_written_are_a_400(
    spotify: SpotifyCaller, method: str, uris: Any
) -> None:
    playlist = await made(spotify)
    await write(spotify, "PUT", playlist, KNOWN)

    assert (await write(spotify, method, playlist, uris)).status == 400
    assert await read(spotify, playlist) == KNOWN


@pytest.mark.parametrize("position", [4, -1, "x", 10**18])
async def test_a_place_behind_the_end_is_a_400(spotify: SpotifyCaller, position: Any) -> None:
    playlist = await made(spotify)
    await write(spotify, "PUT", playlist, KNOWN)

    answer = await write(spotify, "POST", playlist, KNOWN[:1], position=position)

    assert answer.status == 400


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_nobody_writes_to_what_is_not_theirs(spotify: SpotifyCaller, method: str) -> None:
    listener = build_listener(7, "typical")
    owners: dict[str, str] = {each.owner: each.id for each in listener.playlists if each}
    another = await made(spotify, sandbox_token(8))

    statuses = {
        name: (await write(spotify, method, playlist, KNOWN)).status
        for name, playlist in {**owners, "another": another, "nobody": "0" * 22}.items()
        if name != "listener"
    }

    assert statuses == {"friend": 403, "closed": 403, "spotify": 404, "another": 403, "nobody": 404}
    assert spotify.sandbox.stats.written == {"create": 1, "replace": 0, "add": 0}


@pytest.mark.parametrize(("token", "status"), [(RESTRICTED, 403), (LEGACY, 201)])
async def test_the_paths_of_before_2026_are_closed_to_new_apps(
    spotify: SpotifyCaller, token: str, status: int
) -> None:
    playlist = await made(spotify)

    old = await spotify.send("POST", "/users/typical7/playlists", token, NEW)
    tracks = await write(spotify, "POST", playlist, KNOWN, token, name="tracks")
    anothers = await spotify.send("POST", "/users/typical8/playlists", token, NEW)

    assert (old.status, tracks.status, anothers.status) == (status, status, 403)


async def test_an_account_has_11_000_playlists_at_most(
    spotify: SpotifyCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert written_playlists.MAX_PLAYLISTS == 11_000
    before = len(build_listener(7, "typical").playlists)
    monkeypatch.setattr(written_playlists, "MAX_PLAYLISTS", before + 1)

    answers = [await create(spotify) for _ in range(2)]

    assert [each.status for each in answers] == [201, 400]
    assert len(spotify.sandbox.made_playlists()) == 1


async def test_a_playlist_has_10_000_rows_at_most(
    spotify: SpotifyCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert written_playlists.MAX_ROWS == 10_000
    monkeypatch.setattr(written_playlists, "MAX_ROWS", 103)
    playlist = await made(spotify)

    answers = [await write(spotify, "POST", playlist, each) for each in (UNKNOWN, KNOWN, KNOWN)]

    assert [each.status for each in answers] == [201, 201, 400]
    assert (await write(spotify, "PUT", playlist, UNKNOWN)).status == 200


async def test_the_sandbox_forgets_the_accounts_that_wrote_longest_ago(
    spotify: SpotifyCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(written_playlists, "ACCOUNTS_KEPT", 2)
    tokens = [sandbox_token(seed, "empty") for seed in range(3)]
    for token in (*tokens[:2], tokens[0], tokens[2]):
        await made(spotify, token)

    assert [len(spotify.sandbox.made_playlists(token)) for token in tokens] == [2, 0, 1]


async def test_the_sandbox_keeps_so_many_rows_of_all_accounts(
    spotify: SpotifyCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(written_playlists, "KEPT", 150)
    first, second = sandbox_token(1, "empty"), sandbox_token(2, "empty")
    one = await made(spotify, first)
    await write(spotify, "PUT", one, UNKNOWN, first)
    other = await made(spotify, second)
    await write(spotify, "PUT", other, UNKNOWN, second)

    assert spotify.sandbox.made_playlists(first) == []
    assert spotify.sandbox.made_playlists(second)[0].uris == UNKNOWN
    assert (await write(spotify, "POST", other, UNKNOWN, second)).status == 400


@pytest.mark.parametrize(
    ("scope", "hidden", "shown"),
    [
        ("playlist-read-private", 403, 403),
        (PRIVATE, 201, 403),
        (PUBLIC, 403, 201),
        (f"{PRIVATE} {PUBLIC}", 201, 201),
    ],
)
async def test_what_may_be_made_depends_on_the_scopes(
    spotify: SpotifyCaller, scope: str, hidden: int, shown: int
) -> None:
    token = spotify.sandbox.log_in(scope=scope)["access_token"]

    answers = [await create(spotify, token, public=public) for public in (False, True, None)]

    assert [each.status for each in answers] == [hidden, shown, shown]
    assert all(each.json == NO_SCOPE for each in answers if each.status == 403)


@pytest.mark.parametrize(("scope", "on_profile"), [(PRIVATE, False), (PUBLIC, True)])
async def test_an_own_playlist_takes_the_scope_of_where_it_is_shown(
    spotify: SpotifyCaller, scope: str, *, on_profile: bool
) -> None:
    token = spotify.sandbox.log_in(scope=scope)["access_token"]
    listener = build_listener(7, "typical")

    answers = {
        public: await write(spotify, "POST", own(listener, public=public).id, KNOWN, token)
        for public in (True, False)
    }

    assert answers[on_profile].status == 201
    assert answers[not on_profile].json == NO_SCOPE


async def test_a_renewed_token_sees_and_changes_what_the_old_one_made(
    spotify: SpotifyCaller,
) -> None:
    scope = f"playlist-read-private {PRIVATE}"
    tokens = [spotify.sandbox.log_in(scope=scope)["access_token"] for _ in range(2)]
    playlist = await made(spotify, tokens[0])

    assert (await write(spotify, "PUT", playlist, KNOWN, tokens[1])).status == 200
    assert await read(spotify, playlist, tokens[1]) == KNOWN


async def test_a_test_sees_what_was_made(spotify: SpotifyCaller) -> None:
    playlist = await made(spotify, name="One", description="a & b")
    await write(spotify, "PUT", playlist, KNOWN)
    await write(spotify, "POST", playlist, UNKNOWN[:1])
    await made(spotify, name="Two", public=True, description=None)

    one, two = spotify.sandbox.made_playlists()

    assert one == (playlist, "One", "a &amp; b", False, [*KNOWN, UNKNOWN[0]])
    assert two[1:] == ("Two", None, True, [])
    assert spotify.sandbox.stats.written == {"create": 2, "replace": 1, "add": 1}


async def test_recorded_answers_are_not_written_to(
    session: aiohttp.ClientSession, tmp_path: Any
) -> None:
    (tmp_path / "me.json").write_bytes(b"{}")
    async with Sandbox(replay=tmp_path) as recorded:
        answer = await create(SpotifyCaller(recorded, session))

    assert answer.status == 404
