"""A playlist that is proposed: what the listener changes of it, and that it is saved as they see it."""

import re
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Locator, Page, Route, expect

from lyra.sandbox import Sandbox
from lyra.sandbox.catalogue import artist, track
from lyra.sandbox.rng import spotify_id
from tests.browser.conftest import DEMO, Open, answered, asked, filled
from tests.browser.test_everyone import LOOKS
from tests.conftest import Start
from tests.support.calls import call, chat

QUESTION = "make me a 30-minute playlist of new songs"
SONGS = [(index, 0) for index in range(1500, 1504)]
NAMES = [track(key).name for key in SONGS]
SAID = (
    "() => { window.said = []; new MutationObserver(() => said.push(document.querySelector('#live').textContent))"
    ".observe(document.querySelector('#live'), {childList: true}); }"
)
SAVED = "Saved: 4 songs, not shown on your profile · Open in Spotify"
HOSTILE = "<img src=x onerror=alert(1)> **b**"


def view(**more: Any) -> dict[str, Any]:
    """A proposal of four songs, as its owner sees it."""
    tracks = [
        {
            "uri": f"spotify:track:{spotify_id('track', *key)}",
            "name": track(key).name,
            "artists": [artist(key[0]).name],
            "duration_ms": 210_000,
            "new": True,
        }
        for key in SONGS
    ]
    return {
        "id": "proposal-1",
        "name": "New songs",
        "count": len(tracks),
        "minutes": 14,
        "uris": [each["uri"] for each in tracks],
        "tracks": tracks,
        "notes": ["They come to 14 of the 30 minutes that were asked for."],
        "expires_at": "2036-12-01T15:30:00Z",
        "state": "open",
        **more,
    }


def refusal(status: int, code: str, **more: Any) -> tuple[int, dict[str, Any]]:
    error = {"code": code, "message": "It could not be saved.", "retryable": False, **more}
    return status, {"success": False, "error": {**error, "request_id": "x"}}


BUSY = refusal(503, "spotify_unavailable", retryable=True, retry_after_s=1)
SCOPE = refusal(403, "spotify_forbidden", reason="missing_scope", action="grant_playlists")


class Proposals:
    """Answers the page's calls about one proposal; `refusals` come first, the last of all a success."""

    def __init__(self, **more: Any) -> None:
        self.view = view(**more)
        self.refusals: list[tuple[int, dict[str, Any]]] = []
        self.saves: list[dict[str, Any]] = []
        self.dismissed = 0
        self.gone = False
        self.held: list[Route] | None = None  # saves that are not answered yet

    async def watch(self, page: Page) -> None:
        await page.route("**/lyra/playlists/*", self._answer)
        await page.route("**/lyra/chat", self._chat)

    async def _chat(self, route: Route) -> None:
        parts = [
            {"type": "start", "messageId": "run_x"},
            {"type": "text-start", "id": "t1"},
            {"type": "text-delta", "id": "t1", "delta": "Here it is."},
            {"type": "text-end", "id": "t1"},
            {"type": "data-playlist", "id": self.view["id"], "data": self.view},
            {
                "type": "finish",
                "finishReason": "stop",
                "messageMetadata": {
                    "usage": {},
                    "first_token_ms": 1,
                    "cache": {"spotify_calls": 0},
                    "tools": {"calls": 1, "searches": 0, "refused": 0},
                },
            },
        ]
        lines = (
            f"id: run_x.{at}\ndata: {orjson.dumps(part).decode()}\n\n"
            for at, part in enumerate(parts)
        )
        body = "".join(lines) + "data: [DONE]\n\n"
        await route.fulfill(status=200, content_type="text/event-stream", body=body)

    async def _answer(self, route: Route) -> None:
        method = route.request.method
        if self.gone:
            status, body = refusal(404, "not_found")
        elif method == "GET":
            status, body = 200, {"success": True, "proposal": self.view}
        elif method == "DELETE":
            self.dismissed += 1
            return await route.fulfill(status=204)
        else:
            self.saves.append(orjson.loads(route.request.post_data or "{}"))
            if self.held is not None:
                return self.held.append(route)
            status, body = self.save()
        return await route.fulfill(status=status, json=body)

    async def let_go(self) -> None:
        """Answer the saves that wait."""
        held, self.held = self.held or [], None
        for route in held:
            status, body = self.save()
            await route.fulfill(status=status, json=body)

    def save(self) -> tuple[int, dict[str, Any]]:
        if self.refusals:
            return self.refusals.pop(0)
        if "playlist" not in self.view:
            choice = self.saves[-1]
            uris = choice["uris"]
            by_uri = {each["uri"]: each for each in self.view["tracks"]}
            self.view |= {
                "name": choice.get("name", self.view["name"]),
                "uris": uris,
                "tracks": [by_uri[uri] for uri in uris],
                "state": "saved",
                "playlist": {
                    "uri": "spotify:playlist:abc",
                    "url": "https://open.spotify.com/playlist/abc",
                    "name": choice.get("name", self.view["name"]),
                    "count": len(uris),
                },
            }
        return 201, {"success": True, "playlist": self.view["playlist"]}


