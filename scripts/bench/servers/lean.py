"""The leanest of its kind in aiohttp by hand: a chat passed on to the model, its words to the reader.

Run as a process with the upstream's address; prints its own. No SDK, no cache, no limits, no resume:
each read of the model's answer becomes one write of frames, cut out of the JSON without decoding it.
POST /lyra/init gathers a listener's five answers and decodes them. A reader who leaves ends the call.
"""

import asyncio
import sys

import aiohttp
import orjson
from aiohttp import web

from bench.event_loop import run_server, serve_app
from bench.servers.upstream import PATHS

_BEFORE = b'"text_delta","text":'
_FRAME = b'data: {"type":"text-delta","id":"t1","delta":%b}\n\n'
_LAST = b'data: {"type":"finish","finishReason":"stop"}\n\ndata: [DONE]\n\n'
_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
_JSON = {"Content-Type": "application/json"}


def frames(events: bytes) -> bytes:
    """The words in these whole events, as frames for the reader."""
    found = []
    for event in events.split(b"\n\n"):
        _, before, words = event.partition(_BEFORE)
        if before:
            found.append(_FRAME % words[:-2])  # the two brackets that close the delta and the event
    return b"".join(found)


class Lean:
    def __init__(self, http: aiohttp.ClientSession, upstream: str) -> None:
        self._http = http
        self._upstream = upstream

    async def init(self, request: web.Request) -> web.Response:
        """Load a listener; nothing is kept."""
        bearer = {"Authorization": request.headers["Authorization"]}

        async def get(path: str) -> int:
            async with self._http.get(f"{self._upstream}{path}", headers=bearer) as answer:
                return len(orjson.loads(await answer.read()))

        sizes = await asyncio.gather(*(get(path.decode()) for path in PATHS))
        return web.Response(body=orjson.dumps({"success": True, "sizes": sizes}))

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Pass the question on, and each read of its answer."""
        question = orjson.loads(await request.read())
        turns = [{"role": "user", "content": question["message"]}]
        body = orjson.dumps(
            {"model": "scripted", "max_tokens": 1024, "stream": True, "messages": turns}
        )
        answer = web.StreamResponse(headers=_HEADERS)
        url = f"{self._upstream}/v1/messages"
        async with self._http.post(url, data=body, headers=_JSON) as model:
            await answer.prepare(request)
            rest = b""
            async for read in model.content.iter_any():
                events, end, rest = (rest + read).rpartition(b"\n\n")
                if end and (out := frames(events)):
                    await answer.write(out)
        await answer.write_eof(_LAST)
        return answer


async def _serve(upstream: str) -> None:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout()
    ) as http:
        lean, application = Lean(http, upstream), web.Application()
        application.router.add_post("/lyra/chat", lean.chat)
        application.router.add_post("/lyra/init", lean.init)
        await serve_app(application, cancels=True)


if __name__ == "__main__":
    run_server(_serve(sys.argv[1]))
