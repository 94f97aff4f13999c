"""Subject 4: many first requests of one listener at the same time, half of whom do not wait."""

import asyncio
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from benching.place import Place
from benching.reader import bearer
from benching.report import Promise, Table, percentile
from benching.wire import Wire, connect, post

LOW_MS, HIGH_MS = 500, 1000
QUICK_MS = 150, 300
CLIENTS, QUICK_CLIENTS = 1000, 60
RUNS, QUICK_RUNS = 3, 1
ONE_FETCH = 5
LAST_ANSWER_S = 5


@dataclass(frozen=True)
class Outcome:
    """One storm. `late_s` are the answers' times since the fetch ended, or the gate opened."""

    late_s: list[float]
    waited: int
    calls: int = 0

    @property
    def answered(self) -> int:
        return len(self.late_s)


async def measure(place: Place) -> Table:
    """`POST /lyra/init` by everybody at once; the yardstick lets as many through one gate."""
    low, high = QUICK_MS if place.quick else (LOW_MS, HIGH_MS)
    clients = QUICK_CLIENTS if place.quick else CLIENTS
    lyra, bare = [], []
    for _ in range(QUICK_RUNS if place.quick else RUNS):
        lyra.append(await _storm(place, clients, await place.new_listener(low, high)))
        bare.append(await _gate(place, clients // 2))
    return Table(
        f"4. {clients:,} first requests of one listener at once, half leave during the fetch",
        (f"median of {len(lyra)}", "p50 ms", "p99 ms", "answered", "Spotify calls"),
        [
            ("Lyra, after the last section arrived", *_cells(lyra), _calls(lyra)),
            ("bare aiohttp, after one gate opened", *_cells(bare), "-"),
        ],
        promises=_promises(lyra, clients),
        notes=[
            "One more request reads the load as a stream, which tells when the fetch has ended."
        ],
    )


async def _storm(place: Place, clients: int, token: str) -> Outcome:
    counted = await place.reader.spotify_calls()
    stay = clients // 2
    crowd = _Crowd(stay)
    request = post("/lyra/init", token)
    stayers = await connect(place.lyra, stay, request, crowd.note)
    leavers = await connect(place.lyra, stay, request, lambda _: None)
    for stayer, leaver in zip(stayers, leavers, strict=True):
        stayer.send()
        leaver.send()
    ended = await _follow(place, token, leavers)
    await crowd.all_answered()
    calls = await place.reader.spotify_calls() - counted
    return Outcome(_late(stayers, ended), stay, calls)


async def _follow(place: Place, token: str, leavers: list[Wire]) -> float:
    """Read the load as a stream; at the first section the leavers go. When the last one came."""
    headers = {**bearer(token), "Accept": "text/event-stream"}
    ended = 0.0
    async with place.reader.http.post(f"{place.lyra.url}/lyra/init", headers=headers) as answer:
        async for line in answer.content:
            if line.startswith(b'data: {"type":"section"'):
                ended = perf_counter()
                for wire in leavers:
                    wire.leave()
            elif line.startswith(b'data: {"type":"ready"'):
                return ended
    raise RuntimeError("the load of the listener did not succeed")


async def _gate(place: Place, clients: int) -> Outcome:
    crowd = _Crowd(clients)
    waiters = await connect(place.bare, clients, post("/gate"), crowd.note)
    for wire in waiters:
        wire.send()
    async with place.reader.http.get(f"{place.bare.url}/crowd", params={"count": str(clients)}):
        opened = perf_counter()
    async with place.reader.http.post(f"{place.bare.url}/open"):
        await crowd.all_answered()
    return Outcome(_late(waiters, opened), clients)


class _Crowd:
    """Counts answers down, and tells when everybody has one."""

    def __init__(self, size: int) -> None:
        self._missing = size
        self._complete = asyncio.Event()

    def note(self, _: Wire) -> None:
        self._missing -= 1
        if not self._missing:
            self._complete.set()

    async def all_answered(self) -> None:
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


def _cells(outcomes: list[Outcome]) -> tuple[str, str, str]:
    middle, high = (
        median(percentile(each.late_s or [0.0], share) for each in outcomes) * 1000
        for share in (0.5, 0.99)
    )
    answered = min(each.answered for each in outcomes)
    return f"{middle:.1f}", f"{high:.1f}", f"{answered} of {outcomes[0].waited}"


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
