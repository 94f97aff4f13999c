"""Takes pictures of the page in all its states, to be looked at by a person.

    .venv/bin/python scripts/shoot_page.py /tmp/shots                     every scene, every look
    .venv/bin/python scripts/shoot_page.py /tmp/shots --scene why --look phone-dark

Needs Chromium; for true type also the packages fonts-urw-base35, fonts-inter and fonts-noto-core.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from bench.browser import APP, RICH, Stage, open_stage
from lyra.sandbox import sandbox_token
from lyra.sandbox.catalogue import artist, track

DESKTOP = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True}
SMALL = {"viewport": {"width": 320, "height": 568}, "device_scale_factor": 2, "has_touch": True}
DARK = {"color_scheme": "dark"}
LOOKS: dict[str, dict[str, Any]] = {
    "desktop-light": DESKTOP,
    "desktop-dark": {**DESKTOP, **DARK},
    "phone-light": PHONE,
    "phone-dark": {**PHONE, **DARK},
    "small-light": SMALL,
    "forced": {**DESKTOP, "forced_colors": "active"},
}
QUESTION = "What does my late-night listening say about me?"

Scene = Callable[[Stage, Page], Awaitable[None]]


def listener(persona: str, *faults: str, regime: str = "legacy", seed: int = 35) -> str:
    """The token of an invented listener."""
    return sandbox_token(seed, persona, regime, *faults)


async def visit(page: Page, url: str) -> None:
    """Open the page, and wait until the sky is drawn."""
    await page.goto(url)
    await page.locator(".credit").wait_for(state="attached")


async def ask(page: Page, question: str = QUESTION) -> None:
    """Send a question as a person does."""
    await page.locator("#ask").fill(question)
    await page.keyboard.press("Enter")


async def answered(page: Page) -> None:
    """Wait for the end of the newest answer."""
    await page.locator(".turn:last-child .deeds, .turn:last-child .oops").first.wait_for()


async def rich(stage: Stage, page: Page, **how: Any) -> None:
    """Ask, and be answered with every kind of block about names that the listener knows."""
    stage.model.say("", hold=0)
    await visit(page, await stage.lyra(listener("typical"), own_model=True, **how))
    track = await page.locator(".rows a, .rows span").first.inner_text()
    artist = await page.locator(".faces a, .faces span").first.inner_text()
    stage.model.say(RICH.format(track=track, artist=artist))


async def loading(stage: Stage, page: Page) -> None:
    await page.goto(await stage.lyra(listener("typical", "lat-100-4000")))
    await page.locator(".star.lit").nth(1).wait_for()


async def empty(stage: Stage, page: Page) -> None:
    await visit(page, await stage.lyra(listener("typical")))


async def waiting(stage: Stage, page: Page) -> None:
    await rich(stage, page)
    stage.model.say("never", hold=0)
    await ask(page)
    await page.locator(".wait i").first.wait_for()


async def streaming(stage: Stage, page: Page) -> None:
    await rich(stage, page)
    stage.model.say(stage.model.text, hold=70)
    await ask(page)
    await page.locator(".a td").first.wait_for()


async def demo(stage: Stage, page: Page) -> None:
    await visit(page, await stage.lyra(listener("typical")))
    await page.locator("#starters button").first.click()
    await answered(page)


async def look_up(stage: Stage, page: Page, *faults: str) -> None:
    """Ask for new music; the model looks some up, and names it."""
    found = [{"artist": artist(at).name, "title": track((at, 0)).name} for at in range(1500, 1504)]
    stage.model.wanted = found
    stage.model.say("\n".join(f"- **{each['title']}** by {each['artist']}" for each in found))
    await visit(page, await stage.lyra(listener("typical", *faults), own_model=True))
    await page.locator("#starters button").first.click()


async def searching(stage: Stage, page: Page) -> None:
    await look_up(stage, page, "hang-search")
    await page.locator(".look.on").wait_for()
    stage.model.wanted = ()


async def new_music(stage: Stage, page: Page) -> None:
    await look_up(stage, page)
    await answered(page)
    stage.model.wanted = ()


async def why(stage: Stage, page: Page) -> None:
    await rich(stage, page)
    await ask(page)
    await answered(page)
    await page.locator(".why summary").click()
    await page.locator("#scroller").evaluate("box => { box.scrollTop = box.scrollHeight }")


async def answer(stage: Stage, page: Page) -> None:
    await rich(stage, page)
    await ask(page)
    await answered(page)
    await page.locator("#scroller").evaluate("box => { box.scrollTop = 0 }")


async def stopped(stage: Stage, page: Page) -> None:
    await rich(stage, page)
    stage.model.say(stage.model.text, hold=30)
    await ask(page)
    await page.locator(".a p:not(.wait)").first.wait_for()
    await page.keyboard.press("Escape")
    await answered(page)


async def broken(stage: Stage, page: Page) -> None:
    await rich(stage, page)
    stage.model.say(stage.model.text[:330], broken=True)
    await ask(page)
    await answered(page)


async def limited(stage: Stage, page: Page) -> None:
    await visit(page, await stage.lyra(listener("typical"), rate_per_minute=1))
    for question in ("Which artists do I listen to most?", "And which tracks?"):
        await ask(page, question)
        await answered(page)


async def signed_out(stage: Stage, page: Page) -> None:
    await page.goto(await stage.lyra(spotify_client_id=APP))
    await page.locator("#gate a").wait_for()


async def consent(stage: Stage, page: Page) -> None:
    await signed_out(stage, page)
    await page.locator("#gate a").click()
    await page.get_by_role("button", name="Agree").click()
    await page.get_by_role("button", name="Agree and read").wait_for()


async def signed_in(stage: Stage, page: Page) -> None:
    await consent(stage, page)
    await page.get_by_role("button", name="Agree and read").click()
    await page.locator(".credit").wait_for(state="attached")


async def refused(stage: Stage, page: Page) -> None:
    await page.goto(f"{await stage.lyra(spotify_client_id=APP)}/?login=not_listed")
    await page.locator("#gate a").wait_for()


async def token_asked(stage: Stage, page: Page) -> None:
    await page.goto(await stage.lyra())
    await page.locator("#token").wait_for()


async def failed(stage: Stage, page: Page) -> None:
    await page.goto(await stage.lyra(listener("typical", "503"), spotify_timeout_s=1))
    await page.locator("#notice p").wait_for()


async def missing(stage: Stage, page: Page) -> None:
    await visit(page, await stage.lyra(listener("no_scope_playlists")))


async def offline(stage: Stage, page: Page) -> None:
    await demo(stage, page)
    await page.context.set_offline(offline=True)
    await page.locator("#notice p").wait_for()


async def sky_open(stage: Stage, page: Page) -> None:
    await empty(stage, page)
    if await page.locator("#fold").is_visible():
        await page.locator("#fold").click()


async def without_model(stage: Stage, page: Page) -> None:
    await visit(page, await stage.lyra(listener("typical"), llm="offline", llm_api_key=None))
    await ask(page, "Which artists do I listen to most?")
    await answered(page)


def of(persona: str, *faults: str, regime: str = "legacy", seed: int = 35) -> Scene:
    """The sky of another listener, unfolded where there is little room."""

    async def scene(stage: Stage, page: Page) -> None:
        await visit(page, await stage.lyra(listener(persona, *faults, regime=regime, seed=seed)))
        if await page.locator("#fold").is_visible():
            await page.locator("#fold").click()

    return scene


SCENES: dict[str, Scene] = {
    "loading": loading,
    "empty": empty,
    "waiting": waiting,
    "streaming": streaming,
    "demo": demo,
    "answer": answer,
    "why": why,
    "searching": searching,
    "new-music": new_music,
    "stopped": stopped,
    "broken": broken,
    "limited": limited,
    "signed-out": signed_out,
    "consent": consent,
    "signed-in": signed_in,
    "refused": refused,
    "token-asked": token_asked,
    "failed": failed,
    "missing": missing,
    "offline": offline,
    "sky": sky_open,
    "without-model": without_model,
    "of-nothing": of("empty"),
    "of-new": of("new"),
    "of-one-genre": of("one_artist"),
    "of-many-genres": of("heavy"),
    "of-odd-names": of("odd"),
    "of-odd-artists": of("odd", regime="restricted", seed=4),
    "of-long-names": of("classical"),
    "of-no-plays": of("private_session"),
    "of-no-genres": of("typical", regime="restricted"),
}


async def shoot(folder: Path, scenes: list[str], looks: list[str], kind: str) -> None:
    """Take the pictures, one after another."""
    async with open_stage() as stage:
        for name in scenes:
            for look in looks:
                page = await stage.page(**LOOKS[look])
                await SCENES[name](stage, page)
                await page.wait_for_timeout(400)  # transitions end
                more: dict[str, Any] = {"type": "jpeg", "quality": 75} if kind == "jpg" else {}
                await page.screenshot(path=folder / f"{name}-{look}.{kind}", **more)
                stage.model.go.set()
                await page.context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Take pictures of the page.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scene", action="append", choices=SCENES)
    parser.add_argument("--look", action="append", choices=LOOKS)
    parser.add_argument("--kind", choices=("png", "jpg"), default="png")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(
        shoot(asked.folder, asked.scene or list(SCENES), asked.look or list(LOOKS), asked.kind)
    )


if __name__ == "__main__":
    main()
