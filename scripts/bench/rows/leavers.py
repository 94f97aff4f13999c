"""Readers who leave, and readers who press Stop: how soon the model's call is closed."""

import asyncio
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from random import Random

from bench.client import Client, at_once, question, request
from bench.harness import Call, Harness
from bench.processes import Server
from bench.report import Figure, Finding, exactly, format_number, middle_and_high, within
from bench.service import Service

OF_LEAN = 3.0
LEAVERS = 60, 1000, 10_000
STOPS = 40, 400, 2000
TOGETHER = 8
LATEST_S = 0.3  # a model of pace "slow" begins to speak after 0.12 s, and goes on for 20 s
COLD_MS = "lat-60-120"
COLD_SHARE = 0.15
CLOSED_S = 5.0
LEAN_EVERY, LEAN = 4, 1_000_000  # numbers of those who ask the lean pipeline
NO_CONTENT, NOT_FOUND = 204, 404
Work = Coroutine[None, None, None]


@dataclass
class Endings:
    """When each reader went, by the number of the question."""

    left_at: dict[int, float] = field(default_factory=dict)
    lean_left_at: dict[int, float] = field(default_factory=dict)
    stopped_s: list[float] = field(default_factory=list)  # from a stop to the reader's ending
    wrong: list[str] = field(default_factory=list)


async def leavers(harness: Harness) -> Finding:
    """Readers who leave at random moments, half by FIN and half by RST, some while Spotify is read."""
    count, rng, seen = harness.count(*LEAVERS), Random(11), Endings()  # noqa: S311 - no secret
    async with (
        harness.service("leavers") as service,
        harness.server("lean", harness.upstream.url) as lean,
    ):
        warm = harness.tokens(20)
        await service.warm(warm)
        readers = (
            _leave(service, seen.left_at, number, _listener(harness, warm, rng), rng)
            for number in range(1, count + 1)
        )
        await at_once(TOGETHER, _beside_lean(lean, seen, readers, rng))
        figures, lean_s = await _judged(harness, service, seen)
    return Finding(
        f"Readers who leave: until the model's call is closed ({count:,} at random moments)",
        [_yardstick(lean_s), *figures],
        ["From the reader's close to the moment at which the model's own socket sees it."],
    )


async def stops(harness: Harness) -> Finding:
    """Readers who press Stop at random moments, over another connection."""
    count, rng, seen = harness.count(*STOPS), Random(12), Endings()  # noqa: S311 - no secret
    async with (
        harness.service("stops") as service,
        harness.server("lean", harness.upstream.url) as lean,
    ):
        warm = harness.tokens(20)
        await service.warm(warm)
        readers = (
            _stop(service, seen, number, _listener(harness, warm, rng), rng)
            for number in range(1, count + 1)
        )
        await at_once(TOGETHER, _beside_lean(lean, seen, readers, rng))
        figures, lean_s = await _judged(harness, service, seen)
    return Finding(
        f"Stop: until the model's call is closed ({count:,} at random moments)",
        [
            _yardstick(lean_s),
            within("the reader has its `abort` and `[DONE]`", seen.stopped_s, lean_s, OF_LEAN),
            *figures,
            exactly("answers that did not end with `abort`", len(seen.wrong), 0),
        ],
        ["From the moment at which the request to stop is sent."],
    )


def _yardstick(lean_s: list[float]) -> Figure:
    what = f"yardstick: who leaves the lean pipeline ({len(lean_s):,}), p50 / p99"
    return Figure(what, middle_and_high(lean_s))


def _listener(harness: Harness, warm: list[str], rng: Random) -> str:
    return harness.token(COLD_MS) if rng.random() < COLD_SHARE else rng.choice(warm)


async def _leave(
    server: Server, left_at: dict[int, float], number: int, token: str, rng: Random
) -> None:
    client = await Client.connect(server.port)
    reply = client.ask(question(token, number, "slow"))
    await asyncio.sleep(rng.uniform(0, LATEST_S))
    left_at[number] = client.leave(reset=number % 2 == 0)
    await reply
    client.close()


def _beside_lean(
    lean: Server, seen: Endings, readers: Iterator[Work], rng: Random
) -> Iterator[Work]:
    """Some leave the lean pipeline, in the same way at the same time: what is hard for everybody."""
    for number, reader in enumerate(readers, 1):
        yield reader
        if number % LEAN_EVERY == 0:
            yield _leave(lean, seen.lean_left_at, LEAN + number, "", rng)


async def _stop(service: Service, seen: Endings, number: int, token: str, rng: Random) -> None:
    client, other = await service.connect(), await service.connect()
    parts = [{"type": "text", "text": f"What now? #{number}/slow#"}]
    body = {"id": f"chat-{number}", "messages": [{"role": "user", "parts": parts}]}
    reply = client.ask(request("POST", "/lyra/chat", token, body))
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
    seen.stopped_s.append(ended.at - stopped_at)
    if answer.status != NO_CONTENT or ended.ending != "abort":
        seen.wrong.append(f"{answer.status} {ended.status} {ended.ending}")
    client.close()
    other.close()


async def _judged(
    harness: Harness, service: Service, seen: Endings
) -> tuple[list[Figure], list[float]]:
    """What became of the model's calls; and how long those of the lean pipeline were left open."""
    left_open = await harness.until_open(0)
    calls = await harness.calls()
    lean = {number: call for number, call in calls.items() if number > LEAN}
    calls = {number: call for number, call in calls.items() if number < LEAN}
    lean_s = [late_s for _, late_s in _late(lean, seen.lean_left_at)]
    after = await service.settled(lambda metrics: not metrics["lyra_runs_live"])
    by_phase: dict[str, list[float]] = {"before its first word": [], "in mid-answer": []}
    for phase, late_s in _late(calls, seen.left_at):
        by_phase[phase].append(late_s)
    slowest_s = max((late_s for each in by_phase.values() for late_s in each), default=0)
    left_over = round(after["lyra_runs_live"] + after["lyra_streams"])
    unasked = len(seen.left_at) - len(calls)
    return [
        *(within(f"gone {phase}", late, lean_s, OF_LEAN) for phase, late in by_phase.items()),
        Figure("slowest of all", f"{format_number(slowest_s * 1000)} ms"),
        Figure("gone while Spotify was read: the model was not asked", f"{unasked:,}"),
        exactly("model calls left open", left_open, 0),
        exactly("answers and streams left over", left_over, 0),
    ], lean_s


def _late(calls: dict[int, Call], left_at: dict[int, float]) -> Iterator[tuple[str, float]]:
    """The phase of each call that was open, and how long after its reader it was closed."""
    for asked, call in calls.items():
        left = left_at[asked]
        spoke = call.get("spoke", left)
        phase = "in mid-answer" if spoke < left else "before its first word"
        yield phase, call.get("over", left + CLOSED_S) - left
