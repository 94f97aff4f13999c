"""No order of events breaks a promise about details.

    pytest tests/cache/test_details_storm.py --storms 5000

Callers, leavers, clears, outages, rejections, evictions and the passing of hours, in virtual time.
Every detail carries the number of the call that read it, so that the ledger of calls can judge it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from random import Random
from typing import TypeVar

import orjson
import pytest

from lyra.cache.entry import Entry
from lyra.cache.held_details import MAX_DETAILS
from lyra.cache.listeners import ListenerCache
from lyra.cache.memory_tier import BACKOFF_S
from lyra.errors import LyraError
from lyra.listening.details import Detail, PlaylistTracks, TopItems, WantedDetail
from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.endpoints import Endpoint
from lyra.spotify.failures import FailureCode, SpotifyFailure
from lyra.spotify.token import Token
from tests.cache.conftest import ANNA, BODIES, BORIS, OWN, PLAYLISTS
from tests.support.virtual_time import now, pass_time, virtual

T = TypeVar("T")
FEW = 60
TOKENS = (ANNA, BORIS)
WANTED: tuple[WantedDetail, ...] = (
    TopItems("top_tracks", "short_term"),
    TopItems("top_tracks", "long_term"),
    PlaylistTracks(OWN),
)
SPAN_S = 2500.0  # of one storm; less than a token lives


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """As many seeds as the command line asks for."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("--storms", default=FEW)))


@dataclass
class Call:
    """One call for a detail in the ledger.

    `clears`: how many of its listener came before its flight. `kept`: when it ended there was an
    entry to keep it with.
    """

    number: int
    token: Token
    name: str
    clears: int
    ended: float = inf
    failure: FailureCode | None = None
    kept: bool = False


