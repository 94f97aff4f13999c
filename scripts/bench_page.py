"""Measures the page in Chromium: when it is filled, when words are painted, what a long answer costs.

    .venv/bin/python scripts/bench_page.py          about half a minute
    .venv/bin/python scripts/bench_page.py --runs 9

All servers run in this process, beside the browser; figures are the best and the middle of the
runs. Prints a table, each figure with its bound.
"""

import argparse
import asyncio
import statistics
from collections.abc import Awaitable, Callable

from playwright.async_api import CDPSession, Page

from bench.browser import Stage, open_stage
from bench.browser_model import RICH
from lyra.cli.demo_listener import DEMO_TOKEN
from lyra.sandbox import sandbox_token

RUNS = 5
LETTERS, DELTAS = 12_000, 3_000
LISTENER = sandbox_token(35, "typical", "legacy")

# Notes when the first words arrive and are painted, how long frames take, and what shifts.
_WATCH = """
window.seen = { frames: [], scripts: [], shift: 0 };
const read = ReadableStreamDefaultReader.prototype.read;
ReadableStreamDefaultReader.prototype.read = async function () {
  const chunk = await read.call(this);
  if (!seen.arrived && typeof chunk.value === "string" && chunk.value.includes("text-delta")) seen.arrived = performance.now();
  return chunk;
};
const frame = requestAnimationFrame;
window.requestAnimationFrame = (act) => frame((now) => {
  const began = performance.now();
  act(now);
  seen.scripts.push(performance.now() - began);
  // The task behind the frame: style, layout and paint are done by then.
  const behind = new MessageChannel();
  behind.port1.onmessage = () => {
    seen.frames.push(performance.now() - began);
    if (document.querySelector(".a p:not(.wait)")) seen.painted ??= performance.now();
  };
  behind.port2.postMessage(0);
});
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) if (!each.hadRecentInput) seen.shift += each.value;
}).observe({ type: "layout-shift", buffered: true });
"""

Measure = Callable[[Stage], Awaitable[dict[str, float]]]


async def opened(stage: Stage, url: str, *, watched: bool = True) -> Page:
    """The page with the listener's sky. Watching it costs it time of its own."""
    page = await stage.page(viewport={"width": 1440, "height": 900})
    if watched:
        await page.add_init_script(_WATCH)
    await page.goto(url)
    await page.locator(".credit").wait_for(state="attached")
    return page


async def ask(page: Page) -> None:
    """Send a question, and wait for the end of its answer."""
    await page.locator("#ask").fill("What does my late-night listening say about me?")
    await page.keyboard.press("Enter")


async def filled(stage: Stage) -> dict[str, float]:
    """From the navigation to the drawn sky, with Spotify at 80 to 400 ms."""
    page = await stage.page(viewport={"width": 1440, "height": 900})
    await page.add_init_script(
        "new MutationObserver((_, watch) => { if (document.querySelector('.credit')) { window.filled = performance.now(); watch.disconnect(); } })"
        ".observe(document, { subtree: true, childList: true });"
    )
    await page.goto(await stage.lyra(DEMO_TOKEN))
    await page.locator(".credit").wait_for(state="attached")
    took = await page.evaluate("window.filled")
    await page.context.close()
    return {"filled page, ms": took}


async def first_word(stage: Stage) -> dict[str, float]:
    """From the arrival of the first words in the page to their paint."""
    stage.model.say(RICH, gap_s=0.005)
    page = await opened(stage, await stage.lyra(LISTENER, own_model=True))
    await ask(page)
    await page.locator(".receipt").wait_for()
    took = await page.evaluate("seen.painted - seen.arrived")
    await page.context.close()
    return {"first word painted, ms": took}


async def long_answer(stage: Stage) -> dict[str, float]:
    """What the main thread does for 12 KB in 3,000 deltas; painting is done without a graphics card."""
    page = await _long(stage, watched=False)
    meter = await page.context.new_cdp_session(page)
    await meter.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = await _task_s(meter)
    await ask(page)
    await page.locator(".receipt").wait_for(timeout=60_000)
    busy = await _task_s(meter) - before
    await page.context.close()
    return {"3,000 deltas: main thread in all, ms": busy * 1000}


async def paints(stage: Stage) -> dict[str, float]:
    """How long single paints of the same answer take, and whether anything shifts."""
    page = await _long(stage, watched=True)
    await page.evaluate("Object.assign(seen, { frames: [], scripts: [], shift: 0 })")
    await ask(page)
    await page.locator(".receipt").wait_for(timeout=60_000)
    seen = await page.evaluate("seen")
    await page.context.close()
    return {
        "3,000 deltas: worst script of a paint, ms": max(seen["scripts"]),
        "3,000 deltas: worst whole frame, ms": max(seen["frames"]),
        "layout shift": seen["shift"],
    }


async def _long(stage: Stage, *, watched: bool) -> Page:
    text = (RICH * (LETTERS // len(RICH) + 1))[:LETTERS]
    stage.model.say(text, size=LETTERS // DELTAS, gap_s=0.001)
    return await opened(stage, await stage.lyra(LISTENER, own_model=True), watched=watched)


async def _task_s(meter: CDPSession) -> float:
    """Seconds of processor time that the main thread has used, paint and all."""
    told = await meter.send("Performance.getMetrics")
    found: float = next(each["value"] for each in told["metrics"] if each["name"] == "TaskDuration")
    return found


async def stopping(stage: Stage) -> dict[str, float]:
    """From Esc to "Stopped."."""
    stage.model.say(RICH, hold=20)
    page = await opened(stage, await stage.lyra(LISTENER, own_model=True))
    await ask(page)
    await page.locator(".a p:not(.wait)").first.wait_for()
    await page.evaluate(
        "addEventListener('keydown', () => { seen.key = performance.now(); }, true);"
        "new MutationObserver(() => { if (document.querySelector('.foot > .dim')) seen.stopped ??= performance.now(); })"
        ".observe(document.querySelector('#thread'), { subtree: true, childList: true })"
    )
    await page.keyboard.press("Escape")
    await page.locator(".foot > .dim").wait_for()
    took = await page.evaluate("seen.stopped - seen.key")
    stage.model.go.set()
    await page.context.close()
    return {"Esc to Stopped, ms": took}


BOUNDS = {
    "filled page, ms": 1500,
    "first word painted, ms": 50,
    "3,000 deltas: main thread in all, ms": 1000,
    "3,000 deltas: worst script of a paint, ms": 16,
    "layout shift": 0,
    "Esc to Stopped, ms": 300,
}
SUBJECTS: tuple[Measure, ...] = (filled, first_word, long_answer, paints, stopping)


async def measured(runs: int) -> dict[str, list[float]]:
    """Every figure of every run."""
    found: dict[str, list[float]] = {}
    async with open_stage() as stage:
        for subject in SUBJECTS:
            for _ in range(runs):
                for name, value in (await subject(stage)).items():
                    found.setdefault(name, []).append(value)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the page in Chromium.")
    parser.add_argument("--runs", type=int, default=RUNS)
    found = asyncio.run(measured(parser.parse_args().runs))
    print(f"{'':44}{'best':>9}{'middle':>9}{'bound':>9}")
    for name, values in found.items():
        bound = f"{BOUNDS[name]:g}" if name in BOUNDS else ""
        print(f"{name:44}{min(values):9.4g}{statistics.median(values):9.4g}{bound:>9}")


if __name__ == "__main__":
    main()