Proposed = Callable[..., Any]


@pytest.fixture
async def proposed(start: Start, visit: Open) -> Proposed:
    """A page on which a playlist is proposed: `page, proposals = await proposed(dark=True)`."""

    async def begin(proposals: Proposals | None = None, **look: Any) -> tuple[Page, Proposals]:
        proposals = proposals or Proposals()
        page = await filled(await visit(await start(demo_token=DEMO), **look))
        await proposals.watch(page)
        await asked(page, QUESTION)
        await answered(page)
        await shown(page)
        return page, proposals

    return begin


async def shown(page: Page) -> None:
    """Wait until the card is filled."""
    await page.locator(".proposal .rows li").first.wait_for()


def act(page: Page, name: str) -> Locator:
    return page.locator(".proposal .pair").get_by_role("button", name=name, exact=True)


async def listed(page: Page) -> list[str]:
    return await page.locator(".proposal .rows li div > :first-child").all_inner_texts()


async def uris_of(page: Page) -> list[str]:
    """The addresses of the songs on the card, as they stand."""
    uris: list[str] = await page.locator(".proposal .rows li").evaluate_all(
        "all => all.map((each) => each.dataset.uri)"
    )
    return uris


async def focused(page: Page) -> str:
    """The name of what has the focus."""
    name: str = await page.evaluate(
        "() => document.activeElement.ariaLabel || document.activeElement.textContent"
    )
    return name


async def test_a_proposal_shows_what_would_be_saved(proposed: Proposed) -> None:
    page, proposals = await proposed()
    card = page.get_by_role("region", name="Proposed playlist: New songs")

    await expect(card.get_by_role("heading")).to_have_text("New songs")
    await expect(card.locator(".num").first).to_have_text(
        "4 songs, 14 min, to be saved until 15:30"
    )
    await expect(card).to_contain_text("They come to 14 of the 30 minutes that were asked for.")
    assert await listed(page) == NAMES
    rows = card.get_by_role("listitem").filter(has_text="New to you")
    await expect(rows).to_have_count(4)
    await expect(rows.first.locator(".num")).to_have_text("3:30")
    await expect(rows.first).to_contain_text(artist(1500).name)
    assert proposals.saves == []


async def test_one_press_saves_what_is_seen_and_leads_to_it(proposed: Proposed) -> None:
    page, proposals = await proposed()
    proposals.held = []
    await page.evaluate(SAID)
    await act(page, "Save to Spotify").click()
    card = page.locator(".proposal")
    await expect(card).to_have_attribute("aria-busy", "true")
    await expect(act(page, "Saving…")).to_have_attribute("aria-disabled", "true")
    assert await focused(page) == "Saving…"
    await act(page, "Saving…").click(force=True)
    await proposals.let_go()

    await expect(page.locator(".said")).to_have_text(SAVED)
    await expect(card).to_have_attribute("aria-busy", "false")
    link = card.get_by_role("link", name="Open in Spotify")
    await expect(link).to_be_focused()
    assert await link.get_attribute("href") == "https://open.spotify.com/playlist/abc"
    await expect(card.get_by_role("button")).to_have_count(0)
    uris = [each["uri"] for each in view()["tracks"]]
    assert proposals.saves == [{"name": "New songs", "uris": uris}]
    assert await page.evaluate("window.said") == ["Saving…", SAVED]


