"""The page in a browser: an invented Spotify, a model that says what it is told, services, Chromium."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import orjson
from aiohttp import web
from playwright.async_api import Browser, Page, async_playwright

from lyra.app import create_app
from lyra.sandbox import Sandbox, model_wire as wire
from lyra.settings import Settings
from lyra.web.context import Persona
from lyra.web.gateway.server import Runner, listen

APP = "lyra-page"
_QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")
RICH = """\
Your nights and your mornings are **two rooms**. The late plays are *slow and wide*; the rest of the
day is songs with words.

- **After dark:** {track}, played to its end
- **On the way:** {artist}, always before nine
- **In both:** [one address that is words](https://example.org/) and `one word of code`

| When | What | Share |
|---|---|---|
| 21 to 01 | long pieces | 50 % |
| 07 to 09 | songs | 16 % |

> If the night room had a name on its door, it would be {artist}.

### What to try next

1. The neighbours of {track}.
2. Anything that you have played twice and no more.
"""


class Model:
    """Says `pieces`, `gap_s` apart; from piece `hold` on it waits until `go` is set."""

    def __init__(self) -> None:
        self.url = ""
        self.text = ""
        self.pieces: Sequence[str] = ()
        self.gap_s = 0.0
        self.hold: int | None = None
        self.broken = False
        self.wanted: Sequence[dict[str, str]] = ()
        self.go = asyncio.Event()

    def say(
        self,
        text: str,
        *,
        size: int | None = None,
        gap_s: float = 0,
        hold: int | None = None,
        broken: bool = False,
    ) -> None:
        """Answer with this text from now on, in words or in pieces of so many letters.

        `broken` ends it with an error of the model's.
        """
        cut = r"\s*\S+\s*" if size is None else rf"(?s).{{1,{size}}}"
        self.text, self.pieces = text, re.findall(cut, text)
        self.gap_s, self.hold, self.broken = gap_s, hold, broken
        self.go.clear()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Stream what was set; first look up what is wanted, if anything is."""
        looked = b'"tool_result"' in await request.read()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        usage = {"input_tokens": 900, "output_tokens": len(self.pieces)}
        begin = wire.event("message_start", message=wire.message("msg_page", "page", usage))
        await response.write(begin)
        if self.wanted and not looked:
            await response.write(wire.delta("Let me see what there is near your *late hours*."))
            await response.write(_call({"items": list(self.wanted)}))
            await response.write(wire.ending("tool_use", usage) + wire.MESSAGE_STOP)
            return response
        for number, piece in enumerate(self.pieces):
            if number == self.hold:
                await self.go.wait()
            await response.write(wire.delta(piece))
            if self.gap_s:
                await asyncio.sleep(self.gap_s)
        if self.broken:
            error = {"type": "overloaded_error", "message": "busy"}
            await response.write(wire.event("error", error=error))
        else:
            await response.write(wire.ending("end_turn", usage) + wire.MESSAGE_STOP)
        return response


def _call(arguments: dict[str, Any]) -> bytes:
    """The block of a model's turn that looks music up."""
    block = {"type": "tool_use", "id": "toolu_page", "name": "find_music", "input": {}}
    written = {"type": "input_json_delta", "partial_json": orjson.dumps(arguments).decode()}
    return (
        wire.event("content_block_start", index=1, content_block=block)
        + wire.event("content_block_delta", index=1, delta=written)
        + wire.event("content_block_stop", index=1)
    )


class Stage:
    """Opens services and pages; all of them end with the stage."""

    def __init__(
        self, sandbox: Sandbox, model: Model, browser: Browser, stack: AsyncExitStack
    ) -> None:
        self.sandbox = sandbox
        self.model = model
        self.browser = browser
        self._stack = stack

    async def lyra(
        self, token: str | None = None, *, own_model: bool = False, **changes: Any
    ) -> str:
        """The address of a new service; with a token it is a demo of this listener."""
        personas = [Persona("demo", "Demo listener", token)] if token is not None else []
        values = {
            "port": 0,
            "spotify_api_url": self.sandbox.api_url,
            "spotify_accounts_url": self.sandbox.accounts_url,
            "llm_base_url": self.model.url if own_model else self.sandbox.llm_url,
            "llm_api_key": "none-needed",
            "model": "sandbox-model",
            "drain_s": 0,
            "stall_s": 60,
        }
        settings = Settings(**{**values, **changes})
        runner = Runner(create_app(settings, personas=personas), settings)
        self._stack.push_async_callback(runner.cleanup)
        await runner.setup()
        return f"http://127.0.0.1:{await listen(runner, '127.0.0.1', 0)}"

    async def page(self, **look: Any) -> Page:
        """An empty page in a browser profile of its own."""
        context = await self.browser.new_context(**look)
        page = await context.new_page()
        page.set_default_timeout(10_000)
        return page


@asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    """Everything running, on 127.0.0.1 alone.

    Raises:
        RuntimeError: there is no Chromium.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise RuntimeError("no chromium on the PATH: apt-get install chromium")
    async with AsyncExitStack() as stack:
        clients = {APP: ["http://127.0.0.1/auth/callback"]}
        sandbox = await stack.enter_async_context(Sandbox(clients=clients, token_ms=8))
        model = await stack.enter_async_context(_open_model())
        driver = await stack.enter_async_context(async_playwright())
        browser = await driver.chromium.launch(executable_path=chromium, args=list(_QUIET))
        stack.push_async_callback(browser.close)
        yield Stage(sandbox, model, browser, stack)


@asynccontextmanager
async def _open_model() -> AsyncIterator[Model]:
    model, app = Model(), web.Application(client_max_size=2**22)
    app.router.add_post("/v1/messages", model.answer)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        model.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield model
    finally:
        model.go.set()
        await runner.cleanup()
