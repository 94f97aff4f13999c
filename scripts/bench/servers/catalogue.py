"""A Spotify whose searches take 80 to 400 ms each, and a model that looks something up once.

A search finds what it is asked for; what it takes follows from its words. A question with "round" in
it makes the model call `get_listening` first; both answer at once. `/counts` tells what was asked.
"""

import asyncio
import re
import sys
from typing import Any
from zlib import crc32

import orjson
from aiohttp import ClientSession, web

from bench.event_loop import run_server, serve_app
from lyra.sandbox.spotify_shapes import full_track

LEAST_S, MOST_S = 0.08, 0.4
_FILTERS = re.compile(r'(track|artist):"([^"]*)"')
CALL = {"section": "top_tracks", "range": "medium_term"}


def seconds_of(query: str) -> float:
    """How long this search takes."""
    return LEAST_S + (MOST_S - LEAST_S) * (crc32(query.encode()) % 1000) / 999


class Servers:
    """Both, and their counts; what is no search is asked of the invented Spotify."""

    def __init__(self, sandbox: str) -> None:
        self._sandbox = sandbox
        self._counts = {"searches": 0, "slowest_s": 0.0}

    async def counts(self, _: web.Request) -> web.Response:
        """Tell the counts, and begin them anew."""
        body, self._counts = orjson.dumps(self._counts), {"searches": 0, "slowest_s": 0.0}
        return web.Response(body=body)

    async def search(self, request: web.Request) -> web.Response:
        query = request.query["q"]
        seconds = seconds_of(query)
        self._counts["searches"] += 1
        self._counts["slowest_s"] = max(self._counts["slowest_s"], seconds)
        await asyncio.sleep(seconds)
        named = dict(_FILTERS.findall(query))
        number = f"{crc32(query.encode()):022}"
        item = {
            **full_track((0, 0), "legacy"),
            "id": number,
            "uri": f"spotify:track:{number}",
            "name": named.get("track", query),
        }
        item["artists"] = [{**item["artists"][0], "name": named.get("artist", "?")}]
        page = {"href": "", "next": None, "previous": None, "limit": 10, "offset": 0}
        body = {"tracks": {**page, "items": [item], "total": 1}}
        return web.Response(body=orjson.dumps(body), content_type="application/json")

    async def read(self, request: web.Request) -> web.Response:
        headers = {"Authorization": request.headers["Authorization"]}
        async with (
            ClientSession() as http,
            http.get(f"{self._sandbox}{request.path_qs}", headers=headers) as answer,
        ):
            return web.Response(
                status=answer.status, body=await answer.read(), content_type="application/json"
            )

    async def model(self, request: web.Request) -> web.StreamResponse:
        prompt = await request.json()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        first = len(prompt["messages"]) == 1
        calls = first and "round" in orjson.dumps(prompt["messages"]).decode()
        await response.write(_turn(calls=calls))
        return response


def _turn(*, calls: bool) -> bytes:
    block = {"type": "tool_use", "id": "toolu_1", "name": "get_listening", "input": {}}
    begun = block if calls else {"type": "text", "text": ""}
    delta = (
        {"type": "input_json_delta", "partial_json": orjson.dumps(CALL).decode()}
        if calls
        else {"type": "text_delta", "text": "Done."}
    )
    usage = {"input_tokens": 1, "output_tokens": 1}
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "scripted",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    ended = {"stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": begun},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ended, "usage": usage},
        {"type": "message_stop"},
    ]
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (str(each["type"]).encode(), orjson.dumps(each))
        for each in events
    )


async def _serve(sandbox: str) -> None:
    servers, application = Servers(sandbox), web.Application(client_max_size=2**24)
    application.add_routes(
        [
            web.get("/counts", servers.counts),
            web.get("/v1/search", servers.search),
            web.get("/v1/{path:.*}", servers.read),
            web.post("/v1/messages", servers.model),
        ]
    )
    await serve_app(application, 0)


if __name__ == "__main__":
    run_server(_serve(sys.argv[1]))
