"""The five sections over the real client: the ledger of the server is what counts."""

import asyncio
import traceback
from typing import Any

import pytest
from aiohttp import web

from lyra.errors import SpotifyTokenRejectedError
from lyra.listening.fetch import fetch_listening
from lyra.spotify.endpoints import PATHS
from lyra.spotify.token import Token

CANARY = "canary-7f3a9c51-never-shown"


async def me(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b'{"id":"wenda"}')


async def playlists(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b'{"items":[{"name":"Quiet desk"}]}')


async def refused(_: web.Request) -> web.StreamResponse:
    return web.Response(status=401, body=b'{"error":{"status":401,"message":"expired"}}')


async def broken(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b'{"items":[')


async def test_a_listener_is_five_calls_on_the_wire(spotify: Any, open_client: Any) -> None:
    spotify.script["/me"] = [me]
    async with open_client() as client:
        reader = client.reader(Token(CANARY))
        listening = await fetch_listening(reader, now=0.0, report=lambda _: None)

    assert {section.status for section in listening.sections} == {"ok"}
    assert reader.calls == len(spotify.calls) == 5


async def test_a_page_that_broke_off_once_is_read_in_six_calls(
    spotify: Any, open_client: Any
) -> None:
    spotify.script["/me"] = [me]
    spotify.script["/me/playlists"] = [broken, playlists]
    async with open_client() as client:
        reader = client.reader(Token(CANARY))
        listening = await fetch_listening(reader, now=0.0, report=lambda _: None)

    assert listening.playlists[0].name == "Quiet desk"
    assert reader.calls == 6


async def test_calls_under_way_when_a_cooldown_starts_are_finished(
    spotify: Any, open_client: Any
) -> None:
    closed = asyncio.Event()
    async with open_client() as client:
        close = client.cooldown.start

        def closing(*args: Any) -> None:
            close(*args)
            closed.set()

        client.cooldown.start = closing

        async def limited(_: web.Request) -> web.StreamResponse:
            return web.Response(status=429, headers={"Retry-After": "3600"})

        async def later(request: web.Request) -> web.StreamResponse:
            await closed.wait()
            return await (me if request.path.endswith("/me") else playlists)(request)

        for path in PATHS.values():
            spotify.script[path.partition("?")[0]] = [later]
        spotify.script["/me/player/recently-played"] = [limited]
        reader = client.reader(Token(CANARY))
        listening = await fetch_listening(reader, now=0.0, report=lambda _: None)

    statuses = {section.name: section.status for section in listening.sections}
    assert statuses.pop("recently_played") == "rate_limited"
    assert set(statuses.values()) == {"ok"}
    assert reader.calls == 5


async def test_a_rejected_token_is_in_no_part_of_the_error(spotify: Any, open_client: Any) -> None:
    spotify.script["/me"] = [refused]
    async with open_client() as client:
        with pytest.raises(SpotifyTokenRejectedError) as caught:
            await fetch_listening(client.reader(Token(CANARY)), now=0.0, report=lambda _: None)

    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert CANARY not in "".join(report.format())


async def test_a_token_that_spotify_answers_400_to_is_rejected(
    spotify: Any, open_client: Any
) -> None:
    async def unreadable(_: web.Request) -> web.StreamResponse:
        error = {"status": 400, "message": "Only valid bearer authentication supported"}
        return web.json_response({"error": error}, status=400)

    for path in PATHS.values():
        spotify.script[path.partition("?")[0]] = [unreadable]
    async with open_client() as client:
        with pytest.raises(SpotifyTokenRejectedError) as caught:
            await fetch_listening(client.reader(Token(CANARY)), now=0.0, report=lambda _: None)

    assert (caught.value.status, caught.value.action) == (401, "reauthorize")
