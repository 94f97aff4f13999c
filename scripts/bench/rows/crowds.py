"""Very many open streams, and very many connections at rest: what they weigh, and whom they disturb."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

import orjson

from bench.client import Asker, Reply, question, request
from bench.fault_place import Place, Service, at_once
from bench.figures import Figure, Finding, at_most, exactly, percentile

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

SLICES = 1, 5, 15
SLICE_S = 1.0
ASKERS = 4
SLOWER = 1.1  # by how much of their own time the others may be

_BARE = Path(__file__).parents[1] / "servers" / "bare_streams.py"


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


async def idle(place: Place) -> Finding:
    """Ten thousand connections at rest: their weight, and how others fare with and without them."""
    wanted = place.count(*IDLE)
    count = min(wanted, place.files - SPARE_FILES)
    async with place.service("without") as without, place.service("with") as crowded:
        token = place.token()
        for service in (without, crowded):
            await service.warm([token])
            await _timed(service, token)
        before = crowded.memory_bytes
        resting = await _rest(crowded, count)
        weight = (crowded.memory_bytes - before) / count / KIB
        alone_s, beside_s = [], []
        for _ in range(place.count(*SLICES)):
            alone_s.append(await _timed(without, token))
            beside_s.append(await _timed(crowded, token))
        lost = sum(each.lost for each in resting)
        for each in resting:
            each.close()
    return Finding(
        f"{wanted:,} connections at rest",
        [
            exactly("connections at rest", count, wanted),
            exactly("of them closed meanwhile", lost, 0),
            at_most("memory of a connection", weight, IDLE_KIB, "KiB"),
            *_compared("a warm POST /lyra/init of others, p50", alone_s, beside_s, 0.5),
            *_compared("a warm POST /lyra/init of others, p99", alone_s, beside_s, 0.99),
        ],
        notes=[
            f"Two equal processes take turns of {SLICE_S:g} s, {ASKERS} connections that ask without a pause; medians of the turns.",
            *_few_files(place, count, wanted),
        ],
    )


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


def _compared(
    what: str, alone: list[list[float]], beside: list[list[float]], share: float
) -> Iterator[Figure]:
    without, with_ = (
        median(percentile(turn, share) for turn in turns) * 1000 for turns in (alone, beside)
    )
    yield Figure(f"{what}, without them", f"{without:.2f} ms")
    aim = f"<= {SLOWER:g} x"
    yield Figure(f"{what}, with them", f"{with_:.2f} ms", aim, with_ <= SLOWER * without)
