"""The page, in a browser: what a listener sees, does, and is kept from."""

import asyncio
import re
from typing import Any

import pytest
from aiohttp import web
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from lyra.sandbox import sandbox_token
from tests.browser.conftest import DEMO, Open, answered, asked, filled
from tests.chat.scripted import event, opened, scripted_model, stopped, streaming, words
from tests.conftest import Service, Start
from tests.web.test_runs import Paused

HOSTILE = (
    "Look: <script>alert(1)</script> <img src=x onerror=alert(2)> ![pixel](https://evil.invalid/?q=1) "
    "[click](javascript:alert(3)) [data](data:text/html,x) [fine](https://example.org/a_(b)) **bold** `code`"
)


@pytest.fixture
async def demo(start: Start) -> Service:
    return await start(demo_token=DEMO)


async def turn_text(page: Page) -> str:
    return await page.locator(".turn:last-child .a").inner_text()


async def test_a_visitor_sees_the_sky_the_lists_and_four_questions(
    demo: Service, visit: Open
) -> None:
    page = await filled(await visit(demo))

    assert await page.locator("#chart .bar").count() >= 5
    assert await page.locator(".rows").first.locator("li").count() == 5
    assert await page.locator("#starters button").count() == 4
    await expect(page.locator("#who")).to_have_text("Demo listener")


async def test_the_stars_are_lit_one_by_one_and_a_missing_reading_is_named(
    start: Start, visit: Open
) -> None:
    demo = await start(
        demo_token=sandbox_token(7, "typical", "legacy", "slow-900-recent", "scope-playlists")
    )
    page = await visit(demo)
    await expect(page.locator(".star.lit")).to_have_count(3)
    await expect(page.locator(".star.hollow")).to_have_count(1)
    await filled(page)

    await expect(page.locator(".gaps")).to_contain_text("playlists")


async def test_the_policy_forbids_text_that_becomes_markup(demo: Service, visit: Open) -> None:
    page = await visit(demo)
    refused = await page.evaluate(
        "() => { try { document.createElement('b').innerHTML = '<i>'; return '' } catch (e) { return e.name } }"
    )

    assert refused == "TypeError"
    assert len(await page.evaluate("window.broken.splice(0)")) == 1


async def test_an_answer_grows_in_place_and_ends_with_cards_and_a_receipt(
    demo: Service, visit: Open
) -> None:
    page = await filled(await visit(demo))
    await asked(page)
    await answered(page)

    await expect(page.locator(".turn .receipt")).to_contain_text("0 Spotify calls, first word")
    assert await page.locator(".shelf li").count() >= 3
    await page.locator(".why summary").click()
    await expect(page.locator(".why li").first).to_contain_text("top artists")


async def test_a_finished_block_is_never_touched_again_and_half_a_mark_never_shows(
    start: Start, visit: Open
) -> None:
    model = Steps(
        "First *paragraph*.\n\n", "Now **bo", "ld** and [a lin", "k](https://example.org) end."
    )
    async with scripted_model(model) as served:
        page = await filled(await visit(await start(demo_token=DEMO, llm_base_url=served.url)))
        await asked(page)
        await page.locator(".a p:not(.wait)").first.wait_for()
        await page.evaluate("window.first = document.querySelector('.a p')")
        for shown in ("Now bo", "Now bold and a lin"):
            model.step.release()
            await expect(page.locator(".a")).to_contain_text(shown)
            assert not re.search(r"\*\*|\]\(|\[a", await turn_text(page))
        model.step.release()
        await answered(page)

    assert await page.evaluate("window.first === document.querySelector('.a p')")
    assert await turn_text(page) == "First paragraph.\n\nNow bold and a link end."


