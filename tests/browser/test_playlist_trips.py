"""To Spotify and back to a proposed playlist; and to one from a link, or with another token."""

import pytest
from playwright.async_api import Page, expect

from lyra.sandbox import Sandbox, sandbox_token
from tests.browser.conftest import DEMO, Open, agree_at_spotify, answered, asked, filled
from tests.browser.test_playlists import QUESTION, act, listed, shown, uris_of
from tests.conftest import APP, Service, Start

ASKS = (
    "Spotify asks you once to let Lyra make playlists. Then you are back here, and this is saved."
)
READS_ONLY = (
    "user-top-read user-read-recently-played playlist-read-private playlist-read-collaborative"
)


@pytest.fixture
async def service(start: Start) -> Service:
    return await start(spotify_client_id=APP)


async def propose(page: Page) -> None:
    """Ask for a playlist, and wait until it is shown."""
    await asked(page, QUESTION)
    await answered(page)
    await shown(page)


async def logged_in(visit: Open, service: Service) -> Page:
    """A listener's page whose log-in may not make playlists, with one proposed."""
    page = await visit(service)
    await agree_at_spotify(page)
    await page.get_by_role("button", name="Agree and read").click()
    await propose(await filled(page))
    return page


async def edited(page: Page) -> list[str]:
    """Name the playlist, and take its first song out; return the songs that are left."""
    await act(page, "Edit list").click()
    await page.get_by_label("Name", exact=True).fill("Mine")
    await page.locator(".proposal .rows li").first.get_by_role("button", name="Take out").click()
    await act(page, "Done").click()
    return await listed(page)


async def to_spotify(page: Page) -> None:
    """Save, read why Spotify has to be asked, and go there."""
    await act(page, "Save to Spotify").click()
    await expect(page.locator(".said")).to_have_text(ASKS)
    await page.locator(".proposal").get_by_role("link", name="Go to Spotify").click()
    await page.get_by_role("heading", name="Sandbox login").wait_for()


async def stored(page: Page) -> list[str]:
    names: list[str] = await page.evaluate("Object.keys({...sessionStorage})")
    return names


async def test_what_was_to_be_saved_is_saved_on_the_way_back_from_spotify(
    visit: Open, service: Service, sandbox: Sandbox
) -> None:
    page = await logged_in(visit, service)
    answer = await page.locator(".a").inner_text()
    songs = await edited(page)
    await to_spotify(page)
    assert sandbox.made_playlists() == []
    await page.get_by_role("button", name="Agree").click()

    await expect(page.locator(".said")).to_contain_text(f"Saved: {len(songs)} songs")
    assert page.url == f"{service.url}/"
    await expect(page.locator("#notice")).to_be_hidden()
    await expect(page.locator(".q")).to_have_text(QUESTION)
    assert await page.locator(".a").inner_text() == answer
    await expect(page.locator(".proposal h3")).to_have_text("Mine")
    await expect(page.locator(".proposal h3")).to_be_in_viewport()
    await expect(page.get_by_role("link", name="Open in Spotify")).to_be_focused()
    assert await listed(page) == songs
    (made,) = sandbox.made_playlists()
    assert (made.name, made.uris) == ("Mine", await uris_of(page))


@pytest.mark.parametrize("way", ["cancelled", "less granted"])
async def test_who_comes_back_without_it_finds_all_as_it_was_and_nothing_saved(
    visit: Open, service: Service, sandbox: Sandbox, way: str
) -> None:
    page = await logged_in(visit, service)
    songs = await edited(page)
    await to_spotify(page)
    if way == "cancelled":
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.locator("#notice")).to_contain_text("You cancelled at Spotify")
    else:
        scope = page.locator("input[name=scope]")
        await scope.evaluate("(input, value) => { input.value = value; }", READS_ONLY)
        await page.get_by_role("button", name="Agree").click()
        await expect(page.locator("#notice")).to_contain_text("does not let Lyra save playlists")

    await expect(act(page, "Save to Spotify")).to_be_focused()
    assert page.url == f"{service.url}/"
    assert await listed(page) == songs
    await expect(page.locator(".proposal h3")).to_have_text("Mine")
    assert sandbox.made_playlists() == []
    assert await stored(page) == ["chat"]
    await to_spotify(page)


