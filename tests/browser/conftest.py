"""A real browser on a real Lyra. After every test: nothing broke the policy, nothing left the origin."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from lyra.sandbox import sandbox_token
from tests.conftest import Service, Start
from tests.support.scripted_model import Reply, ScriptedModel, scripted_model

HERE = Path(__file__).parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
REQUIRED = os.environ.get("LYRA_TEST_BROWSER") == "required"  # noqa: TID251 - of tests alone
DEMO = sandbox_token(35, "typical", "legacy")
_QUIET = (
    "--headless",
    "--remote-debugging-port=0",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--mute-audio",
)
_WATCH = """
window.broken = [];
addEventListener("securitypolicyviolation", (e) => broken.push(`${e.violatedDirective} ${e.blockedURI}`));
addEventListener("error", (e) => e.message && broken.push(e.message));
addEventListener("unhandledrejection", (e) => broken.push(String(e.reason)));
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder: it needs Chromium."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(60))


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Debian's Chromium, started once; or a skip that says what is missing.

    CI makes the skip a failure.
    """
    if CHROMIUM is None:
        told = "no chromium on the PATH: apt-get install chromium"
        if REQUIRED:
            pytest.fail(told)
        pytest.skip(told)
    folder = tmp_path_factory.mktemp("chromium")
    said = folder / "said"
    with said.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - found on the PATH
            [CHROMIUM, *_QUIET, f"--user-data-dir={folder}", "about:blank"], stderr=log
        )
    try:
        yield _address(process, said)
    finally:
        process.terminate()
        process.wait(20)


def _address(process: "subprocess.Popen[bytes]", said: Path) -> str:
    """Where Chromium says that it listens."""
    for _ in range(600):
        if found := re.search(r"ws://\S+", said.read_text(errors="replace")):
            return found[0]
        if process.poll() is not None:
            break
        time.sleep(0.05)
    pytest.fail(f"chromium did not start:\n{said.read_text(errors='replace')[-2000:]}")


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """Chromium, with nothing of the test before: each page has a profile of its own."""
    async with async_playwright() as driver:
        connected = await driver.chromium.connect_over_cdp(chromium)
        yield connected
        await connected.close()


Open = Callable[..., Awaitable[Page]]


@pytest.fixture
async def visit(browser: Browser) -> AsyncIterator[Open]:
    """Opens the page of a service: `page = await visit(service, width=390, dark=True)`."""
    opened: list[tuple[Page, Service, list[str], list[str]]] = []

    async def open_page(
        service: Service,
        path: str = "/",
        *,
        width: int = 1280,
        height: int = 860,
        dark: bool = False,
        script: str = "",
        **more: Any,
    ) -> Page:
        context = await browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            **more,
        )
        await context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = await context.new_page()
        asked: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.add_init_script(_WATCH + script)
        page.on("console", lambda said: errors.append(said.text) if _is_error(said) else None)
        page.set_default_timeout(15_000)
        await page.goto(f"{service.url}{path}")
        opened.append((page, service, asked, errors))
        return page

    yield open_page
    for page, service, asked, errors in opened:
        url, demo = service.url, service.services.demo
        assert await page.evaluate("window.broken") == []
        assert errors == []
        # Real listeners' covers are Spotify's; nothing else may be asked for, in a demo not even they.
        own = (
            url,
            url.replace("127.0.0.1", "localhost"),
            "data:",
            service.services.settings.spotify_accounts_url,
        )
        fine = (url, "data:") if demo else (*own, "https://i.scdn.co/", "https://mosaic.scdn.co/")
        assert [each for each in asked if not each.startswith(fine)] == []
        await page.context.close()


def _is_error(said: ConsoleMessage) -> bool:
    """A refusal that the page handles is in the console too: Chromium writes it there by itself."""
    refused = (
        said.text.startswith("Failed to load resource") and "/static/" not in said.location["url"]
    )
    return said.type == "error" and not refused and "Trusted" not in said.text


Chat = Callable[..., Awaitable[tuple[Page, ScriptedModel]]]


@pytest.fixture
async def chat(start: Start, visit: Open) -> AsyncIterator[Chat]:
    """A page whose model answers as told: `page, model = await chat(reply, dark=True)`."""
    async with AsyncExitStack() as stack:

        async def begin(*replies: Reply, **look: Any) -> tuple[Page, ScriptedModel]:
            model = await stack.enter_async_context(scripted_model(*replies))
            service = await start(demo_token=DEMO, llm_base_url=model.url)
            return await filled(await visit(service, **look)), model

        yield begin


async def filled(page: Page) -> Page:
    """The page once the listener's sky is drawn."""
    await page.locator(".rows li").first.wait_for(state="attached")
    return page


async def asked(page: Page, question: str = "Which artists do I listen to most?") -> None:
    """Send this question."""
    await page.locator("#ask").fill(question)
    await page.keyboard.press("Enter")


async def answered(page: Page) -> None:
    """Wait until the newest answer has its receipt, or its trouble."""
    await page.locator(".turn:last-child .deeds, .turn:last-child .oops").first.wait_for()


async def turn_text(page: Page) -> str:
    """The words of the newest answer."""
    return await page.locator(".turn:last-child .a").inner_text()


async def agree_at_spotify(page: Page, choice: str = "Agree") -> None:
    """Go to Spotify's page and answer it there."""
    await page.get_by_role("link", name="Connect Spotify").click()
    await page.get_by_role("heading", name="Sandbox login").wait_for()
    await page.get_by_role("button", name=choice).click()
