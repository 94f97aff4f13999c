"""Below `full`, nothing that Spotify said of a listener reaches the model, on any way there.

A Spotify of which every text is a canary; every suggestion is clicked on through every face, and
the whole talk is sent back as chat kits do. What is judged are the model's raw requests.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.conftest import Service, Start
from tests.support.calls import call
from tests.support.scripted_model import ScriptedModel, scripted_model
from tests.support.wire_formats import data_of, documents

CANARY = "Kanarie"
GENRE = "kanarie wave"
YEAR, TOTAL, HOUR = 1913, 7391, "04:5"
HEARD, SILENT = "a-token-of-one-who-is-heard", "a-token-of-one-who-is-silent"
LEVELS = ("none", "minimal")
Turns = list[dict[str, Any]]


def canary(*where: object) -> str:
    return " ".join([CANARY, *map(str, where)])


def linked(kind: str, at: int) -> dict[str, Any]:
    name = f"{CANARY}{kind}{at}"
    page = {"spotify": f"https://open.spotify.com/{kind}/{name}"}
    return {"id": name, "uri": f"spotify:{kind}:{name}", "external_urls": page, "type": kind}


def artist(at: int) -> dict[str, Any]:
    images = [{"url": f"https://i.scdn.co/{CANARY}{at}", "width": 300}]
    return {**linked("artist", at), "name": canary("Artist", at), "genres": [GENRE]} | {
        "images": images
    }


def track(at: int) -> dict[str, Any]:
    album = {"name": canary("Album", at), "release_date": f"{YEAR}-02-03", "images": []}
    by = [{"id": f"{CANARY}artist{at}", "name": canary("Artist", at)}]
    return {**linked("track", at), "name": canary("Track", at), "artists": by, "album": album}


def playlist(at: int) -> dict[str, Any]:
    told = {"name": canary("List", at), "description": canary("Words", at)}
    owner = {"id": f"{CANARY}owner", "display_name": canary("Owner")}
    return {**linked("playlist", at), **told, "owner": owner, "tracks": {"total": TOTAL}}


PAGES: dict[str, Any] = {
    "/me": {**linked("user", 0), "display_name": canary("Person"), "account_id": f"{CANARY}acc"},
    "/me/top/artists": {"items": [artist(at) for at in range(3)]},
    "/me/top/tracks": {"items": [track(at) for at in range(3)]},
    "/me/player/recently-played": {
        "items": [{"track": track(1), "played_at": f"2026-11-20T{HOUR}1:07Z"}] * 3
    },
    "/me/playlists": {"items": [playlist(at) for at in range(3)]},
}


@asynccontextmanager
async def spotify(*refused: str) -> AsyncIterator[str]:
    """The address of a Spotify that has all of it for one token and nothing for the other."""

    async def answer(request: web.Request) -> web.Response:
        if request.path in refused:
            error = {"status": 403, "message": canary("Message"), "reason": canary("Reason")}
            return web.json_response({"error": error}, status=403)
        if SILENT in request.headers["Authorization"]:
            return web.json_response({"id": "nobody"} if request.path == "/me" else {"items": []})
        return web.json_response(PAGES[request.path])

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def suggested(service: Service, token: str) -> list[str]:
    answer = await call(service, "GET", "/lyra/profile", headers=service.headers(token))
    told: list[str] = answer.json["suggestions"]
    return told


async def posted(service: Service, token: str, path: str, body: dict[str, Any]) -> bytes:
    answer = await call(service, "POST", path, json=body, headers=service.headers(token))
    assert answer.status == 200
    return answer.body


def kept_by_a_kit(stream: bytes) -> dict[str, Any]:
    """The message that useChat makes of an answer and sends back with the next question."""
    parts = documents([data for data in data_of(stream) if data != b"[DONE]"])
    said = "".join(part["delta"] for part in parts if part["type"] == "text-delta")
    data = [part for part in parts if part["type"].startswith("data-")]
    about = [part["messageMetadata"] for part in parts if "messageMetadata" in part]
    text = {"type": "text", "text": said, "state": "done"}
    return {"id": "a", "role": "assistant", "metadata": about, "parts": [*data, text]}


async def click(service: Service, token: str, question: str, talk: Turns) -> None:
    """Ask this through every face, each with the whole talk before it."""
    mine = {"id": "u", "role": "user", "parts": [{"type": "text", "text": question}]}
    stream = await posted(service, token, "/lyra/chat", {"id": "c", "messages": [*talk, mine]})
    talk += [mine, kept_by_a_kit(stream)]
    await posted(service, token, "/lyra/chat", {"message": question, "stream": False})
    plain = [{"role": "user", "content": question}]
    await posted(service, token, "/v1/chat/completions", {"messages": plain})
    run = {"threadId": "t", "runId": "r", "messages": [{"id": "m", **plain[0]}]}
    state = {"state": PAGES, "tools": [], "context": [], "forwardedProps": {}}
    await posted(service, token, "/lyra/agui", run | state)


async def walk(service: Service, token: str) -> None:
    talk: Turns = []
    for question in await suggested(service, token):
        await click(service, token, question, talk)


def told(model: ScriptedModel) -> str:
    assert model.sent
    return b"\n".join(model.sent).decode()


def canaries_in(text: str, *, but: Iterable[str] = ()) -> list[str]:
    for allowed in but:
        text = text.replace(allowed, "")
    return [sign for sign in (CANARY, CANARY.lower(), "spotify.com") if sign in text]


@pytest.mark.parametrize("refused", [(), ("/me/playlists", "/me/top/tracks")])
@pytest.mark.parametrize("level", LEVELS)
async def test_no_text_of_spotify_reaches_the_model(
    start: Start, level: str, refused: tuple[str, ...]
) -> None:
    async with spotify(*refused) as url, scripted_model() as model:
        service = await start(llm_base_url=model.url, spotify_api_url=url, llm_context=level)
        await walk(service, HEARD)

    assert canaries_in(told(model), but=[GENRE] if level == "minimal" else ()) == []


async def test_the_walk_sees_what_full_sends(start: Start) -> None:
    async with spotify() as url, scripted_model() as model:
        service = await start(llm_base_url=model.url, spotify_api_url=url, llm_context="full")
        await walk(service, HEARD)

    assert canaries_in(told(model))
    for said in (str(YEAR), canary("Album", 0), canary("Words", 0), GENRE, "2026-11-20 Friday"):
        assert said in told(model)


async def test_with_none_the_model_hears_the_same_whoever_listens(start: Start) -> None:
    sent = []
    for token in (HEARD, SILENT):
        async with spotify() as url, scripted_model() as model:
            service = await start(
                wall_clock=lambda: 1_796_112_300.0,
                llm_base_url=model.url,
                spotify_api_url=url,
                llm_context="none",
            )
            await walk(service, token)
        sent.append(model.sent)

    assert len(sent[0]) > 10
    assert sent[0] == sent[1]


async def test_with_minimal_a_suggestion_has_a_genre_at_most(start: Start) -> None:
    async with spotify() as url, scripted_model() as model:
        service = await start(llm_base_url=model.url, spotify_api_url=url, llm_context="minimal")
        asked, other = await suggested(service, HEARD), await suggested(service, SILENT)

    assert [each for each in asked if each not in other] == [
        f"Where in my listening does {GENRE} show?"
    ]


@pytest.mark.parametrize("level", LEVELS)
async def test_what_lyra_said_in_place_of_a_model_stays_here(start: Start, level: str) -> None:
    talk: Turns = []
    async with spotify() as url, scripted_model() as model:
        alone = await start(llm="offline", spotify_api_url=url, llm_context=level)
        for question in ("Which artists?", "Which tracks?"):
            await click(alone, HEARD, question, talk)
        service = await start(llm_base_url=model.url, spotify_api_url=url, llm_context=level)
        await click(service, HEARD, "And now?", talk)

    assert CANARY in str(talk)
    assert canaries_in(told(model), but=[GENRE] if level == "minimal" else ()) == []
    roles = [each["role"] for each in orjson.loads(model.sent[0])["messages"]]
    assert roles == ["user"]
