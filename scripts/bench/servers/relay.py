"""The leanest pipeline in aiohttp by hand: a chat passed on to the model, its words to the reader.

Run as a process with the model's address; prints its own. No SDK, no cache, no limits, no resume:
each read of the model's answer becomes one write of frames, cut out of the JSON without decoding it.
"""

import asyncio
import sys

import aiohttp
import orjson
import uvloop
from aiohttp import web

_BEFORE = b'"text_delta","text":'
_FRAME = b'data: {"type":"text-delta","id":"t1","delta":%b}\n\n'
_LAST = b'data: {"type":"finish","finishReason":"stop"}\n\ndata: [DONE]\n\n'
_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}


def frames(events: bytes) -> bytes:
    """The words in these whole events, as frames for the reader."""
    found = []
    for event in events.split(b"\n\n"):
        _, before, words = event.partition(_BEFORE)
        if before:
            found.append(_FRAME % words[:-2])  # the two brackets that close the delta and the event
    return b"".join(found)


class Relay:
    def __init__(self, http: aiohttp.ClientSession, model: str) -> None:
        self._http = http
        self._url = f"{model}/v1/messages"

    async def chat(self, request: web.Request) -> web.StreamResponse:
        asked = orjson.loads(await request.read())
        turns = [{"role": "user", "content": asked["message"]}]
        body = orjson.dumps(
            {"model": "bench", "max_tokens": 1024, "stream": True, "messages": turns}
        )
        answer = web.StreamResponse(headers=_HEADERS)
        async with self._http.post(self._url, data=body) as model:
            await answer.prepare(request)
            rest = b""
            async for read in model.content.iter_any():
                events, end, rest = (rest + read).rpartition(b"\n\n")
                if end and (out := frames(events)):
                    await answer.write(out)
        await answer.write_eof(_LAST)
        return answer


async def _serve(model: str) -> None:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), headers={"Content-Type": "application/json"}
    ) as http:
        application = web.Application()
        application.router.add_post("/lyra/chat", Relay(http, model).chat)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as running:
            running.run(_serve(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(0)
