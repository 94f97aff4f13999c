"""The page in Chromium: when it is filled, when words are painted, what a long answer costs.

All servers run in this process, beside the browser. The yardstick is a bare page of the same service
that loads nothing: it fetches the same stream and appends what it reads to one element.
"""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

from playwright.async_api import CDPSession, Page

from bench.browser import RICH, Stage, open_stage
from bench.harness import Harness
from bench.report import Figure, Finding, Table, at_most, format_number
from lyra.cli.demo_listener import DEMO_TOKEN
from lyra.sandbox import sandbox_token

LETTERS, DELTAS = 12_000, 3_000
LISTENER = sandbox_token(35, "typical", "legacy")
LOOK = {"width": 1440, "height": 900}
SLOWEST_MS = 400  # of the calls to Spotify, for the filled page


def _script(name: str) -> str:
    return (Path(__file__).parents[1] / "page_scripts" / name).read_text("utf-8")


_WATCH = _script("watch.js")
_FILLED = _script("filled.js")
_STOPPED = _script("stopped.js")
_BARE_WORD = _script("bare_word.js")
_BARE_ANSWER = _script("bare_answer.js")

LOAD, WORD, ANSWER = "bare page loaded, ms", "bare word painted, ms", "bare 3,000 deltas, ms"
FILLED, FIRST, LONG = "filled page, ms", "first word painted, ms", "3,000 deltas: main thread, ms"
SCRIPT, FRAME = "3,000 deltas: worst script of a paint, ms", "3,000 deltas: worst whole frame, ms"
SHIFT, STOP = "layout shift", "Esc to Stopped, ms"
Measure = Callable[[Stage], Awaitable[dict[str, float]]]


async def page(harness: Harness) -> Finding:
    """Every figure some times; aims are judged by the middle."""
    runs = harness.pick(1, 5, 9)
    found: dict[str, list[float]] = {}
    # The browser has processes of its own, and all cores as a person's would.
    os.sched_setaffinity(0, harness.cores.subject | harness.cores.load)
    try:
        async with open_stage() as stage:
            for measure in MEASURES:
                for _ in range(runs):
                    for name, value in (await measure(stage)).items():
                        found.setdefault(name, []).append(value)
    finally:
        os.sched_setaffinity(0, harness.cores.load)
    middle = {name: median(values) for name, values in found.items()}
    return Finding(
        "The page in Chromium, without a graphics card",
        _figures(middle),
        [
            f"Bare: a page of the same service that loads nothing. Spotify takes up to {SLOWEST_MS} ms."
        ],
        Table(
            (f"of {runs}", "best", "middle"),
            [
                (name, format_number(min(values)), format_number(middle[name]))
                for name, values in found.items()
            ],
        ),
    )


def _figures(middle: dict[str, float]) -> list[Figure]:
    filled_ms = middle[FILLED] - SLOWEST_MS
    return [
        at_most("filled page, over Spotify, of a bare page", filled_ms / middle[LOAD], 12, "x"),
        at_most("first word painted, of a bare word", middle[FIRST] / middle[WORD], 10, "x"),
        at_most(
            "3,000 deltas, main thread, of a bare page's", middle[LONG] / middle[ANSWER], 1, "x"
        ),
        at_most("worst script of a paint, of a bare word", middle[SCRIPT] / middle[WORD], 3, "x"),
        at_most("Esc to Stopped, of a bare word", middle[STOP] / middle[WORD], 10, "x"),
        Figure(SHIFT, f"{middle[SHIFT]:g}", "0", middle[SHIFT] == 0),
    ]


async def _bare(stage: Stage) -> dict[str, float]:
    """The yardsticks."""
    page = await stage.page(viewport=LOOK, bypass_csp=True)
    url = await stage.lyra(LISTENER, own_model=True)
    await page.goto(f"{url}/healthz")
    loaded_ms = await page.evaluate("performance.getEntriesByType('navigation')[0].duration")
    word_ms = await page.evaluate(_BARE_WORD)
    _say_long(stage)
    meter = await _meter(page)
    before = await _task_s(meter)
    await page.evaluate(_BARE_ANSWER, LISTENER)
    busy_s = await _task_s(meter) - before
    await page.context.close()
    return {LOAD: loaded_ms, WORD: word_ms, ANSWER: busy_s * 1000}


