"""Asking and being answered: what streams, stops, breaks, and goes on."""

import re

import orjson
import pytest
from playwright.async_api import Page, expect

from lyra.chat.ending_notices import EMPTY, REFUSED, REFUSED_MORE
from tests.browser.conftest import DEMO, Chat, Open, answered, asked, filled, turn_text
from tests.conftest import Service, Start
from tests.support.browser_steps import Steps
from tests.support.invented_listeners import read_invented
from tests.support.scripted_model import event, stopped, streaming, words
from tests.support.visitors import Clock

HOSTILE = (
    "Look: <script>alert(1)</script> <img src=x onerror=alert(2)> ![pixel](https://evil.invalid/?q=1) "
    "[click](javascript:alert(3)) [data](data:text/html,x) [fine](https://example.org/a_(b)) **bold** `code`"
)
BUSY = event("error", error={"type": "overloaded_error", "message": "x"})
RICH = (
    "First *paragraph* with a [safe link](https://example.org) and `code`.\n\n"
    "- **Bold** item\n- [named]({address})\n\n"
    "| When | What |\n|---|---|\n| night | songs |\n\n> Quoted *words*.\n"
)
FRAMES = (
    "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame"
    "(() => requestAnimationFrame(done))))"
)
WATCH = """() => {
  window.states = new Set();
  new MutationObserver(() => states.add(document.querySelector(".turn:last-child .a").innerText))
    .observe(document.querySelector("#thread"), { subtree: true, childList: true, characterData: true });
}"""


@pytest.fixture
async def demo(start: Start) -> Service:
    return await start(demo_token=DEMO)


async def test_the_question_is_there_at_once(chat: Chat) -> None:
    model = Steps("Words.", at_once=0)
    page, _ = await chat(model)
    await asked(page, "One?")

    await expect(page.locator(".q")).to_have_text("One?")
    await expect(page.locator(".wait i")).to_have_count(3)
    await expect(page.locator("#send")).to_have_text("Stop")
    await expect(page.locator("#starters")).to_be_hidden()
    model.finish()
    await answered(page)


async def test_an_answer_ends_with_cards_reasons_and_a_receipt(demo: Service, visit: Open) -> None:
    page = await filled(await visit(demo))
    await asked(page)
    await answered(page)

    await expect(page.locator(".turn .receipt")).to_contain_text("0 Spotify calls, first word")
    assert await page.locator(".shelf li").count() >= 3
    await page.locator(".why summary").click()
    await expect(page.locator(".why li").first).to_contain_text("top artists")


async def test_words_appear_as_they_come_and_half_a_mark_never_shows(chat: Chat) -> None:
    track = (await read_invented(35, "typical")).top_tracks[0]
    rich = RICH.replace("{address}", f"spotify:track:{track.id}")
    pieces = [rich[at : at + 3] for at in range(0, len(rich), 3)]
    model = Steps(*pieces)
    page, _ = await chat(model)
    await page.evaluate(WATCH)
    await asked(page)
    await page.locator(".a p:not(.wait)").first.wait_for()
    await page.evaluate("window.first = null")
    for _ in pieces:
        model.go_on()
        await page.evaluate(FRAMES)
        await page.evaluate("window.first ??= document.querySelector('.a p + ul')?.previousSibling")
    model.finish()
    await answered(page)
    states = await page.evaluate("[...window.states]")

    assert len(states) > 25
    assert [state for state in states if re.search(r"\*\*|\]\(|spotify:|\||`", state)] == []
    assert await page.evaluate("window.first === document.querySelector('.a p')")
    address = await page.locator(".a li a").get_attribute("href")
    assert address == f"https://open.spotify.com/track/{track.id}"


async def test_a_hostile_answer_stays_words(chat: Chat) -> None:
    page, _ = await chat(streaming(words(HOSTILE), stopped()))
    await asked(page)
    await answered(page)

    answer = page.locator(".turn .a")
    assert await answer.locator("img, script, iframe").count() == 0
    assert await answer.locator("a").count() == 0
    await expect(answer).to_contain_text("<script>alert(1)</script>")


