"""SIGTERM while very many answers are running: each gets its ending, and the process ends well."""

import asyncio
import signal
import time
from collections import Counter
from dataclasses import dataclass
from random import Random

from bench.client import Client, Reply, at_once, question, until_spoken
from bench.harness import Harness
from bench.report import Figure, Finding, at_most, exactly, format_number
from bench.service import Service

STREAMS = 40, 1000, 1000
DRAIN_S = 2.0
ENDING_OF_OPENING, GONE_OF_OPENING = 0.6, 1.0
OPENING = 32
BRIEF_SHARE = 0.3  # answers that are done within the time to drain


@dataclass(frozen=True)
class Stopped:
    """The answers of a service that was stopped, when it was, and how long it took to open them."""

    replies: list[Reply]
    asked_at: float
    opening_s: float


async def drain(harness: Harness) -> Finding:
    """A thousand live streams, a third of which can finish in time."""
    count = harness.count(*STREAMS)
    async with harness.service("drain", LYRA_DRAIN_S=f"{DRAIN_S:g}") as service:
        stopped = await _stop_midway(harness, service, count)
        code = await asyncio.shield(service.process.wait())
        gone_s = time.monotonic() - stopped.asked_at - DRAIN_S
    endings = Counter(f"{each.status} {each.ending}" for each in stopped.replies)
    whole = endings["200 abort"] + endings["200 finish"]
    last_s = max(each.at for each in stopped.replies) - stopped.asked_at - DRAIN_S
    opening_s = stopped.opening_s
    return Finding(
        f"SIGTERM with {count:,} live streams, LYRA_DRAIN_S={DRAIN_S:g}",
        [
            Figure(
                "yardstick: until all of them had their first word", f"{format_number(opening_s)} s"
            ),
            Figure("finished in time", f"{endings['200 finish']:,}"),
            Figure("ended with `abort` and `[DONE]`", f"{endings['200 abort']:,}"),
            exactly("cut, or without an ending", len(stopped.replies) - whole, 0),
            Figure("the last ending, after LYRA_DRAIN_S", f"{format_number(last_s)} s"),
            at_most("the same, of the opening", last_s / opening_s, ENDING_OF_OPENING, "x"),
            Figure("the process has ended, after LYRA_DRAIN_S", f"{format_number(gone_s)} s"),
            at_most("the same, of the opening", gone_s / opening_s, GONE_OF_OPENING, "x"),
            exactly("exit code", code, 0),
            exactly("model calls left open", await harness.until_open(0), 0),
        ],
    )


async def _stop_midway(harness: Harness, service: Service, count: int) -> Stopped:
    tokens, rng = harness.tokens(20), Random(13)  # noqa: S311 - no secret
    await service.warm(tokens)
    clients = [await service.connect() for _ in range(count)]
    brief = {client for client in clients if rng.random() < BRIEF_SHARE}
    replies: list[asyncio.Future[Reply]] = []

    async def begin(client: Client, pace: str) -> None:
        reply = client.ask(question(rng.choice(tokens), 0, pace))
        replies.append(reply)
        await until_spoken(client, reply)

    began = time.monotonic()
    held = [client for client in clients if client not in brief]
    await at_once(OPENING, (begin(client, "hold") for client in held))
    # Those that can finish come last, or they would have finished before the signal.
    await at_once(count, (begin(client, "brief") for client in brief))
    opening_s = time.monotonic() - began
    service.process.send_signal(signal.SIGTERM)
    asked_at = time.monotonic()
    return Stopped(await asyncio.gather(*replies), asked_at, opening_s)
