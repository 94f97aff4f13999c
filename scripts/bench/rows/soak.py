"""Very many requests, half of whose readers leave: afterwards the process is as it was before."""

import asyncio
import time
from collections.abc import Coroutine
from random import Random

from bench.client import Client, at_once, question, request
from bench.harness import Harness
from bench.report import Figure, Finding, at_most, exactly
from bench.service import Service

REQUESTS = 1_000, 12_000, 200_000
WARM_UP = 1_000, 5_000, 20_000
TOGETHER = 32
LATEST_S = 0.02
MIB = 2**20
GROWTH_MIB = 2.0
LISTENERS = 50
STEPS = 10
# Ended answers are kept in a table of bounded bytes, which the warm-up fills.
SETTINGS = {"LYRA_RUNS_MAX_BYTES": "4194304", "LYRA_RUN_KEEP_S": "60"}


async def soak(harness: Harness) -> Finding:
    """Chats and loads of many listeners, in halves; every other reader leaves at a random moment."""
    rng = Random(15)  # noqa: S311 - no secret
    async with harness.service("soak", **SETTINGS) as service:
        tokens = harness.tokens(LISTENERS)
        await service.warm(tokens)
        await _asked(service, tokens, harness.count(*WARM_UP), rng)
        before = await _at_rest(harness, service)
        files = _files(harness, service)
        memory, began = [service.memory_bytes], time.monotonic()
        for _ in range(STEPS):
            await _asked(service, tokens, harness.count(*REQUESTS) // STEPS, rng)
            memory.append(service.memory_bytes)
        seconds = time.monotonic() - began
        after = await _at_rest(harness, service)
        grown = (service.memory_bytes - memory[0]) / MIB
        more_files = _files(harness, service) - files
        left_open = await harness.open_calls()
    steps = ", ".join(f"{(each - memory[0]) / MIB:+.1f}" for each in memory[1:])
    count, ended = harness.count(*REQUESTS), _ended(after) - _ended(before)
    return Finding(
        f"A soak of {count:,} requests, half of whose readers leave",
        [
            Figure("requests a second", f"{count / seconds:.0f}"),
            Figure("answers begun", f"{ended:,.0f}"),
            at_most("growth of memory after the warm-up", grown, GROWTH_MIB, "MiB"),
            exactly("more open files than before", max(0, more_files), 0),
            exactly(
                "more tasks than before",
                round(after["lyra_loop_tasks"] - before["lyra_loop_tasks"]),
                0,
            ),
            exactly("live answers, open streams, model calls", round(_left(after)) + left_open, 0),
        ],
        [
            f"Memory after each tenth, MiB: {steps}. The warm-up: {harness.count(*WARM_UP):,} requests."
        ],
    )


async def _asked(service: Service, tokens: list[str], count: int, rng: Random) -> None:
    free: list[Client] = []

    async def stay(sent: bytes) -> None:
        client = free.pop() if free else await service.connect()
        await client.ask(sent)
        if not client.lost:
            free.append(client)

    async def leave(sent: bytes, *, reset: bool) -> None:
        client = await service.connect()
        reply = client.ask(sent)
        await asyncio.sleep(rng.uniform(0, LATEST_S))
        client.leave(reset=reset)
        await reply

    def one(number: int) -> Coroutine[None, None, None]:
        token = rng.choice(tokens)
        chats, leaves = number % 2, number % 4 > 1
        load = request("POST", "/lyra/init", token)
        sent = question(token, 0, "slow" if leaves else "quick") if chats else load
        return leave(sent, reset=number % 3 == 0) if leaves else stay(sent)

    await at_once(TOGETHER, (one(number) for number in range(count)))
    for client in free:
        client.close()


async def _at_rest(harness: Harness, service: Service) -> dict[str, float]:
    """The metrics once nothing is under way."""
    await harness.until_open(0)
    return await service.settled(lambda found: not _left(found))


def _files(harness: Harness, service: Service) -> int:
    """Open files without kept connections, which a pool opens and closes as it likes."""
    return service.files - service.connections_to(harness.sandbox, harness.upstream)


def _left(metrics: dict[str, float]) -> float:
    return metrics["lyra_runs_live"] + metrics["lyra_streams"]


def _ended(metrics: dict[str, float]) -> float:
    return sum(value for name, value in metrics.items() if name.startswith("lyra_answers_total"))
