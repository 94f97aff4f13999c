"""The listener's side of the page: the chart, the lists, what is missing, how old it is."""

import re

import pytest
from playwright.async_api import Page, expect

from lyra.cli.demo_listener import PERSONAS
from lyra.sandbox import sandbox_token
from tests.browser.conftest import DEMO, Open, answered, asked, filled
from tests.conftest import APP, Service, Start
from tests.support.invented_listeners import read_invented
from tests.support.visitors import Clock


@pytest.fixture
async def demo(start: Start) -> Service:
    return await start(demo_token=DEMO)


async def test_a_visitor_sees_the_sky_the_lists_and_four_questions(
    demo: Service, visit: Open
) -> None:
    page = await filled(await visit(demo))

    assert await page.locator("#chart .bar").count() >= 10
    assert await page.locator("#chart .peak").count() == 1
    assert await page.locator(".rows").first.locator("li").count() == 5
    assert await page.locator("#starters button").count() == 4
    await expect(page.locator(".tag")).to_have_text("Demo")
    await expect(page.locator(".credit")).to_contain_text("Invented artists")


async def test_labels_say_what_is_known_of_the_lists(demo: Service, visit: Open) -> None:
    page = await filled(await visit(demo))
    headings = await page.locator("#sky-body h2").all_inner_texts()
    chart = await page.locator("#chart").get_attribute("aria-label")

    assert headings[:3] == [
        "Top tracks, Spotify\u2019s ranking",
        "Top artists, Spotify\u2019s ranking",
        "Last played, newest first",
    ]
    assert re.fullmatch(r"Playlists, (5 of \d+|the first 5)", headings[3])
    assert chart is not None
    told = re.match(r"(\d+) of the last (\d+) plays ended between (\d+):00 and (\d+):00, ", chart)
    assert told is not None
    most, plays, hour, end = map(int, told.groups())
    listening = await read_invented(35, "typical")
    ended = [await _local_hour(page, play.played_at) for play in listening.recently_played]
    assert (most, plays) == (ended.count(hour), len(ended))
    assert most == max(map(ended.count, ended))
    assert end == (hour + 1) % 24


async def _local_hour(page: Page, moment: str | None) -> int:
    hour: int = await page.evaluate("moment => new Date(moment).getHours()", moment)
    return hour


@pytest.mark.parametrize(
    ("token", "caption", "star"),
    [
        (sandbox_token(7, "no_scope_recent", "legacy"), "Recent plays were not read.", None),
        (sandbox_token(7, "no_scope_top", "legacy"), "Last plays by the hour", "top artists: not read"),
        (sandbox_token(7, "empty", "legacy"), "No recent plays.", "no top artists yet"),
    ],
    ids=["no plays read", "no artists read", "nothing"],
)  # fmt: skip
async def test_what_was_not_read_is_not_called_empty(
    start: Start, visit: Open, token: str, caption: str, star: str | None
) -> None:
    page = await visit(await start(demo_token=token))
    await page.locator(".credit").wait_for(state="attached")

    await expect(page.locator("#caption")).to_contain_text(caption)
    if star:
        await expect(page.locator("#chart .none")).to_have_text(star)


async def test_stars_light_one_by_one_and_a_missing_section_is_named(
    start: Start, visit: Open
) -> None:
    page = await visit(
        await start(
            demo_token=sandbox_token(7, "typical", "legacy", "slow-2500-recent", "scope-playlists")
        )
    )
    await expect(page.locator(".star.lit")).to_have_count(3)
    await expect(page.locator(".star.hollow")).to_have_count(1)
    await expect(page.locator(".star.wait")).to_have_count(1)
    await filled(page)

    await expect(page.locator(".gaps")).to_contain_text("playlists")
    await asked(page)
    await answered(page)
    await expect(page.locator(".oops")).to_have_count(0)


async def test_failed_sections_leave_hollow_stars_and_a_retry(start: Start, visit: Open) -> None:
    token = sandbox_token(7, "typical", "legacy", "503~1+5")
    page = await visit(await start(demo_token=token, spotify_timeout_s=1))
    await expect(page.locator("#notice")).to_contain_text("Spotify")
    await expect(page.locator(".star.hollow")).to_have_count(5)


