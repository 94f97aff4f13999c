"""The page where a proxy serves it under a path that it takes off, beside other programs."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from tests.browser.conftest import DEMO, Open, agree_at_spotify, answered, asked, filled
from tests.conftest import APP, Service, Start
from tests.support.path_proxy import Front


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with Front("/music").serving() as front:
        yield front
    assert front.elsewhere in ([], ["/favicon.ico"])


def behind(front: Front, service: Service) -> Service:
    """The service as a browser finds it."""
    front.target = service.url
    return Service(front.url, service.services, service.http, service.stop)


async def test_a_demo_is_drawn_answers_and_has_its_documents(
    start: Start, front: Front, visit: Open
) -> None:
    service = behind(front, await start(demo_token=DEMO, public_url=front.public_url))
    page = await filled(await visit(service, "/music/"))
    await asked(page)
    await answered(page)
    await page.get_by_role("link", name="API").click()
    await page.locator("#routes details").first.wait_for()
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator("#frames")).to_contain_text("[DONE]")


async def test_from_connect_to_an_answer_and_out_again(
    start: Start, front: Front, visit: Open
) -> None:
    given = await start(public_url=front.public_url, spotify_client_id=APP)
    page = await visit(behind(front, given), "/music/")
    await agree_at_spotify(page)
    await page.get_by_role("button", name="Agree and read").click()
    await filled(page)
    assert page.url == f"{front.public_url}/"
    await asked(page)
    await answered(page)
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("link", name="Connect Spotify").wait_for()
    assert page.url == f"{front.public_url}/"


async def test_a_denied_consent_is_explained_and_the_address_is_clean(
    start: Start, front: Front, visit: Open
) -> None:
    given = await start(public_url=front.public_url, spotify_client_id=APP)
    page = await visit(behind(front, given), "/music/")
    await agree_at_spotify(page, "Cancel")
    await expect(page.locator("#notice")).to_be_visible()

    assert page.url == f"{front.public_url}/"
