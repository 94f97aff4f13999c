"""No other page can hold this one in a frame, and lay something over it."""

import pytest
from playwright.async_api import Browser

from tests.browser.conftest import DEMO
from tests.conftest import Start


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_a_frame_around_the_page_stays_empty(
    start: Start, browser: Browser, path: str
) -> None:
    service = await start(demo_token=DEMO)
    page = await browser.new_page()
    async with page.expect_response(f"{service.url}{path}"):
        await page.set_content(f'<iframe src="{service.url}{path}"></iframe>')
    await page.wait_for_load_state("networkidle")
    framed = page.frames[1]

    assert framed.url.startswith("chrome-error:")
    assert "Lyra" not in await framed.content()
    await page.close()
