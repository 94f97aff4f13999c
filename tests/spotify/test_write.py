"""Writes to Spotify: what is sent, and what may be sent again."""

from typing import Any

import orjson
import pytest

from lyra.spotify.endpoints import WriteEndpoint
from lyra.spotify.failures import MEANINGS, SpotifyFailure
from lyra.spotify.token import Token
from tests.spotify.test_client import BROKEN, cut, parse, reply, reset, silence

TOKEN = Token("listener-one-token")
ID = "2Zw3kqkVq5kD5vDzYcXk0a"
BODY = b'{"uris":["spotify:track:1"]}'
CREATE, ADD, REPLACE = "/me/playlists", f"/playlists/{ID}/items", f"/playlists/{ID}/items"
WRITES: tuple[tuple[WriteEndpoint, str, str], ...] = (
    ("create_playlist", "POST", CREATE),
    ("add_items", "POST", ADD),
    ("replace_items", "PUT", REPLACE),
)


@pytest.mark.parametrize(("endpoint", "method", "path"), WRITES)
async def test_each_write_is_one_request_with_its_json(
    spotify: Any, open_client: Any, endpoint: WriteEndpoint, method: str, path: str
) -> None:
    playlist = None if path == CREATE else ID
    spotify.script[path] = [reply(201, b'{"id":"new"}')]
    async with open_client() as client:
        value = await client.reader(TOKEN).write(endpoint, parse, BODY, playlist=playlist)

    assert value == {"id": "new"}
    [call] = spotify.calls
    assert (call.method, call.path) == (method, f"/v1{path}")
    assert call.headers["Content-Type"] == "application/json"
    assert call.headers["Authorization"] == "Bearer listener-one-token"
    assert orjson.loads(await call.read()) == orjson.loads(BODY)


@pytest.mark.parametrize(
    "fault",
    [reply(500), reply(502), reply(201, BROKEN), reply(201, b""), reply(302), cut, reset, silence],
    ids=lambda fault: fault.__name__,
)
async def test_a_post_that_may_have_been_done_is_not_sent_again(
    spotify: Any, open_client: Any, fault: Any
) -> None:
    spotify.script[CREATE] = [fault]
    async with open_client(timeout_s=0.5) as client:
        with pytest.raises(SpotifyFailure) as caught:
            await client.reader(TOKEN).write("create_playlist", parse, BODY)

    assert caught.value.may_be_done
    assert len(spotify.calls) == 1


@pytest.mark.parametrize("fault", [reply(500), reply(502), cut, reset])
async def test_a_replacement_that_fails_is_sent_again(
    spotify: Any, open_client: Any, fault: Any
) -> None:
    spotify.script[REPLACE] = [fault, reply(200, b'{"snapshot_id":"one"}')]
    async with open_client() as client:
        await client.reader(TOKEN).write("replace_items", parse, BODY, playlist=ID)

    assert len(spotify.calls) == 2


async def test_a_post_waits_for_nothing(spotify: Any, open_client: Any) -> None:
    spotify.script[CREATE] = [reply(429, Retry_After="1")]
    async with open_client() as client:
        for _ in range(2):
            with pytest.raises(SpotifyFailure, match="asks for a pause"):
                await client.reader(TOKEN).write("create_playlist", parse, BODY)

    assert len(spotify.calls) == 1  # the second was held back by the pause


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429])
async def test_what_spotify_refuses_was_not_done(
    spotify: Any, open_client: Any, status: int
) -> None:
    spotify.script[CREATE] = [reply(status, Retry_After="3600")]
    async with open_client() as client:
        with pytest.raises(SpotifyFailure) as caught:
            await client.reader(TOKEN).write("create_playlist", parse, BODY)

    assert not caught.value.may_be_done


async def test_an_id_that_is_none_becomes_no_path(spotify: Any, open_client: Any) -> None:
    async with open_client() as client:
        with pytest.raises(ValueError, match="not the id of a playlist"):
            await client.reader(TOKEN).write("add_items", parse, BODY, playlist="../me")

    assert spotify.calls == []


def test_only_refusals_and_what_was_never_sent_are_sure_not_to_be_done() -> None:
    sure = {code for code in MEANINGS if not SpotifyFailure(code).may_be_done}

    assert sure == {
        "token_rejected",
        "missing_scope",
        "not_registered",
        "owner_not_premium",
        "forbidden",
        "rate_limited",
        "quota_exceeded",
        "not_found",
        "bad_request",
        "circuit_open",
        "tls",
    }
