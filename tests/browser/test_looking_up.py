"""Answers for which music is looked up: what is seen meanwhile, what is new, what it has cost."""

import re
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from lyra.sandbox import sandbox_token
from lyra.sandbox.catalogue import ARTISTS, artist, track
from lyra.sandbox.rng import spotify_id
from tests.browser.conftest import DEMO, Chat, Open, answered, asked, filled, turn_text
from tests.browser.test_everyone import LOOKS
from tests.conftest import Service, Start
from tests.support.browser_steps import Steps
from tests.support.invented_listeners import read_invented
from tests.support.scripted_model import (
    Reply,
    scripted_model,
    stopped,
    streaming,
    tool_use,
    words,
)
from tests.support.waits import until

QUESTION = "Recommend some music I do not know yet"
NEW = ((1500, 0), (1501, 0))  # of artists whom no listener of these tests plays
SONGS = [{"artist": artist(key[0]).name, "title": track(key).name} for key in NEW]
PLAN = "Let me **look** these up."
FOUND = "\n".join(f"- **{each['title']}** by {each['artist']}" for each in SONGS)
SAID = (
    "() => { window.said = []; new MutationObserver(() => said.push(document.querySelector('#live').textContent))"
    ".observe(document.querySelector('#live'), {childList: true}); }"
)


def find(*songs: dict[str, str], index: int = 1) -> bytes:
    return tool_use("find_music", {"items": list(songs)}, index=index)


def asking(*calls: bytes) -> Reply:
    return streaming(words(PLAN), *calls, stopped("tool_use"))


def saying(text: str) -> Reply:
    return streaming(words(text), stopped())


async def blocks(page: Page) -> list[str]:
    """The answer's blocks, each with its kind before it."""
    kinds: list[str] = await page.locator(".turn:last-child .a > *").evaluate_all(
        "all => all.map((each) => `${each.className || each.tagName}: ${each.innerText}`)"
    )
    return kinds


async def kept(page: Page, told: str) -> None:
    """Wait until the page has kept this for a reload."""
    look = "() => sessionStorage.chat.includes(told) ? done() : requestAnimationFrame(look)"
    await page.evaluate(f"told => new Promise((done) => {{ const look = {look}; look(); }})", told)


LOOKED = ["P: Let me look these up.", "look: Looking up 2 songs (2 found)"]


async def test_what_is_looked_up_stands_between_the_texts_and_new_songs_are_marked(
    chat: Chat,
) -> None:
    page, _ = await chat(asking(find(*SONGS)), saying(FOUND))
    await page.evaluate(SAID)
    await asked(page, QUESTION)
    await answered(page)

    listed = "UL: " + "\n".join(f"{each['title']} by {each['artist']}" for each in SONGS)
    assert await blocks(page) == [*LOOKED, listed]
    cards = page.locator(".shelf li")
    assert [await card.locator("[title]").inner_text() for card in await cards.all()] == [
        each["title"] for each in SONGS
    ]
    await expect(cards.locator(".new")).to_have_text(
        [re.compile("^New to you. Not in your top ")] * 2
    )
    await expect(page.locator(".receipt")).to_contain_text("2 Spotify searches, first word")
    await expect(page.locator(".receipt")).not_to_contain_text("Spotify call")
    said = await page.evaluate("window.said")
    assert said[:3] == ["Lyra is answering.", "Looking up 2 songs", ""]
    assert said[3].startswith("Let me look these up.")
    assert len(said) == 4


async def test_stars_wait_below_what_was_found_until_words_come(chat: Chat) -> None:
    model = Steps("Here.", at_once=0)
    page, _ = await chat(asking(find(*SONGS)), model)
    await asked(page, QUESTION)
    await expect(page.locator(".look")).to_have_text("Looking up 2 songs (2 found)")
    await page.locator(".wait").wait_for()
    assert await blocks(page) == [*LOOKED, "wait: "]
    await kept(page, "2 found")
    await page.reload()
    await page.locator(".wait").wait_for()
    await expect(page.locator(".look")).to_have_text("Looking up 2 songs (2 found)")
    assert await blocks(page) == [*LOOKED, "wait: "]
    model.go_on()
    await expect(page.locator(".a p:last-child")).to_have_text("Here.")

    assert await blocks(page) == [*LOOKED, "P: Here."]
    model.finish()
    await answered(page)


