"""The whole log-in in a real browser, at the sandbox's accounts server."""

import pytest
from playwright.async_api import Page, expect

from lyra.cli.demo_listener import PERSONAS
from lyra.sandbox import Sandbox, sandbox_token
from tests.browser.conftest import Open, answered, asked, filled
from tests.conftest import APP, Service, Start
from tests.web.visitors import BORIS, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def service(start: Start, clock: Clock) -> Service:
    return await start(clock=clock, spotify_client_id=APP)


async def agreed_at_spotify(page: Page, choice: str = "Agree") -> None:
    await page.get_by_role("link", name="Connect Spotify").click()
    await page.get_by_role("heading", name="Sandbox login").wait_for()
    await page.get_by_role("button", name=choice).click()


async def test_from_connect_to_an_answer_and_out_again(
    visit: Open, service: Service, sandbox: Sandbox
) -> None:
    page = await visit(service)
    await agreed_at_spotify(page)
    await expect(page.locator("#gate")).to_contain_text("goes to sandbox-model")
    assert sandbox.stats.by_endpoint["artists"] == 0

    await page.get_by_role("button", name="Agree and read").click()
    await filled(page)
    await expect(page.locator("#gate")).to_be_hidden()
    await asked(page)
    await answered(page)
    assert await page.evaluate("document.cookie") == ""

    await page.reload()
    await filled(page)
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("link", name="Connect Spotify").wait_for()
    await expect(page.locator(".turn")).to_have_count(0)


async def test_who_does_not_agree_is_out_and_nothing_was_read(
    visit: Open, service: Service, sandbox: Sandbox
) -> None:
    page = await visit(service)
    await agreed_at_spotify(page)
    await page.get_by_role("button", name="No, sign out").click()
    await page.get_by_role("link", name="Connect Spotify").wait_for()

    assert sandbox.stats.by_endpoint["artists"] == 0


async def test_who_cancels_reads_why_and_can_try_again(visit: Open, service: Service) -> None:
    page = await visit(service)
    await agreed_at_spotify(page, "Cancel")

    await expect(page.locator("#notice")).to_contain_text("You cancelled at Spotify")
    assert page.url == f"{service.url}/"
    await expect(page.get_by_role("link", name="Connect Spotify")).to_be_visible()


@pytest.mark.parametrize(("listener", "turns"), [(sandbox_token(), 1), (BORIS, 0)])
async def test_an_ended_session_keeps_the_words_for_the_same_listener_alone(
    visit: Open, service: Service, clock: Clock, listener: str, turns: int
) -> None:
    page = await visit(service)
    await agreed_at_spotify(page)
    await page.get_by_role("button", name="Agree and read").click()
    await filled(page)
    clock.now += 30 * 86_400
    await asked(page)
    await answered(page)
    await page.locator(".oops").get_by_role("button").first.click()

    await expect(page.locator("#notice")).to_contain_text("Connect again")
    await page.get_by_role("link", name="Connect Spotify").click()
    await page.locator("input[name=listener]").fill(listener)
    await page.get_by_role("button", name="Agree").click()
    await page.get_by_role("button", name="Agree and read").click()
    await filled(page)
    await expect(page.locator(".turn")).to_have_count(turns)


async def test_a_demo_lets_one_choose_who_listens(visit: Open, start: Start) -> None:
    service = await start(personas=PERSONAS)
    page = await filled(await visit(service))
    first = await page.locator("#sky-body").inner_text()
    await page.get_by_label("Listener").select_option("Demo: composers")

    await expect(page.locator("#sky-body")).not_to_have_text(first, use_inner_text=True)
    await asked(page)
    await answered(page)
    await expect(page.locator(".oops")).to_have_count(0)
