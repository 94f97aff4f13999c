"""How much later the first word comes through the service than from the model itself."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from statistics import median

from bench.harness import Place, settle
from bench.report import Aim, Table, aim, percentile
from bench.streams import (
    MODEL_WORD,
    Load,
    Stream,
    all_ended,
    ask_all,
    leave_all,
    model_call,
    question,
)

ALONE, QUICK_ALONE = 200, 10
OPEN, QUICK_OPEN = 200, 10
GAP_MS = 20
ARRIVALS_A_S = 20
LASTING_S, QUICK_LASTING_S = 10.0, 0.5
SHORT, SHORT_GAP_MS = 2, 5  # the answers whose first word is timed
MEDIAN_MS, P99_MS = 1.0, 5.0
LYRA, PEER, DIRECT, LEAN = "Lyra", "peer", "the model itself", "lean pipeline"


@dataclass(frozen=True)
class Subject:
    """One way to the model: its short questions, the long ones behind them, and their times."""

    short: Load
    long: Load
    alone: list[float] = field(default_factory=list)
    crowded: list[float] = field(default_factory=list)


async def measure(place: Place) -> list[Table]:
    """One question at a time; then arrivals that wait for nobody, beside open streams."""
    async with AsyncExitStack() as stack:
        subjects = await _subjects(place, stack)
        await _alone(subjects, QUICK_ALONE if place.quick else ALONE)
        for name, subject in subjects.items():
            if name == PEER:
                continue  # it cannot keep up with as many: its times would be those of a queue
            subject.crowded.extend(await _crowded(place, subject))
            await settle()
    return [_table(place, subjects)]


async def _subjects(place: Place, stack: AsyncExitStack) -> dict[str, Subject]:
    token = place.token()
    # Long enough for the arrivals and for opening all before them.
    tokens = int((_lasting(place) + 3) * 1000 / GAP_MS)
    upstream = place.upstream
    servers = {
        LYRA: await stack.enter_async_context(place.lyra()),
        LEAN: await stack.enter_async_context(place.yardstick("relay", upstream.url)),
    }
    if place.has_peers:
        servers[PEER] = await stack.enter_async_context(place.peer())
    direct = Subject(
        Load(upstream, model_call(SHORT, SHORT_GAP_MS), MODEL_WORD),
        Load(upstream, model_call(tokens, GAP_MS), MODEL_WORD),
    )
    return {DIRECT: direct} | {
        name: Subject(
            Load(server, question(SHORT, SHORT_GAP_MS, token)),
            Load(server, question(tokens, GAP_MS, token)),
        )
        for name, server in servers.items()
    }


async def _alone(subjects: dict[str, Subject], times: int) -> None:
    """One question at a time, each way in its turn."""
    streams = {name: await subject.short.one() for name, subject in subjects.items()}
    for number in range(-5, times):
        for name, stream in streams.items():
            stream.ask()
            await all_ended([stream])
            if number >= 0:  # the first ones load the listener and open connections
                subjects[name].alone.append(stream.first_at - stream.asked_at)
    leave_all(list(streams.values()))


async def _crowded(place: Place, subject: Subject) -> list[float]:
    """Seconds to the first word from when each question was due, beside the open streams."""
    open_streams = await subject.long.open(QUICK_OPEN if place.quick else OPEN)
    await ask_all(open_streams, spread_s=1)
    late = await _arrivals(subject.short, _lasting(place))
    leave_all(open_streams)
    return late


async def _arrivals(load: Load, lasting_s: float) -> list[float]:
    rng = Random(7)  # noqa: S311 - the same arrivals for everybody
    due, moments = 0.0, []
    while due < lasting_s:
        due += rng.expovariate(ARRIVALS_A_S)
        moments.append(due)
    idle = await load.open(len(moments))
    loop = asyncio.get_running_loop()
    began, late = loop.time(), []
    for moment, stream in zip(moments, idle, strict=True):
        await asyncio.sleep(began + moment - loop.time())
        stream.ask()
        late.append(loop.time() - began - moment)
    await all_ended(idle)
    leave_all(idle)
    return _firsts(idle, late)


def _firsts(streams: Sequence[Stream], late: Sequence[float]) -> list[float]:
    return [
        stream.first_at - stream.asked_at + waited
        for stream, waited in zip(streams, late, strict=True)
    ]


def _lasting(place: Place) -> float:
    return QUICK_LASTING_S if place.quick else LASTING_S


def _table(place: Place, subjects: dict[str, Subject]) -> Table:
    opened = QUICK_OPEN if place.quick else OPEN
    columns = ("ms", "alone: median", "p99", f"{opened} open: median", "p99")
    rows = [
        (name, *_shares(subject.alone), *_shares(subject.crowded))
        for name, subject in subjects.items()
    ]
    return Table(
        f"First word of a warm listener; {ARRIVALS_A_S} arrivals/s beside {opened} open streams",
        columns,
        rows,
        notes=[
            f"{len(subjects[LYRA].alone)} questions alone, {len(subjects[LYRA].crowded)} arrivals.",
            f"The open streams get a token in {GAP_MS} ms each. Arrivals wait for nobody.",
        ],
        aims=_aims(subjects[LYRA], subjects[DIRECT]),
    )


def _shares(seconds: list[float]) -> tuple[str, str]:
    if not seconds:
        return "-", "-"
    return f"{median(seconds) * 1000:.2f}", f"{percentile(seconds, 0.99) * 1000:.2f}"


def _aims(lyra: Subject, direct: Subject) -> list[Aim]:
    added = (median(lyra.alone) - median(direct.alone)) * 1000
    crowded = (percentile(lyra.crowded, 0.99) - percentile(direct.crowded, 0.99)) * 1000
    return [
        aim("added to the first word, one at a time, median", added, MEDIAN_MS, "ms"),
        aim("added to the first word, beside open streams, p99", crowded, P99_MS, "ms"),
    ]