async def hanging(start: Start, visit: Open, model_url: str, **look: Any) -> tuple[Page, Service]:
    """A page whose searches hang."""
    token = sandbox_token(35, "typical", "legacy", "hang-search")
    service = await start(demo_token=token, llm_base_url=model_url)
    return await filled(await visit(service, **look)), service


async def test_a_stop_while_something_is_looked_up_ends_the_search(
    start: Start, visit: Open
) -> None:
    async with scripted_model(asking(find(*SONGS)), saying("never")) as model:
        page, service = await hanging(start, visit, model.url)
        await asked(page, QUESTION)
        await expect(page.locator(".look.on")).to_have_text("Looking up 2 songs")
        await expect(page.locator("#live")).to_have_text("Looking up 2 songs")
        await page.keyboard.press("Escape")
        await expect(page.locator(".foot")).to_contain_text("Stopped.")
        await until(lambda: not service.services.lyra.catalogue.stats()["flights"])

        assert await blocks(page) == [LOOKED[0], "look: Looking up 2 songs"]
        await expect(page.locator("#live")).to_have_text("Stopped.")
        assert len(model.sent) == 1


async def test_an_answer_is_read_on_after_a_reload_while_something_is_looked_up(
    start: Start, visit: Open
) -> None:
    async with scripted_model(asking(find(*SONGS)), saying("Over.")) as model:
        page, _ = await hanging(start, visit, model.url)
        await asked(page, QUESTION)
        await kept(page, "Looking up 2 songs")
        await page.reload()
        await page.locator(".look.on").wait_for()
        assert await blocks(page) == [LOOKED[0], "look on: Looking up 2 songs"]
        await expect(page.locator(".a")).to_have_attribute("aria-busy", "true")
        await page.keyboard.press("Escape")
        await expect(page.locator(".foot")).to_contain_text("Stopped.")


async def test_a_reload_shows_the_same_and_asks_nobody(chat: Chat) -> None:
    page, model = await chat(
        asking(find(SONGS[0]), find(SONGS[1], index=2)), asking(find(*SONGS)), saying(FOUND)
    )
    await asked(page, QUESTION)
    await answered(page)
    before = await page.locator(".turn").inner_html()
    await page.reload()
    await answered(page)

    assert await page.locator(".turn").inner_html() == before
    assert before.count('class="look"') == 3
    assert len(model.sent) == 3


async def test_the_next_question_carries_all_texts_of_an_answer(chat: Chat) -> None:
    page, model = await chat(asking(find(*SONGS)), saying("Here."))
    for question in (QUESTION, "More?"):
        await asked(page, question)
        await answered(page)

    assert b'"Let me **look** these up.\\n\\nHere."' in model.sent[-1]


async def test_what_is_read_of_the_listeners_own_is_told(chat: Chat) -> None:
    read = tool_use("get_listening", {"section": "top_tracks", "range": "long_term"})
    page, _ = await chat(asking(read), saying("Here."))
    await asked(page, "What did I play all year?")
    await answered(page)

    told = "look: Reading your top tracks of about a year (50 read)"
    assert await blocks(page) == [LOOKED[0], told, "P: Here."]


async def test_a_call_that_fails_is_told_and_the_answer_goes_on(chat: Chat) -> None:
    page, _ = await chat(asking(tool_use("find_music", "[1")), saying("Without."))
    await asked(page, QUESTION)
    await answered(page)

    assert await blocks(page) == [LOOKED[0], "look: Looking up music (failed)", "P: Without."]
    await expect(page.locator(".receipt")).not_to_contain_text("search")


async def test_what_a_budget_refuses_is_told_below_the_answer(start: Start, visit: Open) -> None:
    songs = [{"artist": artist(index).name, "title": "Nowhere"} for index in range(1500, 1504)]
    async with scripted_model(asking(find(*songs)), saying("Some.")) as model:
        service = await start(
            demo_token=DEMO,
            llm_base_url=model.url,
            searches_per_answer=2,
        )
        page = await filled(await visit(service))
        await asked(page, QUESTION)
        await answered(page)

        assert "look: Looking up 4 songs (0 found)" in await blocks(page)
        told = re.compile(r"Not looked up: \d items\. No search of Spotify's catalogue is left")
        await expect(page.locator(".foot > .dim")).to_have_text(told)
        await page.reload()
        await expect(page.locator(".foot > .dim")).to_have_text(told)