OWN = "the item's own address at Spotify"
# A model's link, what is shown of it, and where that leads; `{id}`, `{name}` are a track's of the listener.
LINKS = [
    ("[{name}](https://open.spotify.com/track/{id})", "{name}", OWN),
    ("[{name}](spotify:track:{id})", "{name}", OWN),
    ("[**this** one](https://open.spotify.com/intl-de/track/{id}?si=x#y)", "this one", OWN),
    ("[https://open.spotify.com/track/{id}](spotify:track:{id})", "https://open.spotify.com/track/{id}", OWN),
    ("[Mr. Harbour](spotify:track:{id})", "Mr. Harbour", OWN),
    ("[by](spotify:artist:{artist})", "by", OWN),
    ("[list](https://open.spotify.com/playlist/{playlist})", "list", OWN),
    # Not the listener's, or no item.
    ("[Tide](https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC)", "Tide", None),
    ("[Tide](spotify:track:4uLU6hMCjMI75M1A2tKUQC)", "Tide", None),
    ("[Tide](spotify:artist:{id})", "Tide", None),
    ("[Tide](https://open.spotify.com/)", "Tide", None),
    ("[Tide](https://open.spotify.com/track/{id}/../../user/x)", "Tide", None),
    ("[Tide](https://open.spotify.com:444/track/{id})", "Tide (open.spotify.com:444)", None),
    ("[Tide](http://open.spotify.com/track/{id})", "Tide", None),
    ("[Tide](https://x@open.spotify.com/track/{id})", "Tide", None),
    # Other hosts, and what only looks like Spotify's.
    ("[fine](https://example.org/a_(b))", "fine (example.org)", None),
    ("[Open in Spotify](https://evil.example/track/{id})", "Open in Spotify (evil.example)", None),
    ("[Tide](https://open.spotify.com@evil.example/track/{id})", "Tide (evil.example)", None),
    ("[Tide](https://open.spotify.com.evil.example/track/{id})", "Tide (open.spotify.com.evil.example)", None),
    ("[Tide](https://\u043epen.spotify.com/track/{id})", "Tide (xn--pen-red.spotify.com)", None),
    ("[Tide](//evil.example/track/{id})", "Tide", None),
    ("[Tide](javascript:alert(1))", "Tide", None),
    ("[Tide](data:text/html,x)", "Tide", None),
    ("[Tide](/auth/login)", "Tide", None),
    # Labels that look like another address.
    ("[https://evil.example/](spotify:track:{id})", "https://evil.example/", None),
    ("[evil.example](spotify:track:{id})", "evil.example", None),
    ("[\uff45vil\u2024example](spotify:track:{id})", "\uff45vil\u2024example", None),
    ("[\u0435vil.example/x](spotify:track:{id})", "\u0435vil.example/x", None),
    ("[mailto:somebody](spotify:track:{id})", "mailto:somebody", None),
    ("[https://open.spotify.com/track/another](spotify:track:{id})", "https://open.spotify.com/track/another", None),
    # What hides, or turns the direction of letters.
    ("[\u202emoc.yfitops\u2066](https://evil.example)", "moc.yfitops (evil.example)", None),
    ("[evil\u200b.exam\u2060ple](spotify:track:{id})", "evil.example", None),
    ("[ev\u200dil](spotify:track:{id})", "ev\u200dil", None),
    ("[\u200f](spotify:track:{id})", "\u200f", None),
    ("\u202ekrow siht\u2069 is\u200b text", "krow siht is text", None),
]  # fmt: skip


