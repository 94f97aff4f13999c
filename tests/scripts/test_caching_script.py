"""`scripts/test_caching.py`: the promises of the cache, tried from outside."""

import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from lyra.cli.demo_listener import DEMO_TOKEN
from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import Service, Start
from tests.scripts.conftest import RunScript

SCRIPT = "test_caching.py"
ROWS = ("cold first message", "warm message", "ten messages", "100 at once (init)")


async def chat(_: web.Request) -> web.Response:
    """An answer of a server that reads the listener anew for every message."""
    words = '{"type":"text-delta","id":"t1","delta":"Yes."}'
    finish = (
        '{"type":"finish","finishReason":"stop",'
        '"messageMetadata":{"cache":{"state":"miss","spotify_calls":5}}}'
    )
    frames = (f"data: {each}\n\n" for each in (words, finish, "[DONE]"))
    return web.Response(text="".join(frames), content_type="text/event-stream")


async def init(_: web.Request) -> web.Response:
    return web.json_response({"success": True, "cache": {"state": "miss", "spotify_calls": 5}})


async def ready(_: web.Request) -> web.Response:
    return web.json_response({"ready": True, "demo": True})


async def forget(_: web.Request) -> web.Response:
    return web.Response(status=204)


@pytest.fixture
async def forgetful() -> AsyncIterator[str]:
    """A server that keeps nothing, so breaks every promise."""
    app = web.Application()
    app.router.add_get("/readyz", ready)
    app.router.add_delete("/lyra/session", forget)
    app.router.add_post("/lyra/init", init)
    app.router.add_post("/lyra/chat", chat)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_lyra_keeps_what_its_cache_promises(
    run_script: RunScript, start: Start, sandbox: Sandbox
) -> None:
    demo = await start(demo_token=DEMO_TOKEN)
    ran = await run_script(SCRIPT, demo.url)
    rows = {name: line for line in ran.out.splitlines() for name in ROWS if line.startswith(name)}

    assert (ran.code, ran.err) == (0, "")
    assert tuple(rows) == ROWS
    assert ran.out.count("kept: ") == 3
    assert "0   kept: 0 calls" in rows["warm message"]
    assert "5   kept: 5 calls in all" in rows["ten messages"]
    searches = sandbox.stats.by_endpoint["search"]  # of answers that look music up
    assert sandbox.stats.total - searches == 15  # the listener is read three times


async def test_a_server_that_keeps_nothing_breaks_all_three_promises(
    run_script: RunScript, forgetful: str
) -> None:
    ran = await run_script(SCRIPT, forgetful)

    assert ran.code == 1
    assert ran.out.count("BROKEN: ") == 3
    assert "50   BROKEN: 5 calls in all" in ran.out
    assert "500   BROKEN: one fetch of 5 calls" in ran.out


async def test_a_server_with_real_listeners_needs_a_token(
    run_script: RunScript, service: Service
) -> None:
    without = await run_script(SCRIPT, service.url)
    expired = await run_script(SCRIPT, service.url, SPOTIFY_TOKEN=sandbox_token(7, "expired"))

    assert (without.code, without.out) == (2, "")
    assert "SPOTIFY_TOKEN" in without.err
    assert (expired.code, expired.out) == (2, "")
    assert expired.err.startswith("could not be tried: 401: Spotify does not accept this token")


async def test_a_missing_server_is_one_line_and_exit_code_2(run_script: RunScript) -> None:
    with socket.socket() as closed:  # bound, so that nobody else can listen there
        closed.bind(("127.0.0.1", 0))
        ran = await run_script(SCRIPT, f"http://127.0.0.1:{closed.getsockname()[1]}")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("could not be tried: ")
    assert len(ran.err.splitlines()) == 1
