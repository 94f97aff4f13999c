"""Very many open streams, and very many connections at rest: what they weigh, and whom they disturb."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

import orjson

from faultbench.asker import Asker, Reply, question, request
from faultbench.figures import Figure, Finding, at_most, exactly, percentile
from faultbench.place import Place, Service, at_once

STREAMS = 300, 5000, 5000
IDLE = 500, 10_000, 10_000
STREAM_KIB, IDLE_KIB = 16, 10
OPENING = 32
WARM_UP = 100
SPARE_FILES = 200
FILES_A_STREAM = 2  # the reader's connection and the model's
SETTLE_S = 2.0
YARDSTICK = 4  # the clients alone hold so much fewer; a call weighs the same among fewer
KIB = 1024
OK = 200

SLICES = 2, 20, 30
SLICE_S = 0.5
CALM_S = 1.0, 11.0, 11.0  # a timer of a new connection, for its first head, goes off after ten
ASKERS = 4
SLOWER = 1.1  # by how much of their own time the others may be

_BARE = Path(__file__).with_name("bare_streams.py")


async def streams(place: Place) -> Finding:
    """Five thousand answers open at once, a word every four seconds each, and what each of them weighs."""
    wanted = place.count(*STREAMS)
    count = min(wanted, (place.files - SPARE_FILES) // FILES_A_STREAM)
    async with place.service("streams", LYRA_MAX_STREAMS=str(wanted + WARM_UP)) as service:
        tokens = place.tokens(20)
        await service.warm(tokens)
        async with _open(service, tokens, WARM_UP):
            pass
        await place.until_open(0)
        before = service.memory_bytes
        async with _open(service, tokens, count) as replies:
            await asyncio.sleep(SETTLE_S)
            weight = (service.memory_bytes - before) / count / KIB
            ended, held = sum(reply.done() for reply in replies), await place.open_calls()
            bystander = await service.ask(request("POST", "/lyra/init", tokens[0]))
        left = await place.until_open(0)
        after = await service.settled(lambda found: not found["lyra_streams"])
    bare, client = [
        await _client_weight(place, kind, count // YARDSTICK) for kind in ("aiohttp", "claude")
    ]
    return Finding(
        f"{wanted:,} open streams on one process",
        [
            exactly("streams open", count, wanted),
            exactly("of them ended or failed", ended, 0),
            exactly("model calls held open by them", held, count),
            Figure(
                "another request meanwhile",
                f"{bystander.seconds * 1000:.1f} ms",
                "200",
                bystander.status == OK,
            ),
            Figure("memory of a stream, all in all", f"{weight:.1f} KiB"),
            Figure("of it a bare aiohttp client's stream", f"{bare:.1f} KiB"),
            Figure("of it the model client's stream", f"{client:.1f} KiB"),
            at_most("beyond the model client's own", weight - client, STREAM_KIB, "KiB"),
            exactly(
                "streams and model calls after all have left",
                round(after["lyra_streams"]) + left,
                0,
            ),
        ],
        notes=[
            "The clients' shares: a quarter as many calls to the same model by a process with nothing else, over aiohttp alone and through the model client as Lyra uses it.",
            *_few_files(place, count, wanted),
        ],
    )


@asynccontextmanager
async def _open(
    service: Service, tokens: list[str], count: int
) -> AsyncIterator[list[asyncio.Future[Reply]]]:
    """So many open answers, each with its first word."""
    askers: list[Asker] = []
    replies: list[asyncio.Future[Reply]] = []

    async def begin(number: int) -> None:
        asker = await service.connect()
        askers.append(asker)
        reply = asker.ask(question(tokens[number % len(tokens)], 0, "hold"))
        replies.append(reply)
        spoke = asyncio.get_running_loop().create_task(asker.spoke.wait())
        await asyncio.wait((spoke, reply), return_when=asyncio.FIRST_COMPLETED)
        spoke.cancel()

    try:
        await at_once(OPENING, (begin(number) for number in range(count)))
        yield replies
    finally:
        for asker in askers:
            asker.close()


async def _client_weight(place: Place, kind: str, count: int) -> float:
    """KiB that a stream takes in a process that only calls the model."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(_BARE), kind, place.upstream.url, str(count)),
        cwd=place.folder,
        env={},
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    await place.until_open(0)
    return float(orjson.loads(told)["bytes"]) / count / KIB