async def test_a_link_leads_to_the_listeners_own_items_or_is_words(chat: Chat) -> None:
    listening = await read_invented(35, "typical")
    track = listening.top_tracks[0]
    own = {"id": track.id, "name": track.name, "artist": track.artist_ids[0]}
    own["playlist"] = listening.playlists[0].id
    answer = "\n".join(f"- {link.format(**own)}" for link, _, _ in LINKS)
    page, _ = await chat(streaming(words(answer), stopped()))
    await asked(page)
    await answered(page)

    seen = await page.locator(".turn .a li").evaluate_all(
        """all => all.map((item) => {
            const links = [...item.querySelectorAll("a")];
            return [item.textContent, links.map((a) => [a.href, a.rel, a.textContent === item.textContent])];
        })"""
    )
    assert [text for text, _ in seen] == [shown.format(**own) for _, shown, _ in LINKS]
    addresses = {
        "artist": f"https://open.spotify.com/artist/{own['artist']}",
        "playlist": f"https://open.spotify.com/playlist/{own['playlist']}",
    }
    for (link, _, leads), (_, links) in zip(LINKS, seen, strict=True):
        kind = next((kind for kind in addresses if f"{{{kind}}}" in link), None)
        address = addresses.get(kind or "", f"https://open.spotify.com/track/{track.id}")
        assert links == ([[address, "noopener noreferrer", True]] if leads else []), link


async def test_a_host_behind_words_keeps_its_direction(chat: Chat) -> None:
    hostile = "[\u202emoc.yfitops\u2066](https://evil.example)"
    page, _ = await chat(streaming(words(hostile), stopped()))
    await asked(page)
    await answered(page)

    await expect(page.locator(".turn .a bdi[dir=ltr]")).to_have_text(" (evil.example)")


