"""Six cases of a shared fetch (single flight): what each led to, and what it should have.

Wrong is a caller that stayed and got no answer (a failing upstream's own error is one), and a value
from before a clear that answers after it.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bench.cache_subjects import Make, Subject, Upstream, UpstreamError

SETTLE_S = 0.02  # for caches that take several turns of the loop, or a thread, for a look-up
TOKEN = "anna-token-0001"
BOUND_S = 3  # a case that takes longer hangs


@dataclass(frozen=True)
class Outcome:
    """What one case led to: calls to the upstream, callers served wrongly, things left over."""

    calls: int
    wrong: int
    left: int = 0
    note: str = ""

    def __str__(self) -> str:
        parts = [f"{self.calls:,} call{'s' * (self.calls != 1)}"]
        parts += [f"{self.wrong} wrong"] if self.wrong else []
        parts += [self.note] if self.note else []
        parts += [f"{self.left:,} left"] if self.left else []
        return ", ".join(parts)


async def hundred_at_once(make: Make) -> Outcome:
    """100 callers, one token: one call."""
    upstream, subject = _opened(make)
    callers = _callers(subject, 100)
    await _open_after(upstream)
    answers = await _gathered(callers)
    return Outcome(upstream.calls, _unanswered(answers), note=_errors(answers))


async def first_leaves(make: Make) -> Outcome:
    """The first of 50 is cancelled: one call, 49 answers."""
    upstream, subject = _opened(make)
    callers = _callers(subject, 50)
    await asyncio.sleep(SETTLE_S)
    callers[0].cancel()
    await _open_after(upstream)
    answers = await _gathered(callers[1:])
    return Outcome(upstream.calls, _unanswered(answers), note=_errors(answers))


async def all_leave(make: Make) -> Outcome:
    """All ten are cancelled, then one comes: it joins the call and gets its answer."""
    upstream, subject = _opened(make)
    callers = _callers(subject, 10)
    await asyncio.sleep(SETTLE_S)
    for caller in callers:
        caller.cancel()
    await asyncio.sleep(0)
    later = _callers(subject, 1)
    await _open_after(upstream)
    answers = await _gathered(later)
    await _gathered(callers)
    return Outcome(upstream.calls, _unanswered(answers), note=_errors(answers))


async def upstream_fails(make: Make) -> Outcome:
    """A failing upstream, 20 wait: one call, 20 times its own error; then it is well again."""
    upstream, subject = _opened(make)
    upstream.failing = True
    callers = _callers(subject, 20)
    await _open_after(upstream)
    errors = await _gathered(callers)
    calls = upstream.calls
    foreign = [error for error in errors if not isinstance(error, UpstreamError)]
    upstream.failing = False
    after = await _gathered(_callers(subject, 1))
    return Outcome(calls, len(foreign) + _unanswered(after), note=_errors([*foreign, *after]))


async def clear_meanwhile(make: Make) -> Outcome:
    """A clear during the fetch: who asks afterwards gets what was fetched afterwards."""
    upstream, subject = _opened(make)
    waiting = _callers(subject, 1)
    await asyncio.sleep(SETTLE_S)
    await subject.clear()
    upstream.gate.set()
    before = await _gathered(waiting)
    (answer,) = await _gathered(_callers(subject, 1))
    back = answer == 1
    note = "old value back" if back else _errors([*before, answer])
    return Outcome(upstream.calls, back + _unanswered([*before, answer]), note=note)


async def leftover(make: Make) -> Outcome:
    """2,000 tokens, two callers each, one in ten failing; then a clear: nothing is left."""
    upstream, subject = _opened(make)
    upstream.gate.set()
    await subject.get(TOKEN)  # what a cache starts once for itself is not left over
    upstream.calls = 0
    before = _held_by_the_loop()
    for number in range(2000):
        upstream.failing = number % 10 == 0
        await _gathered(_callers(subject, 2, f"listener-{number:05}"))
    await subject.clear()
    await asyncio.sleep(SETTLE_S)
    gc.collect()
    left = subject.leftover() + max(0, _held_by_the_loop() - before)
    return Outcome(upstream.calls, 0, left)


CASES: dict[str, tuple[Callable[[Make], Awaitable[Outcome]], Outcome]] = {
    "100 at once": (hundred_at_once, Outcome(1, 0)),
    "first of 50 leaves": (first_leaves, Outcome(1, 0)),
    "all leave, one comes": (all_leave, Outcome(1, 0)),
    "upstream fails, 20 wait": (upstream_fails, Outcome(1, 0)),
    "clear during the fetch": (clear_meanwhile, Outcome(2, 0)),
    "left after 2,000 tokens": (leftover, Outcome(2000, 0)),
}
"""Name -> what runs it, and the best outcome."""


async def run(case: str, make: Make) -> Outcome:
    """The outcome of this case; a hang is one."""
    try:
        async with asyncio.timeout(BOUND_S * 5):
            return await CASES[case][0](make)
    except TimeoutError:
        return Outcome(0, 1, note="hangs")


def _opened(make: Make) -> tuple[Upstream, Subject]:
    upstream = Upstream()
    return upstream, make(upstream)


def _callers(subject: Subject, count: int, token: str = TOKEN) -> list[asyncio.Task[int]]:
    loop = asyncio.get_running_loop()
    return [loop.create_task(subject.get(token)) for _ in range(count)]


async def _open_after(upstream: Upstream) -> None:
    await asyncio.sleep(SETTLE_S)
    upstream.gate.set()


async def _gathered(callers: list[asyncio.Task[int]]) -> list[Any]:
    """Answers and errors; a caller who waits too long is left with a TimeoutError."""
    _, hanging = await asyncio.wait(callers, timeout=BOUND_S)
    for caller in hanging:
        caller.cancel()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    return [
        TimeoutError() if caller in hanging else each
        for caller, each in zip(callers, answers, strict=True)
    ]


def _unanswered(answers: list[Any]) -> int:
    return sum(isinstance(answer, BaseException) for answer in answers)


def _errors(answers: list[Any]) -> str:
    names = {type(each).__name__ for each in answers if isinstance(each, BaseException)}
    return "/".join(sorted(names))


def _held_by_the_loop() -> int:
    """Tasks, and timers that will still fire."""
    loop: Any = asyncio.get_running_loop()
    timers = sum(not timer.cancelled() for timer in loop._scheduled)  # noqa: SLF001
    return timers + len(asyncio.all_tasks())
