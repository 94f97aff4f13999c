"""A reader who does not keep up with the model: nothing is lost, and nothing piles up for long."""

import asyncio

from aiohttp import web

from tests.conftest import Start
from tests.support.calls import chatting, read_until
from tests.support.scripted_model import opened, scripted_model, stopped, words
from tests.support.stream_grammar import read_body

PIECES = [f"{number:04} " + "x" * 1_000 for number in range(1_000)]


async def test_a_reader_who_pauses_for_long_misses_no_word(start: Start) -> None:
    all_sent = asyncio.Event()

    async def flood(request: web.Request) -> web.StreamResponse:
        response = await opened(request)
        for piece in PIECES:
            await response.write(words(piece))
        await response.write(stopped())
        all_sent.set()
        return response

    async with scripted_model(flood) as model:
        service = await start(llm_base_url=model.url, answer_max_bytes=2_000_000)
        async with chatting(service) as response:
            seen = await read_until(response, b"0000 ")
            await all_sent.wait()  # more than its connection holds: most of it waits in the service
            seen += await response.read()

    assert read_body(seen).text == "".join(PIECES)
