"""Answers that last longer than a head may take, whose questions came in two segments."""

import time

from bench.client import at_once, question
from bench.harness import Harness
from bench.report import Figure, Finding, exactly
from bench.service import Service

READERS = 20, 80, 400
GAPS_S = [n / 1e4 for n in range(3, 13)]  # between head and body: 0.3 to 1.2 ms
_HEAD_END = b"\r\n\r\n"


async def lasting(harness: Harness) -> Finding:
    """All at once, a little apart; with the deadlines of `lyra serve` as they are by default."""
    count = harness.count(*READERS)
    endings: list[str] = []
    took_s: list[float] = []

    async def read(service: Service, token: str, number: int) -> None:
        client = await service.connect()
        head, _, body = question(token, 0, "lasting").partition(_HEAD_END)
        reply = client.ask(head + _HEAD_END)
        # The loop's timers are too coarse for this, and others may wait so long.
        until = time.perf_counter() + GAPS_S[number % len(GAPS_S)]
        while time.perf_counter() < until:
            pass
        client.send(body)
        answer = await reply
        client.close()
        endings.append(answer.ending)
        took_s.append(answer.seconds)

    async with harness.service("lasting") as service:
        token = harness.token()
        await service.warm([token])
        await at_once(count, (read(service, token, number) for number in range(count)))
    return Finding(
        f"Answers of 15 s whose body came just behind the head ({count:,} at once)",
        [
            exactly("answers without their ending", count - endings.count("finish"), 0),
            Figure("the shortest of them", f"{min(took_s):.1f} s"),
        ],
        ["0.3 to 1.2 ms between head and body; a head may take 10 s."],
    )
