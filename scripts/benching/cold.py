"""Subject 1: the first load of a listener, against the slowest of its five calls."""

from collections.abc import Awaitable
from statistics import median
from time import perf_counter

from benching.place import Place
from benching.reader import SLOWEST
from benching.report import Table, ms, times

LOW_MS, HIGH_MS = 80, 400
QUICK_MS = 8, 40
RUNS, QUICK_RUNS = 7, 2


async def measure(place: Place) -> Table:
    """Cold `POST /lyra/init` beside the slowest call alone and five calls in a row."""
    low, high = QUICK_MS if place.quick else (LOW_MS, HIGH_MS)
    runs = QUICK_RUNS if place.quick else RUNS
    slowest, lyra, in_a_row = [], [], []
    for _ in range(runs):
        token = await place.new_listener(low, high)
        slowest.append(await _seconds(place.reader.spotify(SLOWEST, token)))
        lyra.append(await _seconds(place.reader.init(token)))
        in_a_row.append(await _seconds(place.reader.five_in_a_row(token)))
    above = (median(lyra) - median(slowest)) * 1000
    return Table(
        f"1. A cold listener, Spotify at {low} to {high} ms",
        (f"median of {runs}", "ms", "of the slowest"),
        [
            ("slowest of the five calls, alone", ms(slowest), times(slowest, slowest)),
            ("Lyra, cold POST /lyra/init", ms(lyra), times(lyra, slowest)),
            ("five calls one after another", ms(in_a_row), times(in_a_row, slowest)),
        ],
        notes=[f"Lyra takes {above:+.1f} ms over the slowest call (aim: at most +15)."],
    )


async def _seconds(work: Awaitable[object]) -> float:
    began = perf_counter()
    await work
    return perf_counter() - began
