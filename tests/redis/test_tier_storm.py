"""No order of events among two processes and their Redis brings back what was cleared.

    pytest tests/redis/test_tier_storm.py --storms 500

Callers, leavers, clears of one and of all, an outage of Spotify, a memory that expires, keys that
Redis evicts and subscriptions that break, in random order over a real Redis. Answers tell of which
fetches they are made (tests/support/scripted_upstream.py).
"""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import pytest
from redis.asyncio import Redis

from lyra.cache.entry import Entry
from lyra.cache.loader import MEMORY_TTL_S
from lyra.errors import TryLaterError
from lyra.listening.details import TopItems
from lyra.redis.keyspace import EPOCH, channel, parse_word
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import Token
from tests.cache.conftest import ANNA, BORIS, Clock
from tests.redis.conftest import OTHER, Open, Process, until
from tests.support.scripted_upstream import Forecast, Weather, parts

STEPS, FEW = 60, 6
TOKENS = (ANNA, BORIS)
DETAILS = (TopItems("top_tracks", "short_term"), TopItems("top_tracks", "long_term"))
Kind = Callable[[], Coroutine[Any, Any, None]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A tenth of the seeds that the command line asks for: these take a tenth of a second."""
    if "seed" in metafunc.fixturenames:
        storms = metafunc.config.getoption("--storms", default=0) // 10
        metafunc.parametrize("seed", range(max(FEW, storms)))


class TierStorm:
    """Two processes; `floors` is, for each of them and each token, what may answer at the oldest."""

    def __init__(
        self, rng: Random, weather: Weather, processes: list[Process], admin: Redis, clock: Clock
    ) -> None:
        self.rng, self.weather, self.processes = rng, weather, processes
        self.admin, self.clock = admin, clock
        self.floors = {(one, token): 0 for one in processes for token in TOKENS}
        self.callers: set[asyncio.Task[None]] = set()
        self.answers = self.details = 0

    async def run(self) -> None:
        kinds: list[Kind] = [self.call] * 8 + [self.clear] * 2
        kinds += [self.leave, self.age, self.evict, self.deafen, self.rest]
        async with asyncio.TaskGroup() as self.group:
            for _ in range(STEPS):
                await self.rng.choice(kinds)()
                for _ in range(self.rng.randrange(6)):
                    await asyncio.sleep(0)
        await self.rest()

    async def call(self) -> None:
        ask = self.ask(self.rng.choice(self.processes), self.rng.choice(TOKENS))
        task = self.group.create_task(ask)
        self.callers.add(task)
        task.add_done_callback(self.callers.discard)

    async def ask(self, one: Process, token: Token) -> None:
        floor = self.floors[one, token]
        try:
            entry = await (await one.cache.lookup(token)).entry()
        except TryLaterError:
            return
        made_of = parts(entry)
        assert min(made_of) >= floor, f"{made_of} came back, cleared before {floor}"
        assert {self.weather.ledger[each].token for each in made_of} == {token.reveal()}
        self.answers += 1
        await self.ask_detail(one, token, entry, floor)

    async def ask_detail(self, one: Process, token: Token, entry: Entry, floor: int) -> None:
        wanted = self.rng.choice(DETAILS)
        try:
            detail = await one.cache.detail(token, entry, wanted)
        except (TryLaterError, SpotifyFailure):
            return
        number = int(detail.tracks[0].name)
        assert number >= floor, f"detail {number} came back, cleared before {floor}"
        read = self.weather.ledger[number]
        assert (read.token, read.wanted) == (token.reveal(), wanted.time_range)
        self.details += 1

    async def leave(self) -> None:
        if self.callers:
            self.callers.pop().cancel()

    async def clear(self) -> None:
        self.group.create_task(self._clear(self.rng.choice(self.processes)))

    async def _clear(self, one: Process) -> None:
        """Who asks this process afterwards sees nothing from before; the others a little later."""
        floor = len(self.weather.ledger)
        token = self.rng.choice((*TOKENS, None))
        await one.cache.clear(token)
        for each in TOKENS if token is None else (token,):
            self.floors[one, each] = max(floor, self.floors[one, each])

    async def age(self) -> None:
        self.clock.now += MEMORY_TTL_S

    async def evict(self) -> None:
        names = [name async for name in self.admin.scan_iter("lyra:v2:*")]
        if names:
            await self.admin.delete(self.rng.choice(sorted(names)))

    async def deafen(self) -> None:
        await self.admin.client_kill_filter(_type="pubsub")

    async def rest(self) -> None:
        """Let all that runs end and all notices arrive; then every clear holds everywhere."""
        running = [task for task in asyncio.all_tasks() if task in self.group._tasks]
        running = [task for task in running if task is not asyncio.current_task()]
        await asyncio.gather(*running, return_exceptions=True)
        for one in self.processes:
            one.member.messages.clear()
            while ("gone", OTHER) not in one.member.messages:
                await self.admin.publish(channel(0), f"gone nobody {OTHER}")
                await asyncio.sleep(0.001)
        for token in TOKENS:
            floor = max(self.floors[one, token] for one in self.processes)
            self.floors.update({(one, token): floor for one in self.processes})
            for one in self.processes:
                await self.ask(one, token)


async def test_no_storm_among_processes_brings_back_what_was_cleared(
    process: Open, admin: Redis, clock: Clock, seed: int
) -> None:
    rng = Random(seed)
    weather = Weather(
        lambda: Forecast(rng.choice(("ok", "ok", "ok", "gap", "down")), turns=rng.randrange(9))
    )
    processes = [await process(source=weather), await process(source=weather)]
    storm = TierStorm(rng, weather, processes, admin, clock)
    await storm.run()

    assert storm.answers
    assert storm.details
    for one in processes:
        await until(lambda: not one.cache.stats()["flights"])  # noqa: B023 - awaited in this turn
        assert (one.cache.stats()["locks"], one.cache.stats()["faults_total"]) == (0, 0)
    epoch = parse_word(await admin.get(EPOCH))  # leases of an older one only expire
    assert [name async for name in admin.scan_iter(f"lyra:v2:l:{epoch}:*")] == []