async def test_a_title_and_a_note_are_words(chat: Chat) -> None:
    frames = """
      const asked = fetch;
      window.fetch = async (path, how) => {
        if (!String(path).endsWith("/lyra/chat")) return asked(path, how);
        const text = "<img src=x onerror=alert(1)> **b**";
        const parts = [
          { type: "start", messageId: "run_x" }, { type: "start-step" }, { type: "a-part-of-tomorrow", data: 1 },
          { type: "tool-input-start", toolCallId: "c1", toolName: text, title: text },
          { type: "tool-input-available", toolCallId: "c1", toolName: text, title: text, input: {} },
          { type: "tool-output-available", toolCallId: "c1", output: { items: [] } }, { type: "finish-step" },
          { type: "text-start", id: "t1" }, { type: "text-delta", id: "t1", delta: "Words." }, { type: "text-end", id: "t1" },
          { type: "data-track", id: "spotify:album:x", data: { uri: "spotify:album:x", kind: "album", name: text, artists: ["A", "B"], new: true, note: text } },
          { type: "finish", finishReason: "stop", messageMetadata: { usage: {}, first_token_ms: 1, cache: { spotify_calls: 5 }, tools: { calls: 1, searches: 1, refused: 1, refusal: text } } },
        ];
        const body = parts.map((part, at) => `id: run_x.${at + 1}\\ndata: ${JSON.stringify(part)}\\n\\n`).join("");
        return new Response(`${body}data: [DONE]\\n\\n`);
      };
    """
    page, _ = await chat(script=frames)
    await asked(page, QUESTION)
    await answered(page)

    words_of = "<img src=x onerror=alert(1)> **b**"
    turn = page.locator(".turn")
    assert await turn.locator("img, script, strong").count() == 0
    await expect(turn.locator(".look")).to_have_text(f"{words_of} (0 found)")
    await expect(turn.locator(".shelf .new")).to_have_text(f"New to you. {words_of}")
    await expect(turn.locator(".shelf .dim").first).to_have_text("A, B, album")
    await expect(turn.locator(".shelf a")).to_have_attribute(
        "href", "https://open.spotify.com/album/x"
    )
    await expect(turn.locator(".foot > .dim")).to_have_text(f"Not looked up: 1 item. {words_of}")
    await expect(turn.locator(".receipt")).to_contain_text("5 Spotify calls, 1 Spotify search, ")
    assert await turn_text(page)


@pytest.mark.parametrize("look", [*LOOKS.values(), {"width": 320, "height": 568}])
async def test_an_answer_with_look_ups_suits_every_screen_and_everyone(
    chat: Chat, look: dict[str, Any]
) -> None:
    model = Steps(FOUND, at_once=0)
    page, _ = await chat(asking(find(*SONGS)), model, reduced_motion="reduce", **look)
    await asked(page, QUESTION)
    await page.locator(".look").wait_for()
    assert (await Axe().run(page)).response["violations"] == []
    model.finish()
    await answered(page)

    assert (await Axe().run(page)).response["violations"] == []
    wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0


async def test_the_first_suggestion_asks_for_new_music(chat: Chat) -> None:
    page, model = await chat(asking(find(*SONGS)), saying(FOUND))
    first = page.locator("#starters button").first
    await expect(first).to_have_text(QUESTION)
    await first.click()
    await answered(page)

    assert QUESTION.encode() in model.sent[0]
    await expect(page.locator(".new b")).to_have_count(2)


@pytest.mark.parametrize("settings", [{}, {"llm": "offline"}], ids=str)
async def test_the_demo_recommends_music_that_exists_and_is_new(
    start: Start, visit: Open, settings: dict[str, Any]
) -> None:
    page = await filled(await visit(await start(demo_token=DEMO, **settings)))
    await page.locator("#starters button").first.click()
    await answered(page)

    fresh = page.locator(".shelf li", has=page.locator(".new"))
    links = await fresh.locator("a").evaluate_all("all => all.map((each) => each.href)")
    found = {link.removeprefix("https://open.spotify.com/track/") for link in links}
    assert len(found) >= 3
    every = ((index, number) for index in range(ARTISTS) for number in range(artist(index).tracks))
    assert found <= {spotify_id("track", *key) for key in every}
    own = await read_invented(35, "typical")
    known = {*own.top_tracks, *(play.track for play in own.recently_played)}
    assert not found & {each.id for each in known}