def _few_files(place: Place, count: int, wanted: int) -> Iterator[str]:
    if count < wanted:
        yield f"Only {count:,} fit: this process may not have more than {place.files:,} open files."


class Turns(NamedTuple):
    """Seconds of warm requests, by turns, to the process without the connections and to the other."""

    alone: list[list[float]]
    beside: list[list[float]]

    def percentiles_ms(self, share: float) -> tuple[float, float]:
        """The median over the turns of what this share of each turn is below."""
        alone, beside = (median(percentile(turn, share) for turn in turns) * 1000 for turns in self)
        return alone, beside


async def idle(place: Place) -> Finding:
    """Ten thousand connections at rest: their weight, and how others fare with and without them.

    They are at rest once the timer for a head that each of them came with has gone off and was set
    for their rest. All came within seconds, and so do these timers, in bursts of a millisecond: who
    asks meanwhile is told of an arrival, and not of a rest.
    """
    wanted = place.count(*IDLE)
    count = min(wanted, place.files - SPARE_FILES)
    calm_s = dict(zip(("quick", "usual", "full"), CALM_S, strict=True))[place.size]
    async with place.service("without") as without, place.service("with") as crowded:
        token = place.token()
        for service in (without, crowded):
            await service.warm([token])
            await _timed(service, token)
        equal = await _in_turns(without, crowded, token, place.count(*SLICES) // 2)
        before = crowded.memory_bytes
        resting = await _rest(crowded, count)
        weight = (crowded.memory_bytes - before) / count / KIB
        await asyncio.sleep(calm_s)
        turns = await _in_turns(without, crowded, token, place.count(*SLICES))
        lost = sum(each.lost for each in resting)
        for each in resting:
            each.close()
    return Finding(
        f"{wanted:,} connections at rest",
        [
            exactly("connections at rest", count, wanted),
            exactly("of them closed meanwhile", lost, 0),
            at_most("memory of a connection", weight, IDLE_KIB, "KiB"),
            *_compared("a warm POST /lyra/init of others, p50", equal, turns, 0.5),
            *_compared("a warm POST /lyra/init of others, p99", equal, turns, 0.99),
        ],
        notes=[
            f"Two equal processes take turns of {SLICE_S:g} s, {ASKERS} connections that ask without a pause; medians of the turns.",
            "The yardstick: the same two before the connections came. What they differ by then is the machine's.",
            *_few_files(place, count, wanted),
        ],
    )


async def _in_turns(without: Service, crowded: Service, token: str, count: int) -> Turns:
    """The times of both, who begin in turn."""
    turns = Turns([], [])
    for number in range(count):
        pairs = [(without, turns.alone), (crowded, turns.beside)]
        for service, seconds in pairs if number % 2 else reversed(pairs):
            seconds.append(await _timed(service, token))
    return turns


async def _rest(service: Service, count: int) -> list[Asker]:
    """Connections that have asked once, and stay."""
    askers: list[Asker] = []

    async def come() -> None:
        asker = await service.connect()
        await asker.ask(request("GET", "/healthz"))
        askers.append(asker)

    await at_once(OPENING, (come() for _ in range(count)))
    return askers


async def _timed(service: Service, token: str) -> list[float]:
    """The times of warm requests, asked one after another over a few connections."""
    seconds: list[float] = []
    until, sent = perf_counter() + SLICE_S, request("POST", "/lyra/init", token)

    async def keep_asking() -> None:
        asker = await service.connect()
        while perf_counter() < until:
            reply = await asker.ask(sent)
            if reply.status != OK:
                raise RuntimeError(f"a warm request was refused: status {reply.status}")
            seconds.append(reply.seconds)
        asker.close()

    await at_once(ASKERS, (keep_asking() for _ in range(ASKERS)))
    return seconds


def _compared(what: str, equal: Turns, turns: Turns, share: float) -> Iterator[Figure]:
    first, second = equal.percentiles_ms(share)
    yield Figure(f"{what}: yardstick", f"{first:.2f} / {second:.2f} ms")
    without, with_ = turns.percentiles_ms(share)
    found, aim = f"{without:.2f} / {with_:.2f} ms, {with_ / without:.2f} x", f"<= {SLOWER:g} x"
    yield Figure(f"{what}: without / with them", found, aim, with_ <= SLOWER * without)
