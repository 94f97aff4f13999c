"""Readers who leave, and readers who press Stop: how soon the model's call is closed."""

import asyncio
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from random import Random

from bench.client import Asker, question, request
from bench.fault_place import Call, Place, Service, at_once
from bench.figures import Figure, Finding, exactly, middle_and_high, within

AIM_S = 0.05
LEAVERS = 60, 1000, 10_000
STOPS = 40, 400, 2000
TOGETHER = 8
LATEST_S = 0.3  # a model of pace "slow" begins to speak after 0.12 s, and goes on for 20 s
COLD_MS = "lat-60-120"
COLD_SHARE = 0.15
CLOSED_S = 5.0
BARE = 1_000_000  # numbers of those who ask the model itself
NO_CONTENT, NOT_FOUND = 204, 404
Work = Coroutine[None, None, None]


@dataclass
class Endings:
    """When each reader went, by the number of the question."""

    left_at: dict[int, float] = field(default_factory=dict)
    told_s: list[float] = field(default_factory=list)  # from a stop to the reader's ending
    wrong: list[str] = field(default_factory=list)
    bare_at: dict[int, float] = field(default_factory=dict)  # who left the model itself
    bare_s: list[float] = field(default_factory=list)


async def leavers(place: Place) -> Finding:
    """Readers who leave at random moments, half by FIN and half by RST, some while Spotify is read."""
    count, rng, seen = place.count(*LEAVERS), Random(11), Endings()  # noqa: S311 - no secret
    async with place.service("leavers") as service:
        warm = place.tokens(20)
        await service.warm(warm)
        askers = (
            _leave(service, seen, number, _listener(place, warm, rng), rng)
            for number in range(1, count + 1)
        )
        await at_once(TOGETHER, _with_yardstick(place, seen, askers))
        figures = await _judged(place, service, seen)
    figures.insert(
        0, Figure("yardstick: who leaves the model itself", middle_and_high(seen.bare_s))
    )
    return Finding(
        f"Readers who leave: until the model's call is closed ({count:,} at random moments)",
        figures,
        notes=["From the reader's close to the moment at which the model's own socket sees it."],
    )


async def stops(place: Place) -> Finding:
    """Readers who press Stop at random moments, over another connection."""
    count, rng, seen = place.count(*STOPS), Random(12), Endings()  # noqa: S311 - no secret
    async with place.service("stops") as service:
        warm = place.tokens(20)
        await service.warm(warm)
        askers = (
            _stop(service, seen, number, _listener(place, warm, rng), rng)
            for number in range(1, count + 1)
        )
        await at_once(TOGETHER, askers)
        figures = await _judged(place, service, seen)
    figures.insert(0, within("the reader has its `abort` and `[DONE]`", seen.told_s, AIM_S))
    figures.append(exactly("answers that did not end with `abort`", len(seen.wrong), 0))
    return Finding(
        f"Stop: until the model's call is closed ({count:,} at random moments)",
        figures,
        notes=["From the moment at which the request to stop is sent."],
    )


def _listener(place: Place, warm: list[str], rng: Random) -> str:
    return place.token(COLD_MS) if rng.random() < COLD_SHARE else rng.choice(warm)


async def _leave(service: Service, seen: Endings, number: int, token: str, rng: Random) -> None:
    asker = await service.connect()
    reply = asker.ask(question(token, number, "slow"))
    await asyncio.sleep(rng.uniform(0, LATEST_S))
    seen.left_at[number] = asker.leave(reset=number % 2 == 0)
    await reply
    asker.close()


def _with_yardstick(place: Place, seen: Endings, askers: Iterator[Work]) -> Iterator[Work]:
    """Every tenth leaves the model itself, without a Lyra between: what this machine adds."""
    for number, asker in enumerate(askers, 1):
        yield asker
        if number % 10 == 0:
            yield _leave_model(place, seen, BARE + number)


async def _leave_model(place: Place, seen: Endings, number: int) -> None:
    asker = await Asker.connect(place.upstream.port)
    reply = asker.ask(request("POST", "/v1/messages", body={"asked": f"#{number}/slow#"}))
    await asyncio.sleep(LATEST_S)
    seen.bare_at[number] = asker.leave()
    await reply


async def _stop(service: Service, seen: Endings, number: int, token: str, rng: Random) -> None:
    asker, other = await service.connect(), await service.connect()
    parts = [{"type": "text", "text": f"What now? #{number}/slow#"}]
    body = {"id": f"chat-{number}", "messages": [{"role": "user", "parts": parts}]}
    reply = asker.ask(request("POST", "/lyra/chat", token, body))
    await asyncio.sleep(rng.uniform(0.005, LATEST_S))
    while True:
        stopped_at = time.monotonic()
        answer = await other.ask(request("POST", f"/lyra/chat/chat-{number}/stop", token))
        if answer.status != NOT_FOUND:  # else the question has not been read yet
            break
        await asyncio.sleep(0.005)
    async with asyncio.timeout(CLOSED_S):
        ended = await reply
    seen.left_at[number] = stopped_at
    seen.told_s.append(ended.at - stopped_at)
    if answer.status != NO_CONTENT or ended.ending != "abort":
        seen.wrong.append(f"{answer.status} {ended.status} {ended.ending}")
    asker.close()
    other.close()


async def _judged(place: Place, service: Service, seen: Endings) -> list[Figure]:
    left_open = await place.until_open(0)
    calls = await place.calls()
    bare = {number: calls.pop(number) for number in seen.bare_at if number in calls}
    seen.bare_s = [late_s for _, late_s in _late(bare, seen.bare_at)]
    after = await service.settled(lambda found: not found["lyra_runs_live"])
    by_phase: dict[str, list[float]] = {"before its first word": [], "in mid-answer": []}
    for phase, late_s in _late(calls, seen.left_at):
        by_phase[phase].append(late_s)
    every = [late_s for each in by_phase.values() for late_s in each]
    unasked = len(seen.left_at) - len(calls)
    return [
        *(within(f"gone {phase}", late, AIM_S) for phase, late in by_phase.items()),
        Figure("slowest of all", f"{max(every, default=0) * 1000:.1f} ms"),
        Figure("gone while Spotify was read: the model was not asked", f"{unasked:,}"),
        exactly("model calls left open", left_open, 0),
        exactly("answers and streams left over", round(_left_over(after)), 0),
    ]


def _late(calls: dict[int, Call], left_at: dict[int, float]) -> Iterator[tuple[str, float]]:
    """The phase of each call that was open, and how long after its reader it was closed."""
    for number, call in calls.items():
        left = left_at[number]
        spoke = call.get("spoke", left)
        phase = "in mid-answer" if spoke < left else "before its first word"
        yield phase, call.get("over", left + CLOSED_S) - left


def _left_over(metrics: dict[str, float]) -> float:
    return metrics["lyra_runs_live"] + metrics["lyra_streams"]