@pytest.mark.parametrize("sign", ["[", "`a", "**a ", "[a](", "![", "*", "| a "])
async def test_an_answer_of_signs_that_are_never_closed_is_shown(chat: Chat, sign: str) -> None:
    whole = sign * (60_000 // len(sign))
    third = len(whole) // 3
    pieces = [whole[:third], whole[third : 2 * third], whole[2 * third :], " Over."]
    page, _ = await chat(streaming(*map(words, pieces), stopped()))
    await asked(page)
    await answered(page)

    await expect(page.locator(".turn .a")).to_contain_text("Over.")
    await expect(page.locator("#send")).to_have_text("Send")


@pytest.mark.parametrize(("mark", "tag"), [("-", "ul"), ("1.", "ol")])
async def test_a_list_ends_a_paragraph_without_a_blank_line(
    chat: Chat, mark: str, tag: str
) -> None:
    pieces = ["Your artists", ":\n", mark, f" One\n{mark}", " Two\n", "\nThat is all - really."]
    page, _ = await chat(streaming(*map(words, pieces), stopped()))
    await asked(page)
    await answered(page)
    answer = page.locator(".turn .a")

    assert await answer.locator(f"{tag} li").all_text_contents() == ["One", "Two"]
    assert await answer.locator("p").all_text_contents() == [
        "Your artists:",
        "That is all - really.",
    ]


async def test_names_keep_their_joiners_in_the_page(chat: Chat) -> None:
    name = "نمی\u200cشد 🏳️\u200d🌈"
    page, _ = await chat(streaming(words(f"Play **{name}**."), stopped()))
    await asked(page)
    await answered(page)

    assert await page.locator(".turn .a strong").text_content() == name


async def test_the_policy_forbids_text_that_becomes_markup(demo: Service, visit: Open) -> None:
    page = await visit(demo)
    refused = await page.evaluate(
        "() => { try { document.createElement('b').innerHTML = '<i>'; return '' } catch (e) { return e.name } }"
    )

    assert refused == "TypeError"
    assert len(await page.evaluate("window.broken.splice(0)")) == 1


@pytest.mark.parametrize("how", ["Escape", "button"])
async def test_stop_keeps_the_words_and_the_next_question_can_be_asked(
    chat: Chat, how: str
) -> None:
    model = Steps("Before **aft", "never")
    page, _ = await chat(model)
    await asked(page)
    await expect(page.locator(".a")).to_contain_text("Before aft")
    await (page.keyboard.press("Escape") if how == "Escape" else page.locator("#send").click())
    await model.left.wait()
    await expect(page.locator(".foot")).to_contain_text("Stopped.")

    await expect(page.locator("#send")).to_have_text("Send")
    await expect(page.locator("#ask")).to_be_focused()
    await expect(page.locator("#live")).to_have_text("Stopped.")
    assert await turn_text(page) == "Before aft"


async def test_an_answer_that_was_running_is_read_on_after_a_reload(chat: Chat) -> None:
    model = Steps("Before", " and after.")
    page, served = await chat(model)
    await asked(page)
    await expect(page.locator(".a")).to_contain_text("Before")
    await page.reload()
    await expect(page.locator(".a")).to_contain_text("Before")
    model.finish()
    await answered(page)
    assert await turn_text(page) == "Before and after."
    assert len(served.sent) == 1

    await page.reload()
    await expect(page.locator(".receipt")).to_contain_text("first word")
    assert await turn_text(page) == "Before and after."
    assert len(served.sent) == 1


async def test_a_failure_midway_keeps_the_words_and_is_retried_once(
    chat: Chat,
) -> None:
    page, served = await chat(
        streaming(words("Half **an"), BUSY), streaming(words("A whole answer."), stopped())
    )
    await asked(page)
    await answered(page)
    assert await turn_text(page) == "Half an"
    await expect(page.locator(".oops p")).to_contain_text("model")
    await page.locator(".oops button").dblclick()
    await expect(page.locator(".a")).to_have_text("A whole answer.")

    await expect(page.locator(".oops")).to_have_count(0)
    assert len(served.sent) == 2


async def test_asking_again_takes_the_answers_place(chat: Chat) -> None:
    page, served = await chat(
        streaming(words("One."), stopped()), streaming(words("Two."), stopped())
    )
    await asked(page)
    await answered(page)
    await page.get_by_role("button", name="Ask again").click()
    await expect(page.locator(".a")).to_have_text("Two.")

    await expect(page.locator(".turn")).to_have_count(1)
    assert b"One." not in served.sent[1]


async def test_a_question_carries_the_conversation_until_a_new_chat(
    chat: Chat,
) -> None:
    page, served = await chat(streaming(words("An answer."), stopped()))
    for question in ("One?", "Two?"):
        await asked(page, question)
        await answered(page)
    await page.get_by_role("button", name="New chat").click()
    await asked(page, "Three?")
    await answered(page)

    assert b'"An answer."' in served.sent[1]
    assert b'"One?"' in served.sent[1]
    assert b"One?" not in served.sent[2]


async def test_a_new_chat_stops_the_answer_that_is_running(chat: Chat) -> None:
    model = Steps("Before", "never")
    page, _ = await chat(model, streaming(words("Two."), stopped()))
    await asked(page, "One?")
    await expect(page.locator(".a")).to_contain_text("Before")
    await page.get_by_role("button", name="New chat").click()
    await model.left.wait()
    await expect(page.locator("#send")).to_have_text("Send")
    await expect(page.locator(".turn")).to_have_count(0)
    await asked(page, "Two?")

    await expect(page.locator(".a")).to_have_text("Two.")


async def test_too_many_questions_show_a_countdown_that_ends(start: Start, visit: Open) -> None:
    clock = Clock()
    page = await visit(await start(demo_token=DEMO, rate_per_minute=1, clock=clock))
    await page.clock.install()
    await filled(page)
    for question in ("One?", "Two?"):
        await asked(page, question)
        await answered(page)
    again = page.locator(".oops button")
    await expect(again).to_be_disabled()
    await expect(again).to_contain_text(re.compile(r"Try again in \d+ s"))
    clock.now += 61
    await page.clock.run_for(61_000)
    await expect(again).to_have_text("Try again")
    await again.click()
    await answered(page)

    await expect(page.locator(".oops")).to_have_count(0)


async def test_offline_is_said_nothing_is_lost_and_it_goes_on(demo: Service, visit: Open) -> None:
    page = await filled(await visit(demo))
    await page.context.set_offline(True)
    await expect(page.locator("#notice")).to_contain_text("You are offline.")
    await asked(page)
    await answered(page)
    await page.context.set_offline(False)
    await expect(page.locator("#notice")).to_be_hidden()
    await page.locator(".oops button").click()

    await expect(page.locator(".receipt")).to_contain_text("first word")


async def test_copy_gives_what_was_written(chat: Chat) -> None:
    page, _ = await chat(streaming(words("Some **bold** words."), stopped()))
    await asked(page)
    await answered(page)
    await page.get_by_role("button", name="Copy").click()
    await page.get_by_role("button", name="Copied").wait_for()

    assert await page.evaluate("navigator.clipboard.readText()") == "Some **bold** words."


async def test_two_tabs_have_a_conversation_each(demo: Service, visit: Open) -> None:
    pages = [await filled(await visit(demo)) for _ in range(2)]
    for page, question in zip(pages, ("Which artists?", "Which tracks?"), strict=True):
        await asked(page, question)
    for page, question in zip(pages, ("Which artists?", "Which tracks?"), strict=True):
        await answered(page)
        await expect(page.locator(".q")).to_have_text(question)
        await expect(page.locator(".oops")).to_have_count(0)


async def fill_box(page: Page, letters: int) -> None:
    await page.locator("#ask").fill("x " * (letters // 2))


async def test_the_box_grows_and_counts_near_its_end(demo: Service, visit: Open) -> None:
    page = await filled(await visit(demo, width=390, height=844))
    small = await page.locator("#ask").evaluate("box => box.offsetHeight")
    await fill_box(page, 3000)
    assert small < await page.locator("#ask").evaluate("box => box.offsetHeight") <= 180
    await expect(page.locator("#hint")).to_be_hidden()
    await fill_box(page, 7600)

    await expect(page.locator("#hint")).to_be_visible()
    await expect(page.locator("#hint")).to_have_text("400 characters left")


@pytest.mark.parametrize(
    ("said", "reason", "notice"),
    [("", "end_turn", EMPTY), (" \n", "end_turn", EMPTY), ("", "refusal", REFUSED)],
)
async def test_an_empty_answer_is_explained_and_can_be_retried(
    chat: Chat, said: str, reason: str, notice: str
) -> None:
    page, model = await chat(
        streaming(words(said), stopped(reason)), streaming(words("Now."), stopped())
    )
    await asked(page)

    await expect(page.locator(".turn .oops p")).to_have_text(notice)
    await expect(page.locator("#live")).to_have_text(notice)
    await page.get_by_role("button", name="Ask again").click()
    await expect(page.locator(".turn .a")).to_have_text("Now.")
    await expect(page.locator(".turn .oops")).to_have_count(0)
    assert len(model.sent) == 2


async def test_a_refusal_after_words_stays_below_them_after_a_reload(
    chat: Chat,
) -> None:
    page, _ = await chat(streaming(words("I think"), stopped("refusal")))
    await asked(page)
    await answered(page)
    await expect(page.locator("#live")).to_have_text(f"I think {REFUSED_MORE}")
    await page.reload()

    await expect(page.locator(".turn .oops p")).to_have_text(REFUSED_MORE)


async def test_the_zone_of_the_browser_goes_with_the_question(chat: Chat) -> None:
    """Under the name that the browser has for it: Chromium's is an old one."""
    page, model = await chat(timezone_id="Asia/Kolkata")
    name = await page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    await asked(page)
    await answered(page)

    last = orjson.loads(model.sent[-1])["messages"][-1]["content"]
    assert f", {name}, UTC+0530]" in last
