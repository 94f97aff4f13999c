"""The watch over every integration test sees what it looks for."""

import logging

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.conftest import CANARY_KEY, CanaryWatch, Service
from tests.support.calls import call

TOKEN = "a-token-that-is-long-enough-to-be-one"


async def test_it_sees_the_tokens_that_tests_send(service: Service, canaries: CanaryWatch) -> None:
    await call(service, "GET", "/lyra/status", headers=service.headers(TOKEN))
    assert TOKEN in canaries.tokens

    logging.getLogger("lyra.anything").debug("sent %s", TOKEN)
    logging.getLogger("lyra.anything").info("sent %s", CANARY_KEY)
    assert len(canaries.seen) == 2
    canaries.seen.clear()


async def test_it_sees_them_in_answers(canaries: CanaryWatch) -> None:
    async def echo(request: web.Request) -> web.Response:
        return web.Response(text=request.headers["Authorization"])

    app = web.Application()
    app.router.add_get("/", echo)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(trace_configs=[canaries.tracing]) as http,
        http.get(server.make_url("/"), headers={"Authorization": f"Bearer {TOKEN}"}) as answer,
    ):
        await answer.read()
    assert len(canaries.seen) == 1
    canaries.seen.clear()
