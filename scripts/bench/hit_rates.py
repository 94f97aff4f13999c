"""How many requests find their listener: Lyra's store beside an exact LRU, on invented loads."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from itertools import accumulate
from random import Random

from lyra.cache.store import BoundedMemoryCache

LISTENERS, REQUESTS, KEPT = 100_000, 300_000, (1_000, 10_000)
WAITING, LONGEST_SESSION = 2_000, 12  # requests: those of three hundred listeners

Load = Callable[[Random], list[str]]


def _by_zipf(exponent: float) -> Load:
    """Everybody by themselves, the known ones more often."""
    weights = list(accumulate((rank + 1) ** -exponent for rank in range(LISTENERS)))
    names = [str(number) for number in range(LISTENERS)]
    return lambda rng: rng.choices(names, cum_weights=weights, k=REQUESTS)


def _in_sessions(rng: Random) -> list[str]:
    """Hundreds of listeners talk at a time; when they end, others come."""
    coming = iter(_by_zipf(0.8)(rng))
    waiting: list[str] = []
    asked: list[str] = []
    while len(asked) < REQUESTS:
        if len(waiting) < WAITING:
            waiting += [next(coming)] * rng.randint(1, LONGEST_SESSION)
        place = rng.randrange(len(waiting))
        waiting[place], waiting[-1] = waiting[-1], waiting[place]
        asked.append(waiting.pop())
    return asked


LOADS: dict[str, Load] = {
    "Zipf, exponent 0.7": _by_zipf(0.7),
    "Zipf, exponent 0.9": _by_zipf(0.9),
    "Zipf, exponent 1.1": _by_zipf(1.1),
    "sessions of 1 to 12 requests": _in_sessions,
}


def hit_rates() -> list[tuple[str, int, float, float]]:
    """Load, entries kept, and the share of requests that Lyra's store and an exact LRU answer."""
    return [
        (name, kept, asyncio.run(_lyras(asked, kept)), _exact(asked, kept))
        for name, load in LOADS.items()
        for asked in [load(Random(1))]  # noqa: S311 - who comes
        for kept in KEPT
    ]


async def _lyras(asked: list[str], kept: int) -> float:
    store = BoundedMemoryCache(
        max_entries=kept, max_weight=kept, weigh=lambda _: 1, clock=lambda: 0.0
    )
    hits = 0
    for key in asked:
        if store.peek(key):
            hits += 1
        else:
            await store.set(key, value=True)
    return hits / len(asked)


def _exact(asked: list[str], kept: int) -> float:
    held: OrderedDict[str, None] = OrderedDict()
    hits = 0
    for key in asked:
        if key in held:
            hits += 1
            held.move_to_end(key)
            continue
        held[key] = None
        if len(held) > kept:
            held.popitem(last=False)
    return hits / len(asked)