async def test_a_later_visit_saves_nothing_by_itself(
    visit: Open, service: Service, sandbox: Sandbox
) -> None:
    """The page was left for Spotify, and opened again without an answer from there."""
    page = await logged_in(visit, service)
    await to_spotify(page)
    await page.goto(service.url)
    await expect(act(page, "Save to Spotify")).to_be_focused()

    await page.goto(f"{service.url}/?login=playlists")
    await expect(page.locator("#notice")).to_contain_text("Nothing is saved before you say so")
    await shown(page)
    assert sandbox.made_playlists() == []


async def test_another_listener_finds_nothing_of_it(
    visit: Open, service: Service, sandbox: Sandbox
) -> None:
    other = sandbox_token(8, "typical")
    page = await logged_in(visit, service)
    await to_spotify(page)
    await page.locator("input[name=listener]").fill(other)
    await page.get_by_role("button", name="Agree").click()
    await page.get_by_role("button", name="Agree and read").click()
    await filled(page)

    await expect(page.locator(".turn")).to_have_count(0)
    assert await stored(page) == []
    assert sandbox.made_playlists() == sandbox.made_playlists(other) == []


@pytest.mark.parametrize("way", ["New chat", "Forget my data", "Sign out"])
async def test_nothing_of_it_is_kept_by_the_browser_afterwards(
    visit: Open, service: Service, way: str
) -> None:
    page = await logged_in(visit, service)
    await page.evaluate("sessionStorage.trip = '{}'")
    assert await stored(page) == ["chat", "trip"]
    await page.get_by_role("button", name=way).click()
    if way == "New chat":
        await expect(page.locator(".turn")).to_have_count(0)
    elif way == "Forget my data":
        await page.get_by_role("button", name="Read again").wait_for()
    else:
        await page.get_by_role("link", name="Connect Spotify").wait_for()

    assert await stored(page) == []


async def proposal_id(page: Page) -> str:
    name: str = await page.evaluate("JSON.parse(sessionStorage.chat).turns[0].playlist.id")
    return name


async def test_a_link_shows_its_proposal(visit: Open, service: Service) -> None:
    page = await logged_in(visit, service)
    songs, name = await listed(page), await proposal_id(page)
    other = await page.context.new_page()
    await other.goto(f"{service.url}/?playlist={name}")
    await shown(other)

    assert await listed(other) == songs
    await expect(act(other, "Save to Spotify")).to_be_focused()
    assert other.url == f"{service.url}/"
    await other.reload()
    await shown(other)
    assert await listed(other) == songs


async def test_a_link_leads_there_through_the_log_in(visit: Open, service: Service) -> None:
    page = await logged_in(visit, service)
    songs, name = await listed(page), await proposal_id(page)
    other = await visit(service, f"/?playlist={name}")
    await agree_at_spotify(other)
    await other.get_by_role("button", name="Agree and read").click()
    await shown(other)

    assert await listed(other) == songs


async def test_a_link_to_what_is_not_there_says_so(start: Start, visit: Open) -> None:
    page = await filled(await visit(await start(demo_token=DEMO), "/?playlist=%3Cb%3E"))

    await expect(page.locator("#notice")).to_contain_text("it has expired, or was proposed to")
    await expect(page.locator(".turn")).to_have_count(0)


async def test_a_pasted_token_without_the_scope_gives_way_to_one_that_has_it(
    start: Start, visit: Open, sandbox: Sandbox
) -> None:
    page = await visit(await start())
    narrow, wide = (
        sandbox.log_in(scope=f"{READS_ONLY}{more}") for more in ("", " playlist-modify-private")
    )
    await page.locator("#token").fill(narrow["access_token"])
    await page.keyboard.press("Enter")
    await propose(await filled(page))
    await act(page, "Save to Spotify").click()
    await expect(page.locator(".said")).to_contain_text(
        "it lacks the scope playlist-modify-private. Paste one that has it."
    )
    await act(page, "Paste another token").click()
    await expect(page.locator("#token")).to_be_focused()
    await page.locator("#token").fill(wide["access_token"])
    await page.keyboard.press("Enter")
    await expect(page.locator("#gate")).to_be_hidden()
    await expect(page.locator(".turn")).to_have_count(1)
    await act(page, "Save to Spotify").click()

    await expect(page.locator(".said")).to_contain_text("Saved:")
    assert len(sandbox.made_playlists()) == 1
