"""Addresses that listeners or Spotify send are shown, and never called."""

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.conftest import Start
from tests.support.calls import call, chat, init
from tests.support.fault_kit import scripted
from tests.support.stream_grammar import read_stream

PATHS = ("", "/top/artists", "/top/tracks", "/player/recently-played", "/playlists")


def body(url: str) -> dict[str, object]:
    """A body that serves every endpoint, with this address wherever one can stand."""
    links = {"href": url, "next": url, "previous": url, "uri": url, "url": url}
    shown = {**links, "external_urls": {"spotify": url}, "images": [{"url": url}], "name": "Vesna"}
    track = {
        **shown,
        "id": "t",
        "preview_url": url,
        "artists": [{**shown, "id": "a"}],
        "album": shown,
    }
    item = {**track, "track": track, "played_at": "2026-11-22T10:00:00Z", "type": "artist"}
    return {**shown, "id": "vesna", "display_name": "Vesna", "items": [item], "total": 1}


async def test_no_address_in_an_answer_or_a_question_is_called(start: Start) -> None:
    ok = (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",)
    async with scripted(ok) as recorder:

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.json_response(body(recorder.url))

        app = web.Application()
        for path in PATHS:
            app.router.add_get(f"/v1/me{path}", answer)
        async with TestServer(app) as spotify:
            service = await start(spotify_api_url=str(spotify.make_url("/v1")))
            told = await init(service)
            asked = {
                "message": f"Vesna? See {recorder.url}",
                "attachments": [{"url": recorder.url}],
            }
            stream = read_stream(await chat(service, body=asked))
            profile = await call(service, "GET", "/lyra/profile", headers=service.headers())

    assert {each["status"] for each in told.json["sections"].values()} == {"ok"}
    assert stream.ending == "stop"
    assert profile.status == 200
    assert recorder.connections == 0
