"""Where the page is looked at: an invented Spotify, a model that is told what to say, a browser."""

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from bench.browser_model import Model, open_model
from lyra.app import create_app
from lyra.sandbox import Sandbox
from lyra.settings import Settings
from lyra.web.context import Persona
from lyra.web.gateway.server import Runner, listen

APP = "lyra-page"
_QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")


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
        personas: Sequence[Persona] = ()
        if token is not None:
            personas = [Persona("demo", "Demo listener", token)]
        given = {
            "port": 0,
            "spotify_api_url": self.sandbox.api_url,
            "spotify_accounts_url": self.sandbox.accounts_url,
            "llm_base_url": self.model.url if own_model else self.sandbox.llm_url,
            "llm_api_key": "none-needed",
            "model": "sandbox-model",
            "drain_s": 0,
            "stall_s": 60,
        }
        settings = Settings(**{**given, **changes})
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
        model = await stack.enter_async_context(open_model())
        driver = await stack.enter_async_context(async_playwright())
        browser = await driver.chromium.launch(executable_path=chromium, args=list(_QUIET))
        stack.push_async_callback(browser.close)
        yield Stage(sandbox, model, browser, stack)