async def _filled(stage: Stage) -> dict[str, float]:
    """From the navigation to the drawn sky, with Spotify at 80 to 400 ms."""
    page = await stage.page(viewport=LOOK)
    await page.add_init_script(_FILLED)
    await page.goto(await stage.lyra(DEMO_TOKEN))
    await page.locator(".credit").wait_for(state="attached")
    took_ms = await page.evaluate("window.filled")
    await page.context.close()
    return {FILLED: took_ms}


async def _first_word(stage: Stage) -> dict[str, float]:
    """From the arrival of the first words in the page to their paint."""
    stage.model.say(RICH, gap_s=0.005)
    page = await _opened(stage)
    await _ask(page)
    await page.locator(".receipt").wait_for()
    took_ms = await page.evaluate("seen.painted - seen.arrived")
    await page.context.close()
    return {FIRST: took_ms}


async def _long_answer(stage: Stage) -> dict[str, float]:
    """What the main thread does for 12 KB in 3,000 deltas; painting is done without a graphics card."""
    _say_long(stage)
    page = await _opened(stage, watched=False)
    meter = await _meter(page)
    before = await _task_s(meter)
    await _ask(page)
    await page.locator(".receipt").wait_for(timeout=60_000)
    busy_s = await _task_s(meter) - before
    await page.context.close()
    return {LONG: busy_s * 1000}


async def _paints(stage: Stage) -> dict[str, float]:
    """How long single paints of the same answer take, and whether anything shifts."""
    _say_long(stage)
    page = await _opened(stage)
    await page.evaluate("Object.assign(seen, { frames: [], scripts: [], shift: 0 })")
    await _ask(page)
    await page.locator(".receipt").wait_for(timeout=60_000)
    seen = await page.evaluate("seen")
    await page.context.close()
    return {SCRIPT: max(seen["scripts"]), FRAME: max(seen["frames"]), SHIFT: seen["shift"]}


async def _stopping(stage: Stage) -> dict[str, float]:
    """From Esc to "Stopped."."""
    stage.model.say(RICH, hold=20)
    page = await _opened(stage)
    await _ask(page)
    await page.locator(".a p:not(.wait)").first.wait_for()
    await page.evaluate(_STOPPED)
    await page.keyboard.press("Escape")
    await page.locator(".foot > .dim").wait_for()
    took_ms = await page.evaluate("seen.stopped - seen.key")
    stage.model.go.set()
    await page.context.close()
    return {STOP: took_ms}


def _say_long(stage: Stage) -> None:
    text = (RICH * (LETTERS // len(RICH) + 1))[:LETTERS]
    stage.model.say(text, size=LETTERS // DELTAS, gap_s=0.001)


async def _opened(stage: Stage, *, watched: bool = True) -> Page:
    """The page with the listener's sky. Watching it costs it time of its own."""
    page = await stage.page(viewport=LOOK)
    if watched:
        await page.add_init_script(_WATCH)
    await page.goto(await stage.lyra(LISTENER, own_model=True))
    await page.locator(".credit").wait_for(state="attached")
    return page


async def _ask(page: Page) -> None:
    await page.locator("#ask").fill("What does my late-night listening say about me?")
    await page.keyboard.press("Enter")


async def _meter(page: Page) -> CDPSession:
    meter = await page.context.new_cdp_session(page)
    await meter.send("Performance.enable", {"timeDomain": "threadTicks"})
    return meter


async def _task_s(meter: CDPSession) -> float:
    """Seconds of processor time that the main thread has used, paint and all."""
    metrics = (await meter.send("Performance.getMetrics"))["metrics"]
    value: float = next(each["value"] for each in metrics if each["name"] == "TaskDuration")
    return value


MEASURES: tuple[Measure, ...] = (_bare, _filled, _first_word, _long_answer, _paints, _stopping)
