"""For everyone: keyboards, input methods, screen readers, small screens, no scripts."""

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.conftest import DEMO, Chat, Open, answered, asked, filled
from tests.conftest import Service, Start
from tests.support.browser_steps import Steps


@pytest.fixture
async def demo(start: Start) -> Service:
    return await start(demo_token=DEMO)


async def test_the_keyboard_is_enough(demo: Service, visit: Open) -> None:
    page = await filled(await visit(demo))
    order = []
    for _ in range(5):
        await page.keyboard.press("Tab")
        order.append(await page.evaluate("document.activeElement.id"))
    assert order == ["", "who", "theme", "api", order[-1]]
    await page.keyboard.press("Shift+Tab")
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


async def test_the_first_stop_leads_to_the_box(demo: Service, visit: Open) -> None:
    page = await filled(await visit(demo))
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip vh"
    await page.keyboard.press("Enter")

    await expect(page.locator("#ask")).to_be_focused()


@pytest.mark.parametrize("sign", [{"isComposing": True}, {"keyCode": 229}])
async def test_enter_that_ends_a_composed_word_sends_nothing(
    demo: Service, visit: Open, sign: dict[str, Any]
) -> None:
    page = await filled(await visit(demo))
    await page.locator("#ask").fill("半分")
    enter = {"key": "Enter", "bubbles": True, "cancelable": True, **sign}
    await page.locator("#ask").evaluate(
        "(box, enter) => box.dispatchEvent(new KeyboardEvent('keydown', enter))", enter
    )
    await expect(page.locator(".turn")).to_have_count(0)
    await page.keyboard.press("Enter")

    await expect(page.locator(".q")).to_have_text("半分")
    await answered(page)


async def test_a_screen_reader_gets_the_beginning_and_the_whole_answer(chat: Chat) -> None:
    model = Steps("Your **top** artist", " is `one` of [many](https://example.org).")
    page, _ = await chat(model)
    await page.evaluate(
        "() => { window.said = []; new MutationObserver(() => said.push(document.querySelector('#live').textContent))"
        ".observe(document.querySelector('#live'), {childList: true}); }"
    )
    await asked(page)
    await expect(page.locator(".a")).to_have_attribute("aria-busy", "true")
    model.finish()
    await answered(page)
    await expect(page.locator(".a")).to_have_attribute("aria-busy", "false")

    assert await page.evaluate("window.said") == [
        "Lyra is answering.",
        "Your top artist is one of many.",
    ]


LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"dark": True},
    "phone": {"width": 390, "height": 844, "has_touch": True},
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
async def test_axe_finds_nothing(demo: Service, visit: Open, look: dict[str, Any]) -> None:
    page = await filled(await visit(demo, reduced_motion="reduce", **look))
    found = await Axe().run(page)
    assert _violations(found) == []
    await asked(page)
    await answered(page)
    await page.locator(".why summary").click()
    assert _violations(await Axe().run(page)) == []
    if "width" in look:
        await page.locator("#fold").click()
        assert _violations(await Axe().run(page)) == []


def _violations(found: Any) -> list[tuple[str, Any]]:
    return [
        (rule["id"], [node["target"] for node in rule["nodes"]])
        for rule in found.response["violations"]
    ]


TARGETS = """() => [...document.querySelectorAll("button, a, summary, select, input, textarea")]
  .filter((each) => each.checkVisibility({ visibilityProperty: true }) && !each.matches(".skip"))
  .map((each) => [each.textContent.slice(0, 30), each.getBoundingClientRect()])
  .filter(([, box]) => box.height < 24 || box.width < 24 || box.right > innerWidth + 1).map(([text]) => text)"""


async def _fits(page: Page) -> None:
    """Nothing is wider than the screen; everything to press is large enough."""
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert await page.evaluate(TARGETS) == []


@pytest.mark.parametrize("size", [(320, 568), (390, 844), (1440, 900)], ids=str)
async def test_every_screen_is_wide_enough(
    demo: Service, visit: Open, size: tuple[int, int]
) -> None:
    page = await filled(await visit(demo, width=size[0], height=size[1]))
    await _fits(page)
    await asked(page)
    await answered(page)
    await _fits(page)
    box = await page.locator("#send").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= size[1]