class Upstream:
    """Reads sections at once and details in their time; `climate` is how calls for these end."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.ledger: list[Call] = []
        self.clears = dict.fromkeys(TOKENS, 0)
        self.climate: tuple[FailureCode | None, ...] = (None,)
        self.rejects = False
        self.judge_begin: Callable[[Call], None] = lambda _: None
        self.is_held: Callable[[Token], bool] = lambda _: False

    def reader(self, token: Token) -> "Reader":
        return Reader(self, token)


class Reader:
    def __init__(self, upstream: Upstream, token: Token) -> None:
        self._upstream = upstream
        self._token = token
        self._clears = upstream.clears[token]
        self.calls = 0

    async def get(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], T],
        params: Mapping[str, str] | None = None,
        *,
        playlist: str | None = None,
    ) -> T:
        self.calls += 1
        upstream = self._upstream
        if not (playlist or params):
            await asyncio.sleep(0)
            if upstream.rejects:
                raise SpotifyFailure("token_rejected")
            bodies: dict[str, bytes] = {**BODIES, "playlists": PLAYLISTS}  # type: ignore[dict-item]
            return parse(bodies[endpoint])
        name = OWN if playlist else f"{endpoint} {(params or {})['time_range']}"
        call = Call(len(upstream.ledger), self._token, name, self._clears)
        upstream.judge_begin(call)
        upstream.ledger.append(call)
        call.failure = upstream.rng.choice(upstream.climate)
        try:
            await pass_time(upstream.rng.choice((0, 0, 0.2, 2, 9)))
        finally:
            call.ended, call.kept = now(), upstream.is_held(call.token)
        if call.failure is not None:
            raise SpotifyFailure(call.failure)
        row = {"name": str(call.number)}
        return parse(orjson.dumps({"items": [{"item": row} if playlist else row]}))


class DetailStorm:
    """`steady`: no entry is lost but by a clear, so that no detail may be read twice in its TTL."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(seed)
        self.steady = seed % 2 == 0
        self.settings = Settings(
            cache_ttl_s=3600 if self.steady else rng.choice((20, 100, 1000)),
            cache_stale_s=0 if self.steady else rng.choice((0, 30, 600)),
            cache_max_entries=10 if self.steady else rng.choice((1, 10)),
            cache_sweep_s=rng.choice((7, 600)),
            spotify_max_fetches=256 if self.steady else rng.choice((1, 256)),
            fetches_per_minute=1_000_000,
        )
        self.upstream = Upstream(rng)
        self.upstream.judge_begin = self.judge_call
        self.upstream.is_held = self.holds
        self.cache = ListenerCache(
            self.settings,
            self.upstream,
            Metrics(),
            rng=rng,
            clock=now,
            wall_clock=lambda: 1_795_000_000.0,
        )
        self.answers = 0
        self.callers: set[asyncio.Task[None]] = set()

    def holds(self, token: Token) -> bool:
        """Whether an entry of this token's is held. A clear leaves callers with one that is not."""
        return self.cache._memory.look_up(self.cache.key(token)) is not None

    async def run(self) -> None:
        kinds = [self.ask] * 8 + [self.leave] * 2 + [self.clear, self.change]
        until = now() + SPAN_S
        async with asyncio.TaskGroup() as self.group:
            sweeping = self.group.create_task(self.cache.sweep_forever())
            while now() < until:
                self.rng.choice(kinds)()
                self.judge_cache()
                await pass_time(self.rng.choice((0, 0, 0, 0.1, 1, 5, 60)))
            await pass_time(60)
            sweeping.cancel()
        self.judge_cache()

    def ask(self) -> None:
        task = self.group.create_task(self._ask(self.rng.choice(TOKENS), self.rng.choice(WANTED)))
        self.callers.add(task)
        task.add_done_callback(self.callers.discard)

    async def _ask(self, token: Token, wanted: WantedDetail) -> None:
        try:
            entry = await (await self.cache.lookup(token)).entry()
            asked_at, clears = now(), self.upstream.clears[token]
            detail = await self.cache.detail(token, entry, wanted)
        except SpotifyFailure as failure:
            self.judge_failure(token, wanted, failure)
            return
        except LyraError:
            return  # a rejected token, or no place for one more flight
        self.judge_answer(token, wanted, detail, asked_at, clears)
        self.answers += 1

    def leave(self) -> None:
        if self.callers:
            self.callers.pop().cancel()

    def clear(self) -> None:
        self.group.create_task(self._clear(self.rng.choice((*TOKENS, None))))

    async def _clear(self, token: Token | None) -> None:
        await self.cache.clear(token)
        for each in TOKENS if token is None else (token,):
            self.upstream.clears[each] += 1

    def change(self) -> None:
        climates: list[tuple[FailureCode | None, ...]] = [(None,), (None, "server_error")]
        climates += [("timeout",), (None, "token_rejected")]
        self.upstream.climate = self.rng.choice(climates)
        self.upstream.rejects = not self.steady and self.rng.random() < 0.2

    def judge_call(self, call: Call) -> None:
        """One call at a time, and none for what is kept or has failed a moment ago."""
        before = [
            each
            for each in self.upstream.ledger
            if (each.token, each.name, each.clears) == (call.token, call.name, call.clears)
        ]
        assert not any(each.ended == inf for each in before), "two calls at once"
        if self.steady and before and before[-1].kept:
            last = before[-1]
            waited = now() - last.ended
            assert waited >= BACKOFF_S if last.failure else waited >= 3600, "asked again too soon"

    def judge_answer(
        self, token: Token, wanted: WantedDetail, detail: Detail, asked_at: float, clears: int
    ) -> None:
        call = self.upstream.ledger[int(detail.tracks[0].name)]
        assert (call.token, call.name) == (token, wanted.name), "somebody else's"
        assert call.clears >= clears, "from before a clear"
        assert asked_at - call.ended < self.settings.cache_ttl_s, "past its time"

    def judge_failure(self, token: Token, wanted: WantedDetail, failure: SpotifyFailure) -> None:
        mine = [
            each
            for each in self.upstream.ledger
            if (each.token, each.name, each.failure) == (token, wanted.name, failure.code)
        ]
        assert mine, "a failure that nobody met"
        assert now() - mine[-1].ended < BACKOFF_S, "a failure that was kept"

    def judge_cache(self) -> None:
        """The weight is the sum, and no entry holds too many, or one of them twice."""
        store = self.cache._memory.entries
        entries: list[Entry] = [held.value for held in store._held.values()]
        assert store.weight == sum(entry.weight() for entry in entries)
        for entry in entries:
            names = [each.name for each in entry.details]
            assert len(names) == len(set(names)) <= MAX_DETAILS
            assert all(each.expires_at <= entry.token_seen_at + 3600 for each in entry.details), (
                "it would outlive its token"
            )


@virtual
async def test_no_storm_breaks_a_promise_about_details(seed: int) -> None:
    storm = DetailStorm(seed)
    await storm.run()

    stats = storm.cache.stats()
    assert (stats["flights"], stats["locks"], stats["faults_total"]) == (0, 0, 0)
    assert storm.answers
