"""SIGTERM while very many answers are running: each gets its ending, and the process ends well."""

import asyncio
import signal
import time
from collections import Counter
from random import Random

from bench.client import Asker, Reply, question
from bench.fault_place import Place, Service, at_once
from bench.figures import Figure, Finding, at_most, exactly

STREAMS = 40, 1000, 1000
DRAIN_S = 2.0
AIM_S = 1.0
OPENING = 32
BRIEF_SHARE = 0.3  # answers that are done within the time to drain


async def drain(place: Place) -> Finding:
    """A thousand live streams, a third of which can finish in time."""
    count = place.count(*STREAMS)
    async with place.service("drain", LYRA_DRAIN_S=f"{DRAIN_S:g}") as service:
        told = await _stopped(place, service, count)
        code = await asyncio.shield(service.server.process.wait())
        gone_at = time.monotonic()
    replies, asked_at = told
    endings = Counter(f"{each.status} {each.ending}" for each in replies)
    cut = sum(count for each, count in endings.items() if each not in ("200 abort", "200 finish"))
    last_s = max(each.at for each in replies) - asked_at
    return Finding(
        f"SIGTERM with {count:,} live streams, LYRA_DRAIN_S={DRAIN_S:g}",
        [
            Figure("finished in time", f"{endings['200 finish']:,}"),
            Figure("ended with `abort` and `[DONE]`", f"{endings['200 abort']:,}"),
            exactly("cut, or without an ending", cut, 0),
            at_most("the last ending, after LYRA_DRAIN_S", last_s - DRAIN_S, AIM_S, "s"),
            at_most(
                "the process has ended, after LYRA_DRAIN_S", gone_at - asked_at - DRAIN_S, 2, "s"
            ),
            exactly("exit code", code, 0),
            exactly("model calls left open", await place.until_open(0), 0),
        ],
    )


async def _stopped(place: Place, service: Service, count: int) -> tuple[list[Reply], float]:
    tokens, rng = place.tokens(20), Random(13)  # noqa: S311 - no secret
    await service.warm(tokens)
    askers = [await service.connect() for _ in range(count)]
    replies: list[asyncio.Future[Reply]] = []

    async def begin(asker: Asker) -> None:
        pace = "brief" if rng.random() < BRIEF_SHARE else "hold"
        if pace == "hold":
            replies.append(asker.ask(question(rng.choice(tokens), 0, pace)))
            await asker.spoke.wait()
        else:
            brief.append(asker)

    brief: list[Asker] = []
    await at_once(OPENING, (begin(each) for each in askers))
    # Those that can finish come last, or they would have finished before the signal.
    replies += [each.ask(question(rng.choice(tokens), 0, "brief")) for each in brief]
    await asyncio.gather(*(each.spoke.wait() for each in brief))
    service.server.process.send_signal(signal.SIGTERM)
    asked_at = time.monotonic()
    ended = await asyncio.gather(*replies)
    return ended, asked_at