async def test_songs_are_moved_and_taken_out_by_the_keyboard(proposed: Proposed) -> None:
    page, proposals = await proposed()
    await act(page, "Edit list").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Name", exact=True)).to_be_focused()
    await page.evaluate(SAID)
    await page.get_by_role("button", name=f"Move up: {NAMES[2]}").focus()
    for _ in range(3):
        await page.keyboard.press("Enter")
    assert await focused(page) == f"Move up: {NAMES[2]}"
    assert await listed(page) == [NAMES[2], NAMES[0], NAMES[1], NAMES[3]]
    await page.get_by_role("button", name=f"Move down: {NAMES[0]}").press("Space")
    await page.get_by_role("button", name=f"Take out: {NAMES[0]}").press("Enter")
    assert await focused(page) == f"Take out: {NAMES[3]}"
    await page.keyboard.press("Enter")
    assert await focused(page) == f"Take out: {NAMES[1]}"

    assert await page.evaluate("window.said") == [
        f"{NAMES[2]} is number 2 of 4 now.",
        f"{NAMES[2]} is number 1 of 4 now.",
        f"{NAMES[2]} is the first already.",
        f"{NAMES[0]} is number 3 of 4 now.",
        f"{NAMES[0]} is taken out. 3 songs, 11 min left.",
        f"{NAMES[3]} is taken out. 2 songs, 7 min left.",
    ]
    await page.get_by_label("Name", exact=True).fill("Mine")
    await page.keyboard.press("Enter")
    await expect(page.locator(".proposal h3")).to_have_text("Mine")
    assert await focused(page) == "Edit list"
    await act(page, "Save to Spotify").press("Enter")
    await expect(page.locator(".said")).to_contain_text("Saved: 2 songs")
    uris = view()["uris"]
    assert proposals.saves == [{"name": "Mine", "uris": [uris[2], uris[1]]}]


async def test_an_empty_list_is_not_saved_and_comes_back_as_proposed(proposed: Proposed) -> None:
    page, proposals = await proposed()
    await act(page, "Edit list").click()
    await page.get_by_label("Name", exact=True).fill(" ")
    for name in NAMES:
        await page.get_by_role("button", name=f"Take out: {name}").click()
    await expect(page.locator(".said")).to_have_text("No song is left.")
    await act(page, "Save to Spotify").click(force=True)
    assert proposals.saves == []
    await act(page, "As proposed").click()

    assert await listed(page) == NAMES
    assert await focused(page) == "Done"
    await act(page, "Done").click()
    await expect(page.locator(".proposal h3")).to_have_text("New songs")


async def test_a_reload_keeps_what_was_changed(proposed: Proposed) -> None:
    page, proposals = await proposed()
    await act(page, "Edit list").click()
    await page.get_by_label("Name", exact=True).fill("Mine")
    await page.get_by_role("button", name=f"Take out: {NAMES[0]}").click()
    await page.reload()
    await shown(page)

    assert await listed(page) == NAMES[1:]
    await expect(page.locator(".proposal h3")).to_have_text("Mine")
    await act(page, "Save to Spotify").click()
    await expect(page.locator(".said")).to_contain_text("Saved: 3 songs")
    await page.reload()
    await shown(page)
    await expect(page.locator(".said")).to_contain_text("Saved: 3 songs")
    assert len(proposals.saves) == 1


async def test_what_another_tab_has_saved_is_shown_as_it_is(proposed: Proposed) -> None:
    page, proposals = await proposed()
    proposals.saves.append({"name": "Other", "uris": proposals.view["uris"][:2]})
    proposals.save()  # as by another page
    await act(page, "Save to Spotify").click()

    await expect(page.locator(".said")).to_contain_text("Saved: 2 songs")
    await expect(page.locator(".proposal h3")).to_have_text("Other")
    assert await listed(page) == NAMES[:2]


async def test_a_dismissed_proposal_is_gone_and_its_songs_stay_in_view(proposed: Proposed) -> None:
    page, proposals = await proposed()
    await act(page, "Dismiss").click()

    await expect(page.locator(".said")).to_have_text("Dismissed. Nothing was saved.")
    await expect(page.locator(".said")).to_be_focused()
    await expect(page.locator(".proposal").get_by_role("button")).to_have_count(0)
    assert await listed(page) == NAMES
    assert proposals.dismissed == 1
    await page.reload()
    await shown(page)
    await expect(page.locator(".said")).to_have_text("Dismissed. Nothing was saved.")