class Steps:
    """Says one piece after another, each when it is told to."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = pieces
        self.step = asyncio.Semaphore(1)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        response = await opened(request)
        for piece in self.pieces:
            await self.step.acquire()
            await response.write(words(piece))
        await response.write(stopped())
        return response


async def test_a_hostile_answer_stays_words(start: Start, visit: Open) -> None:
    async with scripted_model(streaming(words(HOSTILE), stopped())) as served:
        page = await filled(await visit(await start(demo_token=DEMO, llm_base_url=served.url)))
        await asked(page)
        await answered(page)

    answer = page.locator(".turn .a")
    assert await answer.locator("img, script, iframe").count() == 0
    links = await answer.locator("a").evaluate_all("all => all.map(a => [a.href, a.rel])")
    assert links == [["https://example.org/a_(b)", "noopener noreferrer"]]
    await expect(answer).to_contain_text("<script>alert(1)</script>")


async def test_stop_keeps_the_words_and_the_next_question_can_be_asked(
    start: Start, visit: Open
) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        page = await filled(await visit(await start(demo_token=DEMO, llm_base_url=served.url)))
        await asked(page)
        await expect(page.locator(".a")).to_contain_text("Before")
        await expect(page.locator("#send")).to_have_text("Stop")
        await page.keyboard.press("Escape")
        await model.left.wait()
        await expect(page.locator(".foot")).to_contain_text("Stopped.")

    await expect(page.locator("#send")).to_have_text("Send")
    await expect(page.locator("#ask")).to_be_focused()
    assert await turn_text(page) == "Before"


async def test_an_answer_that_was_running_is_read_on_after_a_reload(
    start: Start, visit: Open
) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        page = await filled(await visit(await start(demo_token=DEMO, llm_base_url=served.url)))
        await asked(page)
        await expect(page.locator(".a")).to_contain_text("Before")
        await page.reload()
        model.go_on.set()
        await answered(page)

    assert await turn_text(page) == "Before and after."
    assert len(served.sent) == 1


async def test_a_failure_in_the_middle_keeps_the_words_and_can_be_tried_again(
    start: Start, visit: Open
) -> None:
    error = event("error", error={"type": "overloaded_error", "message": "x"})
    replies = (streaming(words("Half an"), error), streaming(words("A whole answer."), stopped()))
    async with scripted_model(*replies) as served:
        page = await filled(await visit(await start(demo_token=DEMO, llm_base_url=served.url)))
        await asked(page)
        await answered(page)
        assert await turn_text(page) == "Half an"
        await page.locator(".oops button").click()
        await expect(page.locator(".a")).to_have_text("A whole answer.")

    assert len(served.sent) == 2


async def test_too_many_questions_show_a_countdown(start: Start, visit: Open) -> None:
    page = await filled(await visit(await start(demo_token=DEMO, rate_per_minute=1)))
    for question in ("One?", "Two?"):
        await asked(page, question)
        await answered(page)

    await expect(page.locator(".oops button")).to_be_disabled()
    await expect(page.locator(".oops button")).to_contain_text(re.compile(r"Try again in \d+ s"))


async def test_offline_is_said_and_forgotten_when_the_network_is_back(
    demo: Service, visit: Open
) -> None:
    page = await filled(await visit(demo))
    await page.context.set_offline(True)
    await expect(page.locator("#notice")).to_contain_text("You are offline.")
    await page.context.set_offline(False)
    await expect(page.locator("#notice")).to_be_hidden()


async def test_the_keyboard_is_enough(demo: Service, visit: Open) -> None:
    page = await filled(await visit(demo))
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await page.locator("body").press("/")
    await expect(page.locator("#ask")).to_be_focused()
    await page.keyboard.type("One")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("two")
    await page.keyboard.press("Enter")
    await expect(page.locator(".q")).to_have_text("One\ntwo")
    await answered(page)
    await page.keyboard.press("ArrowUp")

    await expect(page.locator("#ask")).to_have_value("One\ntwo")


async def test_the_next_question_carries_the_conversation(start: Start, visit: Open) -> None:
    async with scripted_model(streaming(words("An answer."), stopped())) as served:
        page = await filled(await visit(await start(demo_token=DEMO, llm_base_url=served.url)))
        for question in ("One?", "Two?"):
            await asked(page, question)
            await answered(page)

    assert b'"An answer."' in served.sent[1]
    assert b'"One?"' in served.sent[1]


async def test_a_screen_reader_hears_the_beginning_and_the_whole_answer(
    demo: Service, visit: Open
) -> None:
    page = await filled(await visit(demo))
    await page.evaluate(
        "() => { window.said = []; new MutationObserver(() => said.push(document.querySelector('#live').textContent))"
        ".observe(document.querySelector('#live'), {childList: true}); }"
    )
    await asked(page)
    await answered(page)
    await expect(page.locator(".a")).to_have_attribute("aria-busy", "false")
    said = await page.evaluate("window.said")

    assert len(said) == 2
    assert said[0] == "Lyra is answering."
    assert said[1].startswith("Your top artist")


@pytest.mark.parametrize(
    "look", [{}, {"dark": True}, {"width": 390, "height": 844}], ids=["light", "dark", "phone"]
)
async def test_axe_finds_nothing(demo: Service, visit: Open, look: dict[str, Any]) -> None:
    page = await filled(await visit(demo, reduced_motion="reduce", **look))
    await asked(page)
    await answered(page)
    await page.locator(".why summary").click()
    found = await Axe().run(page)

    assert [(rule["id"], len(rule["nodes"])) for rule in found.response["violations"]] == []


async def test_a_narrow_screen_needs_no_sideways_scrolling(demo: Service, visit: Open) -> None:
    page = await filled(await visit(demo, width=320, height=568))
    await asked(page)
    await answered(page)

    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    box = await page.locator("#send").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 568
    await page.locator("#fold").click()
    await expect(page.locator("#sky-body")).to_be_visible()


async def test_reduced_motion_runs_no_animation(demo: Service, visit: Open) -> None:
    page = await visit(demo, reduced_motion="reduce")

    assert await page.evaluate("document.getAnimations().length") == 0


async def test_the_theme_survives_a_reload(demo: Service, visit: Open) -> None:
    page = await filled(await visit(demo))
    await page.locator("#theme").click()
    await page.locator("#theme").click()
    await page.reload()

    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")


async def test_a_token_stays_in_a_header(start: Start, visit: Open) -> None:
    service, token = await start(), sandbox_token(9)
    page = await visit(service)
    await page.locator("#token").fill(token)
    await page.keyboard.press("Enter")
    await filled(page)
    stored = await page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, location.href])"
    )

    assert token not in stored
    assert await page.locator("#token").input_value() == ""


async def test_a_refused_token_asks_for_another(start: Start, visit: Open) -> None:
    page = await visit(await start())
    await page.locator("#token").fill(sandbox_token(9, "expired"))
    await page.keyboard.press("Enter")

    await expect(page.locator("#enter-why")).to_contain_text("Log in again")


async def test_going_up_is_respected_while_words_come(start: Start, visit: Open) -> None:
    pieces = [f"Line {number} of a long answer.\n\n" for number in range(80)]
    model = Steps("".join(pieces[:60]), *pieces[60:])
    async with scripted_model(model) as served:
        page = await filled(await visit(await start(demo_token=DEMO, llm_base_url=served.url)))
        await asked(page)
        await expect(page.locator(".a")).to_contain_text("Line 59")
        await page.mouse.move(800, 300)
        await page.mouse.wheel(0, -400)
        await expect(page.locator("#latest")).to_be_visible()
        before = await page.evaluate("document.querySelector('#scroller').scrollTop")
        for _ in pieces[60:]:
            model.step.release()
        await answered(page)
        after = await page.evaluate("document.querySelector('#scroller').scrollTop")
        await page.locator("#latest").click()
        await expect(page.locator("#latest")).to_be_hidden()

    assert abs(after - before) <= 1


async def test_the_page_is_light_and_its_files_are_kept_for_ever(
    demo: Service, visit: Open
) -> None:
    page = await visit(demo)
    sizes: list[int] = []
    kept: list[str] = []

    async def weigh(response: Any) -> None:
        if "/static/" in response.url:
            kept.append(response.headers["cache-control"])
            sizes.append(int((await response.request.sizes())["responseBodySize"]))

    page.on("response", weigh)
    await page.evaluate("caches.keys()")
    await page.goto(f"{demo.url}/?again", wait_until="networkidle")

    assert set(kept) == {"public, max-age=31536000, immutable"}
    assert sum(sizes) <= 24_000


async def test_without_scripts_the_page_says_what_to_type(demo: Service, visit: Open) -> None:
    context = (await visit(demo)).context.browser
    assert context is not None
    page = await context.new_page(java_script_enabled=False)
    await page.goto(demo.url)

    assert "curl -sN" in await page.content()
    await page.context.close()
