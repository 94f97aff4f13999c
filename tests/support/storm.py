"""A seeded storm over one cache and two tokens, in virtual time, with a judge of every answer."""

import asyncio
from random import Random

from lyra.cache.listeners import ListenerCache
from lyra.cache.lookup import Lookup
from lyra.errors import LyraError, OverloadedError
from lyra.listening.models import SECTIONS
from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.failures import FailureCode
from lyra.spotify.token import Token
from tests.cache.conftest import ANNA, BORIS
from tests.support.invariant_checker import Judge, Question
from tests.support.scripted_upstream import Forecast, Outcome, Weather
from tests.support.virtual_time import now, pass_time

CODES: tuple[FailureCode, ...] = ("server_error", "timeout", "rate_limited", "quota_exceeded")
FINE: tuple[Outcome, ...] = ("ok", "ok", "ok", "no_scope", "gap")
CLIMATES: tuple[tuple[Outcome, ...], ...] = (
    FINE,
    FINE,
    ("gap", "ok"),
    ("down",),
    ("down", "ok"),
    ("rejected", "ok"),
    ("forbidden", "ok", "down"),
)


def any_settings(rng: Random) -> Settings:
    """Small and large times, stores that evict, and few places for fetches."""
    return Settings(
        cache_ttl_s=rng.choice((20, 100, 1000, 3600, 86_400)),
        cache_stale_s=rng.choice((0, 30, 600, 86_400)),
        cache_refresh_wait_s=rng.choice((0.5, 3)),
        cache_max_entries=rng.choice((1, 10, 10)),
        cache_sweep_s=rng.choice((7, 600)),
        spotify_max_fetches=rng.choice((1, 2, 256, 256)),
        fetches_per_minute=1_000_000,  # the judge knows of no limit
    )


class Storm:
    """Callers, leavers, clears and changes of the weather; `judge` looks at all of it."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.settings = any_settings(self.rng)
        self.pace = self.rng.choice((1, 0.5, 0.3))
        self.climate = FINE
        self.weather = Weather(self._forecast)
        self.cache = ListenerCache(
            self.settings,
            self.weather,
            Metrics(),
            rng=self.rng,
            clock=now,
            wall_clock=lambda: 1_795_000_000.0,
        )
        self.judge = Judge(self.cache, self.settings, self.weather)
        self.visits = 0

    async def run(self) -> None:
        """Storm until every caller has asked enough; a hang is a StalledError."""
        async with asyncio.TaskGroup() as background:
            idle = [
                background.create_task(each)
                for each in (self.cache.sweep_forever(), self._change(), self._clear())
            ]
            async with asyncio.TaskGroup() as group:
                for _ in range(8):
                    group.create_task(self._caller())
            for task in idle:
                task.cancel()
        await pass_time(60)  # a fetch that everybody left may be under way

    def _forecast(self) -> Forecast:
        return Forecast(
            outcome=self.rng.choice(self.climate),
            lost=self.rng.choice(SECTIONS),
            code=self.rng.choice(CODES),
            turns=self.rng.randrange(4),
            seconds=self.rng.choice((0, 0, 0.2, 2, 10)),
        )

    async def _caller(self) -> None:
        for _ in range(12):
            await self._pause()
            asking = asyncio.gather(self._ask(), return_exceptions=True)
            if self.rng.random() < 0.2:
                await self._pause(0.1)
                asking.cancel()
            try:
                (wrong,) = await asking
            except asyncio.CancelledError:
                continue  # the one who left
            if wrong is not None:
                raise wrong

    async def _ask(self) -> None:
        token = self.rng.choice((ANNA, ANNA, BORIS))
        question = await self.judge.question(token)
        self.visits += 1
        try:
            visit = await self.cache.lookup(token)
        except LyraError as failure:
            self.judge.failure(question, failure)
            self.visits -= isinstance(failure, OverloadedError)  # counted nowhere
            return
        if visit.reason == OverloadedError.code:
            self.judge.full()
        await self._wait(question, visit)

    async def _wait(self, question: Question, visit: Lookup) -> None:
        await self._turns()
        try:
            entry = await visit.entry()
        except LyraError as failure:
            self.judge.failure(question, failure)
        else:
            self.judge.answer(question, visit, entry)

    async def _change(self) -> None:
        while True:
            await self._pause(2)
            self.climate = self.rng.choice(CLIMATES)

    async def _clear(self) -> None:
        while True:
            await self._pause(4)
            token: Token | None = self.rng.choice((ANNA, BORIS, None))
            await self.judge.clear(token)

    async def _pause(self, scale: float = 1) -> None:
        """Some turns of the loop, or up to a bit more than the life of an entry."""
        if self.rng.random() < 0.4:
            await self._turns()
            return
        life = min(self.settings.cache_ttl_s, 3600)
        await pass_time(self.pace * scale * life * self.rng.choice((0.001, 0.01, 0.1, 0.5, 1.1)))

    async def _turns(self) -> None:
        for _ in range(self.rng.randrange(5)):
            await asyncio.sleep(0)