async def test_what_may_succeed_later_is_tried_again_three_times_in_sight(
    proposed: Proposed,
) -> None:
    page, proposals = await proposed()
    proposals.refusals = [BUSY] * 3
    await page.evaluate(SAID)
    await act(page, "Save to Spotify").click()
    await expect(page.locator(".said")).to_have_text(SAVED)

    trying = [f"It could not be saved. Trying again by itself, {at} of 3." for at in (1, 2, 3)]
    said = await page.evaluate("window.said")
    assert [each for each in said if each != "Saving…"] == [*trying, SAVED]
    assert len(proposals.saves) == 4


async def test_after_three_tries_it_is_the_listeners_turn(proposed: Proposed) -> None:
    page, proposals = await proposed()
    proposals.refusals = [BUSY] * 4
    await act(page, "Save to Spotify").click()
    await expect(page.locator(".said.oops")).to_have_text("It could not be saved.")
    assert len(proposals.saves) == 4
    again = act(page, "Try again")
    await expect(again).to_have_attribute("aria-disabled", "false")
    await again.click()

    await expect(page.locator(".said")).to_have_text(SAVED)


async def test_a_long_wait_is_told_and_not_sat_out(proposed: Proposed) -> None:
    page, proposals = await proposed()
    proposals.refusals = [
        refusal(429, "too_many_requests", reason="saves", retryable=True, retry_after_s=7000)
    ]
    await act(page, "Save to Spotify").click()

    await expect(act(page, "Try again in 2 h")).to_have_attribute("aria-disabled", "true")
    await expect(page.locator(".said")).to_have_text("It could not be saved.")
    await act(page, "Try again in 2 h").click(force=True)
    assert len(proposals.saves) == 1


async def test_a_wait_can_be_ended_by_dismissing(proposed: Proposed) -> None:
    page, proposals = await proposed()
    proposals.refusals = [refusal(503, "spotify_unavailable", retryable=True, retry_after_s=30)]
    await act(page, "Save to Spotify").click()
    await expect(act(page, "Try again in 30 s")).to_be_focused()
    await act(page, "Dismiss").click()

    await expect(page.locator(".said")).to_have_text("Dismissed. Nothing was saved.")
    assert len(proposals.saves) == 1


async def test_what_was_begun_is_fixed_and_can_be_finished(proposed: Proposed) -> None:
    page, proposals = await proposed()
    proposals.refusals = [BUSY] * 4
    proposals.view["state"] = "begun"
    await act(page, "Save to Spotify").click()
    finish = act(page, "Finish saving")
    await expect(finish).to_have_attribute("aria-disabled", "false")
    await expect(act(page, "Edit list")).to_have_count(0)
    await page.reload()
    await shown(page)
    await expect(page.locator(".said")).to_have_text("Saving was begun, and is not finished.")
    await finish.click()

    await expect(page.locator(".said")).to_have_text(SAVED)


async def test_an_expired_proposal_says_how_to_get_another(proposed: Proposed) -> None:
    page, proposals = await proposed()
    proposals.gone = True
    await act(page, "Save to Spotify").click()

    await expect(page.locator(".said")).to_contain_text("Ask again for a new one.")
    await expect(page.locator(".said")).to_be_focused()
    await expect(page.locator(".proposal").get_by_role("button")).to_have_count(0)
    await page.locator(".deeds").get_by_role("button", name="Ask again").click()
    await answered(page)
    await shown(page)
    await expect(page.locator(".proposal")).to_have_count(1)
    await expect(act(page, "Save to Spotify")).to_be_visible()


async def test_more_for_a_playlist_of_the_listeners_own_has_no_name_to_choose(
    proposed: Proposed,
) -> None:
    more = {"uri": "spotify:playlist:own", "name": "Late"}
    page, proposals = await proposed(Proposals(name="Late", extends=more))
    await page.get_by_role("region", name="Proposed for your playlist: Late").wait_for()
    await act(page, "Edit list").click()
    await expect(page.get_by_label("Name", exact=True)).to_be_hidden()
    await page.get_by_role("button", name=f"Take out: {NAMES[0]}").click()
    await act(page, "Add to this playlist").click()

    await expect(page.locator(".said")).to_have_text("Added: 3 songs · Open in Spotify")
    assert proposals.saves == [{"uris": view()["uris"][1:]}]


