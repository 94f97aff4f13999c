"""One object that knows listeners: Spotify in front, the cache over it.

`open_lyra` builds it and closes everything it opened; the web service and Python programs use the
same object.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random

from lyra.cache.listeners import ListenerCache
from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.client import SpotifyClient, open_spotify


@dataclass(frozen=True)
class Lyra:
    """The listeners of one process, and the client that reads them."""

    settings: Settings
    metrics: Metrics
    spotify: SpotifyClient
    listeners: ListenerCache


@asynccontextmanager
async def open_lyra(
    settings: Settings,
    metrics: Metrics,
    *,
    clock: Callable[[], float] = time.monotonic,
    rng: Random | None = None,
) -> AsyncIterator[Lyra]:
    """A Lyra with its HTTP session and its sweeper, both ended with the block."""
    rng = rng or Random()  # noqa: S311 - spreads load, guards nothing
    async with open_spotify(settings, metrics, rng=rng) as spotify:
        listeners = ListenerCache(
            settings, spotify, metrics, rng=rng, clock=clock, wall_clock=_wall_clock
        )
        sweeper = asyncio.get_running_loop().create_task(listeners.sweep_forever())
        try:
            yield Lyra(settings, metrics, spotify, listeners)
        finally:
            sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await sweeper
            await listeners.close()


def _wall_clock() -> float:
    return time.time()  # noqa: TID251 - here the clocks are handed in
