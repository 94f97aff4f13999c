"""A thousand first requests of one listener at the same time."""

import asyncio
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from bench.closed_loop import Wire, connect, post
from bench.harness import Place
from bench.processes import Server
from bench.report import Promise, Table, aim, percentile

LOW_MS, HIGH_MS = 500, 1000
QUICK_MS = 150, 300
CLIENTS, QUICK_CLIENTS = 1000, 60
RUNS, QUICK_RUNS = 5, 1
ONE_FETCH = 5
LAST_ANSWER_S = 5
P99_MS = 15


@dataclass(frozen=True)
class Outcome:
    """One crowd. `late_s` are the answers' times since Spotify's last byte, or the gate's opening."""

    late_s: list[float]
    waited: int
    calls: int = 0

    @property
    def answered(self) -> int:
        return len(self.late_s)


async def measure(place: Place) -> list[Table]:
    """`POST /lyra/init` by everybody at once; the yardstick lets as many through one gate."""
    clients = QUICK_CLIENTS if place.quick else CLIENTS
    all_stay, half_leave, bare = [], [], []
    async with place.lyra() as lyra, place.yardstick("bare") as gate:
        await _crowd(place, lyra, clients, leavers=0)  # opens connections to Spotify
        for _ in range(QUICK_RUNS if place.quick else RUNS):
            all_stay.append(await _crowd(place, lyra, clients, leavers=0))
            bare.append(await _gate(place, gate, clients))
        half_leave.append(await _crowd(place, lyra, clients, leavers=clients // 2))
    p99_ms = median(percentile(each.late_s or [0.0], 0.99) for each in all_stay) * 1000
    return [
        Table(
            f"{clients:,} first requests of one listener at once",
            ("ms after the fetch's end", "runs", "p50", "p99", "answered", "Spotify calls"),
            [
                ("Lyra", *_cells(all_stay), _calls(all_stay)),
                ("Lyra, half leave during the fetch", *_cells(half_leave), _calls(half_leave)),
                ("bare aiohttp, after one gate opened", *_cells(bare), "-"),
            ],
            promises=_promises([*all_stay, *half_leave], clients),
            notes=[
                "The fetch ends when Spotify's last byte leaves Spotify: reading it counts too."
            ],
            aims=[aim(f"{clients:,} first requests, p99 after the fetch", p99_ms, P99_MS, "ms")],
        )
    ]


async def _crowd(place: Place, lyra: Server, clients: int, *, leavers: int) -> Outcome:
    token = place.token(*(QUICK_MS if place.quick else (LOW_MS, HIGH_MS)))
    before = await place.told()
    answers = _Answers(clients - leavers)
    request = post("/lyra/init", token)
    stay = await connect(lyra, clients - leavers, request, answers.note)
    leave = await connect(lyra, leavers, request, lambda _: None)
    for wire in (*stay, *leave):
        wire.send()
    if leave:
        await asyncio.sleep((QUICK_MS if place.quick else (LOW_MS, HIGH_MS))[0] / 2000)
        for wire in leave:
            wire.leave()
    await answers.all_there()
    after = await place.told()
    calls = int(after["calls"] - before["calls"])
    return Outcome(_late(stay, after["last_at"]), clients - leavers, calls)


async def _gate(place: Place, bare: Server, clients: int) -> Outcome:
    answers = _Answers(clients)
    waiters = await connect(bare, clients, post("/gate"), answers.note)
    for wire in waiters:
        wire.send()
    async with place.http.get(f"{bare.url}/crowd", params={"count": str(clients)}):
        opened = perf_counter()
    async with place.http.post(f"{bare.url}/open"):
        await answers.all_there()
    return Outcome(_late(waiters, opened), clients)


class _Answers:
    """Counts answers down, and tells when everybody has one."""

    def __init__(self, size: int) -> None:
        self._missing = size
        self._complete = asyncio.Event()

    def note(self, _: Wire) -> None:
        self._missing -= 1
        if not self._missing:
            self._complete.set()

    async def all_there(self) -> None:
        """Wait for the last answer; not for ever, since a missing one is a result."""
        try:
            async with asyncio.timeout(LAST_ANSWER_S):
                await self._complete.wait()
        except TimeoutError:
            return


def _late(wires: list[Wire], ended: float) -> list[float]:
    """How late each good answer was; closes the connections."""
    late = [wire.last_at - ended for wire in wires if wire.served]
    for wire in wires:
        wire.leave()
    return late


def _cells(outcomes: list[Outcome]) -> tuple[str, str, str, str]:
    middle, high = (
        median(percentile(each.late_s or [0.0], share) for each in outcomes) * 1000
        for share in (0.5, 0.99)
    )
    answered = min(each.answered for each in outcomes)
    runs = str(len(outcomes))
    return runs, f"{middle:.1f}", f"{high:.1f}", f"{answered} of {outcomes[0].waited}"


def _calls(outcomes: list[Outcome]) -> str:
    return ", ".join(map(str, sorted({each.calls for each in outcomes})))


def _promises(outcomes: list[Outcome], clients: int) -> list[Promise]:
    answered = all(each.answered == each.waited for each in outcomes)
    return [
        Promise(
            f"{clients:,} first requests cause {ONE_FETCH} Spotify calls (found {_calls(outcomes)})",
            {each.calls for each in outcomes} == {ONE_FETCH},
        ),
        Promise("everybody who stayed was answered", answered),
    ]