async def test_the_age_of_what_was_read_is_told_and_can_be_renewed(
    start: Start, visit: Open
) -> None:
    clock = Clock()
    page = await filled(await visit(await start(demo_token=DEMO, clock=clock)))
    await expect(page.locator("#caption")).to_contain_text("Read with 5 Spotify calls.")
    clock.now += 25 * 60
    await page.reload()
    await expect(page.locator("#caption")).to_contain_text("Read 25 min ago.")
    await page.get_by_role("button", name="Refresh").click()

    await expect(page.locator("#caption")).to_contain_text("Read with 5 Spotify calls.")


async def test_forgotten_data_leaves_the_page_and_is_not_read_again(
    demo: Service, visit: Open
) -> None:
    page = await filled(await visit(demo))
    await asked(page)
    await answered(page)
    await page.get_by_role("button", name="Forget my data").click()
    await expect(page.locator("#gate")).to_contain_text("Nothing of you is held here")

    await expect(page.locator(".rows, .turn, #chart .bar")).to_have_count(0)
    assert await page.evaluate("sessionStorage.length") == 0
    assert demo.services.lyra.listeners.stats()["entries"] == 0
    await page.get_by_role("button", name="Read again").click()
    await filled(page)


@pytest.mark.parametrize(
    ("token", "stars", "told"),
    [
        (sandbox_token(35, "typical", "restricted"), 7, "Spotify sent no genres"),
        (sandbox_token(7, "one_artist", "legacy"), 2, "Stars are genres"),
        (sandbox_token(7, "heavy", "legacy"), 9, "Stars are genres"),
        (sandbox_token(7, "private_session", "legacy"), 9, "No recent plays."),
        (sandbox_token(7, "empty", "legacy"), 0, "No recent plays."),
    ],
    ids=["no genres", "one artist", "many genres", "no plays", "nothing"],
)
async def test_every_listener_has_a_sky(
    start: Start, visit: Open, token: str, stars: int, told: str
) -> None:
    page = await visit(await start(demo_token=token))
    await page.locator(".credit").wait_for(state="attached")

    await expect(page.locator("#chart .star")).to_have_count(stars)
    await expect(page.locator("#caption")).to_contain_text(told)
    if not stars:
        await expect(page.locator("#lede")).to_contain_text("Play something on Spotify")
    assert await _touching(page) == []


async def _touching(page: Page) -> list[str]:
    """Labels of the chart that overlap each other, or the rim."""
    found: list[str] = await page.evaluate(
        """() => {
            const labels = [...document.querySelectorAll("#chart text")];
            const boxes = labels.map((label) => label.getBoundingClientRect());
            const rim = document.querySelector("#chart .rim").getBoundingClientRect();
            const touch = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
            return labels.filter((_, i) => boxes.some((box, j) => j !== i && touch(boxes[i], box))
              || boxes[i].left < rim.left || boxes[i].right > rim.right).map((label) => label.textContent);
        }"""
    )
    return found


async def test_hostile_names_are_names(start: Start, visit: Open) -> None:
    page = await filled(await visit(await start(demo_token=sandbox_token(7, "odd", "legacy"))))
    await asked(page)
    await answered(page)
    body = page.locator("main")

    await expect(page.locator("#sky-body")).to_contain_text("</listening_data>")
    assert await body.locator("b, script, iframe").count() == 0
    sources = await body.locator("img").evaluate_all("all => all.map(image => image.src)")
    assert all(re.search(r"/demo/cover/[^/]+\.svg$", source) for source in sources)


async def test_a_demo_lets_one_choose_who_listens(visit: Open, start: Start) -> None:
    page = await filled(await visit(await start(personas=PERSONAS)))
    await asked(page)
    await answered(page)
    first = await page.locator("#sky-body").inner_text()
    await page.get_by_label("Listener").select_option("a lover of composers")

    await expect(page.locator("#sky-body")).not_to_have_text(first, use_inner_text=True)
    await expect(page.locator(".turn")).to_have_count(0)
    await asked(page)
    await answered(page)
    await expect(page.locator(".oops")).to_have_count(0)


async def test_a_demo_with_a_client_id_says_how_to_connect(visit: Open, start: Start) -> None:
    page = await filled(await visit(await start(demo_token=DEMO, spotify_client_id=APP)))
    await page.get_by_role("button", name="Connect Spotify").click()

    await expect(page.locator("#notice")).to_contain_text("lyra serve")
