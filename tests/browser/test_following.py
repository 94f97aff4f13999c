"""The view follows the words until the reader goes up, and only then stays."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Chat, answered, asked
from tests.support.browser_steps import Steps

LINES = [f"Line {number} of a long answer.\n\n" for number in range(80)]
TOP = "document.querySelector('#scroller').scrollTop"
GAP = "(() => { const b = document.querySelector('#scroller'); return b.scrollHeight - b.scrollTop - b.clientHeight; })()"

REST = """new Promise((done) => {
  const box = document.querySelector("#scroller");
  let last = -1, still = 0;
  const look = () => {
    still = box.scrollTop === last ? still + 1 : 0;
    last = box.scrollTop;
    if (still < 10) requestAnimationFrame(look); else done(last);
  };
  look();
})"""


async def up(page: Page, how: str) -> None:
    """Go up by a few hundred pixels."""
    if how == "wheel":
        await page.mouse.move(800, 300)
        await page.mouse.wheel(0, -400)
    elif how == "keys":
        await page.locator("#scroller").focus()
        await page.keyboard.press("PageUp")
    else:
        finger = await page.context.new_cdp_session(page)
        for kind, y in [("touchStart", 200), *(("touchMove", y) for y in range(220, 600, 20))]:
            point = {"x": 700, "y": y}
            await finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        await finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize("how", ["wheel", "keys", "touch"])
async def test_going_up_is_respected_while_words_come(chat: Chat, how: str) -> None:
    model = Steps("".join(LINES[:60]), *LINES[60:])
    page, _ = await chat(model, has_touch=True)
    await asked(page)
    await expect(page.locator(".a")).to_contain_text("Line 59")
    await expect(page.locator("#latest")).to_be_hidden()
    await up(page, how)
    await expect(page.locator("#latest")).to_be_visible()
    before = await page.evaluate(REST)
    model.go_on(10)
    await expect(page.locator(".a")).to_contain_text("Line 69")
    assert abs(await page.evaluate(TOP) - before) <= 1

    await page.locator("#latest").click()
    await expect(page.locator("#latest")).to_be_hidden()
    model.go_on(9)
    await expect(page.locator(".a")).to_contain_text("Line 78")
    assert await page.evaluate(GAP) < 24
    model.finish()
    await answered(page)


async def test_when_the_answer_ends_the_view_does_not_move(chat: Chat) -> None:
    model = Steps("".join(LINES))
    page, _ = await chat(model)
    await asked(page)
    await expect(page.locator(".a")).to_contain_text("Line 79")
    before = await page.evaluate(TOP)
    assert before > 0
    model.finish()
    await answered(page)

    assert abs(await page.evaluate(TOP) - before) <= 1
    await expect(page.locator("#latest")).to_be_hidden()


async def test_before_the_first_question_the_page_begins_at_its_top(chat: Chat) -> None:
    page, _ = await chat(Steps("Words."), width=320, height=568)

    assert await page.evaluate(TOP) == 0


async def test_nothing_shifts_while_words_come(chat: Chat) -> None:
    model = Steps(*LINES)
    page, _ = await chat(model)
    await page.evaluate(
        "() => { window.shifts = []; new PerformanceObserver((seen) => shifts.push(...seen.getEntries()"
        ".filter((each) => !each.hadRecentInput).map((each) => each.value))).observe({type: 'layout-shift'}); }"
    )
    await asked(page)
    for line in range(1, len(LINES)):
        model.go_on()
        await expect(page.locator(".a")).to_contain_text(f"Line {line} of")
    model.finish()
    await answered(page)

    assert await page.evaluate("window.shifts") == []
