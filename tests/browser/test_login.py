"""The whole log-in in a real browser, at the sandbox's accounts server; and a token by hand."""

import pytest
from playwright.async_api import expect

from lyra.sandbox import Sandbox, sandbox_token
from tests.browser.conftest import Open, agree_at_spotify, answered, asked, filled
from tests.conftest import APP, Service, Start
from tests.support.visitors import BORIS, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def service(start: Start, clock: Clock) -> Service:
    return await start(clock=clock, spotify_client_id=APP)


async def test_from_connect_to_an_answer_and_out_again(
    visit: Open, service: Service, sandbox: Sandbox
) -> None:
    page = await visit(service)
    await agree_at_spotify(page)
    host = sandbox.llm_url.removeprefix("http://")
    gate = page.locator("#gate")
    await expect(gate).to_contain_text(f"goes to sandbox-model at {host}:")
    for more in ("favourites of other times", "tracks of your own playlists", "Your time zone"):
        await expect(gate).to_contain_text(more)
    await expect(page.locator("#who")).to_have_text("Connected")  # by no name yet
    assert sandbox.stats.by_endpoint["artists"] == 0

    await page.get_by_role("button", name="Agree and read").click()
    await filled(page)
    await expect(page.locator("#gate")).to_be_hidden()
    await expect(page.locator("#who")).not_to_have_text("Connected")
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
    await agree_at_spotify(page)
    await page.get_by_role("button", name="No, sign out").click()
    await page.get_by_role("link", name="Connect Spotify").wait_for()

    assert sandbox.stats.by_endpoint["artists"] == 0


async def test_who_cancels_reads_why_and_can_try_again(visit: Open, service: Service) -> None:
    page = await visit(service)
    await agree_at_spotify(page, "Cancel")

    await expect(page.locator("#notice")).to_contain_text("You cancelled at Spotify")
    assert page.url == f"{service.url}/"
    await expect(page.get_by_role("link", name="Connect Spotify")).to_be_visible()


@pytest.mark.parametrize(("listener", "turns"), [(sandbox_token(), 2), (BORIS, 0)])
async def test_a_kept_question_is_sent_for_the_same_listener_only(
    visit: Open, service: Service, clock: Clock, listener: str, turns: int
) -> None:
    """It was asked when the session had ended, and another listener may log in."""
    page = await visit(service)
    await agree_at_spotify(page)
    await page.get_by_role("button", name="Agree and read").click()
    await filled(page)
    await asked(page, "One?")
    await answered(page)
    clock.now += 30 * 86_400
    await asked(page, "Two?")
    await answered(page)
    await expect(page.locator(".oops")).to_contain_text("Connect again")
    await page.get_by_role("link", name="Connect Spotify").click()
    await page.locator("input[name=listener]").fill(listener)
    await page.get_by_role("button", name="Agree").click()
    await expect(page.locator(".turn")).to_have_count(0)
    await page.get_by_role("button", name="Agree and read").click()
    await filled(page)

    await expect(page.locator(".turn")).to_have_count(turns)
    await expect(page.locator(".receipt")).to_have_count(turns)
    await expect(page.locator(".oops")).to_have_count(0)


async def test_who_signs_out_in_one_tab_is_out_in_the_other(visit: Open, service: Service) -> None:
    page = await visit(service)
    await agree_at_spotify(page)
    await page.get_by_role("button", name="Agree and read").click()
    await filled(page)
    other = await page.context.new_page()
    await other.goto(service.url)
    await filled(other)
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("link", name="Connect Spotify").wait_for()
    await asked(other)

    await other.get_by_role("link", name="Connect Spotify").wait_for()
    await expect(other.locator(".q")).to_have_count(1)


async def test_a_missing_scope_can_be_granted_from_where_it_is_missed(
    visit: Open, service: Service
) -> None:
    page = await visit(service)
    await page.get_by_role("link", name="Connect Spotify").click()
    await page.locator("input[name=listener]").fill(sandbox_token(7, "no_scope_playlists"))
    await page.get_by_role("button", name="Agree").click()
    await page.get_by_role("button", name="Agree and read").click()
    await filled(page)

    await page.locator(".gaps").get_by_role("link", name="Connect again").click()
    await page.get_by_role("heading", name="Sandbox login").wait_for()


async def test_localhost_leads_to_the_address_that_spotify_knows(
    visit: Open, service: Service
) -> None:
    page = await visit(service)
    await page.goto(service.url.replace("127.0.0.1", "localhost"))

    assert page.url == f"{service.url}/"


async def test_a_token_stays_in_a_header(start: Start, visit: Open) -> None:
    service, token = await start(), sandbox_token(9)
    page = await visit(service)
    await expect(page.locator("#gate")).to_contain_text("goes to sandbox-model")
    await page.locator("#token").fill(token)
    await page.keyboard.press("Enter")
    await filled(page)
    await asked(page)
    await answered(page)
    stored = await page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, location.href])"
    )

    assert token not in stored
    await expect(page.locator("#token")).to_have_count(0)


async def test_a_refused_token_asks_for_another(start: Start, visit: Open) -> None:
    page = await visit(await start())
    await page.locator("#token").fill(sandbox_token(9, "expired"))
    await page.keyboard.press("Enter")

    await expect(page.locator("#gate p").first).to_contain_text("Log in again")


async def test_a_token_that_ends_in_the_middle_costs_no_question(
    start: Start, visit: Open, clock: Clock
) -> None:
    page = await visit(await start(clock=clock))
    await page.locator("#token").fill(sandbox_token(9, "revoked_midway"))
    await page.keyboard.press("Enter")
    await filled(page)
    clock.now += 3600
    await asked(page)
    await page.locator("#token").fill(sandbox_token(9, "typical"))
    await page.keyboard.press("Enter")
    await filled(page)

    await expect(page.locator(".turn")).to_have_count(0)