async def test_on_a_phone_the_sky_is_a_sheet_over_the_chat(demo: Service, visit: Open) -> None:
    page = await filled(await visit(demo, width=320, height=568))
    await page.locator("#fold").click()
    await expect(page.locator("#sky-body")).to_be_visible()
    await expect(page.locator("#ask")).to_be_hidden()
    await _fits(page)
    await page.keyboard.press("Escape")

    await expect(page.locator("#ask")).to_be_visible()
    await expect(page.locator("#fold")).to_be_focused()
    await expect(page.locator("#fold")).to_have_attribute("aria-expanded", "false")


async def test_reduced_motion_runs_no_animation(start: Start, visit: Open) -> None:
    slow = DEMO + ".slow-900-recent"
    page = await visit(await start(demo_token=slow), reduced_motion="reduce")
    await page.locator(".star.wait").first.wait_for()
    assert await page.evaluate("document.getAnimations().length") == 0
    await page.emulate_media(reduced_motion="no-preference")

    assert await page.evaluate("document.getAnimations().length") > 0
    await filled(page)


async def test_colours_of_the_system_reach_the_chart(demo: Service, visit: Open) -> None:
    page = await filled(await visit(demo, forced_colors="active"))
    fill = "getComputedStyle(document.querySelector('#chart .rim')).fill"
    ground = "getComputedStyle(document.body).backgroundColor"

    assert await page.evaluate(fill) == await page.evaluate(ground)
    send = "(({ backgroundColor, color }) => [backgroundColor, color])(getComputedStyle(document.querySelector('#send')))"
    behind, words = await page.evaluate(send)
    assert behind != words


async def test_the_theme_survives_a_reload(demo: Service, visit: Open) -> None:
    page = await filled(await visit(demo))
    await page.locator("#theme").click()
    await page.locator("#theme").click()
    await page.reload()

    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert await page.evaluate(ground) == "rgb(7, 19, 34)"


async def test_without_scripts_the_page_says_what_to_type(demo: Service, visit: Open) -> None:
    browser = (await visit(demo)).context.browser
    assert browser is not None
    page = await browser.new_page(java_script_enabled=False)
    await page.goto(demo.url)

    await expect(page.locator("noscript pre")).to_contain_text("curl -sN")
    await expect(page.locator("#starters")).to_be_hidden()
    await page.context.close()


@pytest.mark.parametrize(
    "refusal", ["get() { throw new DOMException('no', 'SecurityError'); }", "value: null"]
)
async def test_the_page_works_where_the_browser_stores_nothing(
    start: Start, visit: Open, refusal: str
) -> None:
    """As with all cookies blocked, where even a look at localStorage throws."""
    service = await start(demo_token=DEMO)
    stores = ("localStorage", "sessionStorage")
    script = "".join(
        f"Object.defineProperty(window, '{store}', {{ {refusal} }});" for store in stores
    )
    page = await visit(service, script=script)
    await filled(page)
    await page.get_by_role("button", name="Theme").click()
    await asked(page, "Which artists do I listen to most?")
    await answered(page)

    assert await page.evaluate("document.documentElement.dataset.theme") == "light"


@pytest.mark.parametrize("width", [320, 390])
async def test_a_failures_sentence_and_both_its_buttons_fit_a_phone(
    start: Start, visit: Open, width: int
) -> None:
    """The sentence is not squeezed into a column beside the buttons, whatever stands in it."""
    service = await start(demo_token=DEMO + ".503")
    page = await visit(service, width=width, height=568)
    notice = page.locator("#notice")
    for words in ("", " http://a-host-with-a-long-name.of-somebody.example/and/a/path"):
        await notice.locator("p").evaluate("(it, words) => it.append(words)", words)
        for name in ("Try again", "Dismiss"):
            await expect(notice.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
        await _fits(page)
        text = await notice.locator("p").bounding_box()
        assert text is not None
        assert text["width"] > width * 0.75