async def test_a_token_without_the_scope_is_told_which(proposed: Proposed) -> None:
    page, proposals = await proposed()
    proposals.refusals = [SCOPE]
    await act(page, "Save to Spotify").click()

    told = "This token may not make playlists: it lacks the scope playlist-modify-private."
    await expect(page.locator(".said")).to_have_text(told)
    await expect(page.locator(".proposal a.go")).to_have_count(0)


async def test_names_and_notes_are_words(proposed: Proposed) -> None:
    tracks = [
        {
            "uri": "spotify:track:x",
            "url": "javascript:alert(1)",
            "name": HOSTILE,
            "artists": [HOSTILE],
        }
    ]
    hostile = Proposals(
        name=HOSTILE, description=HOSTILE, notes=[HOSTILE], tracks=tracks, uris=["spotify:track:x"]
    )
    page, _ = await proposed(hostile)
    await act(page, "Edit list").click()
    await act(page, "Save to Spotify").click()
    await expect(page.locator(".said")).to_contain_text("Saved: 1 song,")

    card = page.locator(".proposal")
    assert await card.locator("img, script, strong").count() == 0
    await expect(card.locator("h3")).to_have_text(HOSTILE)
    assert await card.locator("a[href^='javascript']").count() == 0


@pytest.mark.parametrize(
    "look", [*LOOKS.values(), {"width": 320, "height": 568}, {"width": 1920, "height": 1080}]
)
async def test_a_proposal_suits_every_screen_and_everyone(
    proposed: Proposed, look: dict[str, Any]
) -> None:
    page, proposals = await proposed(reduced_motion="reduce", **look)
    proposals.refusals = [SCOPE]
    for step in ("", "Edit list", "Save to Spotify"):
        if step:
            await act(page, step).click()
        assert (await Axe().run(page)).response["violations"] == []
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0
        small = await page.locator(".proposal").evaluate(
            "card => [...card.querySelectorAll('button, a, input')].filter((each) => each.checkVisibility())"
            ".map((each) => each.getBoundingClientRect()).filter(({ height, width }) => height < 24 || width < 24).length"
        )
        assert small == 0


async def test_in_the_demo_a_wish_ends_in_one_click_and_one_playlist_without_a_known_song(
    start: Start, visit: Open, sandbox: Sandbox
) -> None:
    service = await start(demo_token=DEMO)
    page = await filled(await visit(service))
    await asked(page, QUESTION)
    await answered(page)
    await shown(page)
    names = await listed(page)
    seen = await uris_of(page)
    await act(page, "Save to Spotify").click()
    await expect(page.locator(".said")).to_contain_text("not shown on your profile")

    [made] = sandbox.made_playlists(DEMO)
    profile = (await call(service, "GET", "/lyra/profile", headers=service.headers(DEMO))).json
    plays = [play["track"] for play in profile["recently_played"]]
    assert made.uris == seen
    assert not set(made.uris) & {each["uri"] for each in [*profile["top_tracks"], *plays]}
    minutes = await page.locator(".proposal .num").first.inner_text()
    assert 25 <= int(re.findall(r"(\d+) min", minutes)[0]) <= 35
    await expect(page.locator(".proposal .rows li").filter(has_text="New to you")).to_have_count(
        len(names)
    )


async def test_a_link_from_elsewhere_leads_to_the_proposal(start: Start, visit: Open) -> None:
    service = await start(demo_token=DEMO)
    answer = await chat(service, DEMO, {"message": QUESTION}, Accept="application/json")
    proposal = answer.json["playlist"]
    page = await visit(service, path=f"/?playlist={proposal['id']}")
    await filled(page)
    await shown(page)

    await expect(page.locator(".proposal h3")).to_have_text(proposal["name"])
    assert page.url == f"{service.url}/"
    await act(page, "Save to Spotify").click()
    await expect(page.locator(".said")).to_contain_text("Saved:")
