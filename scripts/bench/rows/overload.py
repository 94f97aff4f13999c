"""Ten times more questions than there is room for: who is let in is served as before, the others know at once."""

import asyncio
import time
from dataclasses import dataclass, field

from bench.client import Client, Reply, at_once, question, request
from bench.harness import Harness
from bench.report import Figure, Finding, exactly, middle_and_high, percentile, within
from bench.service import Service

ROOM = 8  # answers at once; the model takes 0.2 s for each
SECONDS = 2.0, 5.0, 20.0
TIMES = 10
GOODPUT = 0.9
OF_MODEL = 5.0  # a refusal, of an answer of the scripted model that costs nothing
SLOWER = 2.0
OK, REFUSED = 200, (429, 503)
HELD = 8  # bodies that do not come: an address' share
SHARES, LEAST = 8, 65_536  # as the service counts them


@dataclass
class Load:
    """The answers of one load, and how long it went on."""

    seconds: float
    cpu_s: float = 0.0  # the service's processor time meanwhile
    bare: list[float] = field(default_factory=list)  # answers of the scripted model itself
    served: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    silent: int = 0  # refusals that do not say when to come back
    other: list[str] = field(default_factory=list)

    def note(self, reply: Reply) -> None:
        """Count one answer."""
        if reply.status == OK and reply.ending == "finish":
            self.served.append(reply.seconds)
        elif reply.status in REFUSED:
            self.refused.append(reply.seconds)
            self.silent += b"\r\nretry-after: " not in reply.head.lower()
        else:
            self.other.append(f"{reply.status} {reply.ending}")

    @property
    def cpu_ms(self) -> float:
        """Processor time of the service for each answer that was served, if there were no others."""
        return self.cpu_s / max(1, len(self.served)) * 1000

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.served) / self.seconds


async def overload(harness: Harness) -> Finding:
    """The peak by as many readers as there is room for, then ten times that rate from an open loop."""
    seconds = harness.pick(*SECONDS)
    async with harness.service("overload", LYRA_MAX_STREAMS=str(ROOM)) as service:
        tokens = harness.tokens(ROOM)
        await service.warm(tokens)
        peak = await _peak(service, tokens, seconds)
        over = await _offered(harness, service, tokens, TIMES * peak.rate, seconds)
        again = await _peak(service, tokens, seconds)
    door = await _at_the_door(harness)
    best = max(peak.rate, again.rate)
    return Finding(
        f"Offered {TIMES} times the peak, room for {ROOM} answers at once",
        [
            Figure("peak, before and after", f"{peak.rate:.0f}, {again.rate:.0f} a second"),
            Figure(
                "answered in full under the overload",
                f"{over.rate:.0f} a second, {over.rate / best:.0%}",
                f">= {GOODPUT:.0%} of the peak",
                over.rate >= GOODPUT * best,
            ),
            Figure("an answer at the peak, p50 / p99", middle_and_high(peak.served)),
            _slower(peak, over),
            Figure("processor time of an answer at the peak", f"{peak.cpu_ms:.2f} ms"),
            Figure("processor time of a refusal", f"{_refusal_ms(peak, over):.2f} ms"),
            Figure(
                "yardstick: GET of the scripted model itself meanwhile, p50 / p99",
                middle_and_high(over.bare),
            ),
            within("a refusal", over.refused, over.bare, OF_MODEL),
            within(
                "a refusal where there is no room for the body", door.refused, over.bare, OF_MODEL
            ),
            exactly("refusals without Retry-After", over.silent + door.silent, 0),
            exactly("anything else", len(over.other) + len(peak.other) + len(door.other), 0),
        ],
        [
            f"{len(over.refused):,} of {len(over.refused) + len(over.served):,} were refused. The load and the service share {seconds:g} s of the same cores."
        ],
    )


def _slower(peak: Load, over: Load) -> Figure:
    usual, now = percentile(peak.served, 0.99), percentile(over.served or [0.0], 0.99)
    kept = bool(over.served) and now <= SLOWER * usual
    aim = f"p99 <= {SLOWER:g} x"
    return Figure("under the overload, p50 / p99", middle_and_high(over.served or [0.0]), aim, kept)


def _refusal_ms(peak: Load, over: Load) -> float:
    spent_ms = over.cpu_s * 1000 - len(over.served) * peak.cpu_ms
    return spent_ms / max(1, len(over.refused))


async def _peak(service: Service, tokens: list[str], seconds: float) -> Load:
    """As many readers as there is room for, who ask again at once."""
    load, until = Load(seconds), time.monotonic() + seconds

    async def keep_asking(token: str) -> None:
        client = await service.connect()
        while time.monotonic() < until:
            load.note(await client.ask(question(token, 0, "busy")))
        client.close()

    before = service.loop_cpu_s()
    await at_once(ROOM, (keep_asking(token) for token in tokens))
    load.cpu_s = service.loop_cpu_s() - before
    return load


async def _offered(
    harness: Harness, service: Service, tokens: list[str], rate: float, seconds: float
) -> Load:
    """Questions at an even rate, however the answers fare; connections are used again."""
    load, free = Load(seconds), [await service.connect() for _ in range(2 * ROOM)]
    began, asked, before = time.monotonic(), 0, service.loop_cpu_s()

    async def one(number: int) -> None:
        client = free.pop() if free else await service.connect()
        load.note(await client.ask(question(tokens[number % len(tokens)], 0, "busy")))
        if client.lost or client.closing:
            client.close()
        else:
            free.append(client)

    async with asyncio.TaskGroup() as group:
        group.create_task(_yardstick(harness, load))
        while (now := time.monotonic() - began) < seconds:
            while asked < now * rate:
                group.create_task(one(asked))
                asked += 1
            await asyncio.sleep(0.001)
    load.cpu_s = service.loop_cpu_s() - before
    for client in free:
        client.close()
    return load


async def _yardstick(harness: Harness, load: Load) -> None:
    """What this machine adds to an answer that costs nothing, under the same load."""
    client, until = await Client.connect(harness.upstream.port), time.monotonic() + load.seconds
    while time.monotonic() < until:
        load.bare.append((await client.ask(request("GET", "/open"))).seconds)
        await asyncio.sleep(0.005)
    client.close()


async def _at_the_door(harness: Harness) -> Load:
    """Questions of an address that has its share of bodies which do not come."""
    settings = {"LYRA_BODIES_MAX_BYTES": str(SHARES * HELD * LEAST)}
    async with harness.service("door", **settings) as service:
        token, load = harness.token(), Load(1.0)
        await service.warm([token])
        holders = [await service.connect() for _ in range(HELD)]
        half = request("POST", "/lyra/chat", token, {"message": "x" * 1000})[:-500]
        waiting = [holder.ask(half) for holder in holders]
        await service.settled(lambda found: found["lyra_bodies_waiting"] == HELD)
        for _ in range(harness.count(50, 500, 2000)):
            client = await Client.connect(service.port)
            load.note(await client.ask(half))
            client.close()
        for holder in holders:
            holder.close()
        await asyncio.gather(*waiting)
    return load
