"""A thousand first requests of one listener at the same time."""

import asyncio
from dataclasses import dataclass
from statistics import median
from time import monotonic

from bench.client import request
from bench.closed_loop import Countdown, Wire, connect
from bench.harness import Harness
from bench.processes import Server
from bench.report import Figure, Finding, Table, at_most, format_number, percentile

ONE_FETCH = 5
LAST_ANSWER_S = 5
OF_GATE = 1.2


@dataclass(frozen=True)
class Outcome:
    """One crowd. `late_s` are the answers' times since Spotify's last byte, or the gate's opening."""

    late_s: list[float]
    waited: int
    calls: int = 0


async def crowd(harness: Harness) -> list[Finding]:
    """`POST /lyra/init` by everybody at once; the yardstick lets as many through one gate."""
    clients, runs = harness.pick((60, 1), (1000, 5))
    all_stay, half_leave, bare = [], [], []
    async with harness.lyra() as lyra, harness.server("bare") as gate:
        await _crowd(harness, lyra, clients, leavers=0)  # opens connections to Spotify
        for _ in range(runs):
            all_stay.append(await _crowd(harness, lyra, clients, leavers=0))
            bare.append(await _gate(harness, gate, clients))
        half_leave.append(await _crowd(harness, lyra, clients, leavers=clients // 2))
    of_gate = _late_ms(all_stay, 0.99) / _late_ms(bare, 0.99)
    what = f"{clients:,} first requests, p99 after the fetch, of a bare gate's"
    return [
        Finding(
            f"{clients:,} first requests of one listener at once",
            [at_most(what, of_gate, OF_GATE, "x"), *_promises([*all_stay, *half_leave], clients)],
            ["The fetch ends when Spotify's last byte leaves Spotify: reading it counts too."],
            Table(
                ("ms after the fetch's end", "runs", "p50", "p99", "answered", "Spotify calls"),
                [
                    ("Lyra", *_cells(all_stay), _calls(all_stay)),
                    ("Lyra, half leave during the fetch", *_cells(half_leave), _calls(half_leave)),
                    ("bare aiohttp, after one gate opened", *_cells(bare), "-"),
                ],
            ),
        )
    ]


async def _crowd(harness: Harness, lyra: Server, clients: int, *, leavers: int) -> Outcome:
    low, high = harness.pick((150, 300), (500, 1000))
    before, _ = await harness.upstream_calls()
    answers = Countdown(clients - leavers)
    sent = request("POST", "/lyra/init", harness.listener(low, high))
    stay = await connect(lyra, [sent] * (clients - leavers), answers.note)
    leave = await connect(lyra, [sent] * leavers, lambda _: None)
    for wire in (*stay, *leave):
        wire.send()
    if leave:
        await asyncio.sleep(low / 2000)
        for wire in leave:
            wire.close()
    await answers.wait(LAST_ANSWER_S)
    after, last_at = await harness.upstream_calls()
    return Outcome(_late(stay, last_at), clients - leavers, after - before)


async def _gate(harness: Harness, bare: Server, clients: int) -> Outcome:
    answers = Countdown(clients)
    waiters = await connect(bare, [request("POST", "/gate")] * clients, answers.note)
    for wire in waiters:
        wire.send()
    async with harness.http.get(f"{bare.url}/crowd", params={"count": str(clients)}):
        opened = monotonic()
    async with harness.http.post(f"{bare.url}/open"):
        await answers.wait(LAST_ANSWER_S)
    return Outcome(_late(waiters, opened), clients)


def _late(wires: list[Wire], ended: float) -> list[float]:
    """How late each good answer was; closes the connections."""
    late = [wire.last_at - ended for wire in wires if wire.served]
    for wire in wires:
        wire.close()
    return late


def _late_ms(outcomes: list[Outcome], share: float) -> float:
    return median(percentile(each.late_s, share) for each in outcomes) * 1000


def _cells(outcomes: list[Outcome]) -> tuple[str, ...]:
    answered = min(len(each.late_s) for each in outcomes)
    late = (format_number(_late_ms(outcomes, share)) for share in (0.5, 0.99))
    return str(len(outcomes)), *late, f"{answered} of {outcomes[0].waited}"


def _calls(outcomes: list[Outcome]) -> str:
    return ", ".join(map(str, sorted({each.calls for each in outcomes})))


def _promises(outcomes: list[Outcome], clients: int) -> list[Figure]:
    answered = all(len(each.late_s) == each.waited for each in outcomes)
    fetched_once = {each.calls for each in outcomes} == {ONE_FETCH}
    return [
        Figure(
            f"Spotify calls of {clients:,} first requests",
            _calls(outcomes),
            f"{ONE_FETCH}",
            fetched_once,
            promise=True,
        ),
        Figure(
            "everybody who stayed was answered",
            "yes" if answered else "no",
            "yes",
            answered,
            promise=True,
        ),
    ]
