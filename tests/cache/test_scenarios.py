"""The acceptance scenarios of the cache, by their numbers; docs/CACHE.md maps every number.

Times are those of the table, on a virtual clock. What other files hold is not repeated here.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest

from lyra.cache.listeners import ListenerCache
from lyra.errors import DrainingError, SpotifyTokenRejectedError, SpotifyUnavailableError
from lyra.listening.models import SECTIONS
from lyra.metrics import Metrics
from lyra.sandbox import Sandbox, sandbox_token
from lyra.settings import Settings
from lyra.spotify.token import Token
from tests.cache.conftest import ANNA, BORIS, OFTEN, MiddleOfRange
from tests.conftest import Service, Start
from tests.support.calls import chat, init
from tests.support.scripted_upstream import Forecast, Weather, parts
from tests.support.virtual_time import now, pass_time, virtual


class Scene:
    """A cache in front of a Spotify that takes `seconds`, and a clock that began at 0."""

    def __init__(self, seconds: float = 2, rng: Random | None = None, **changes: object) -> None:
        self.forecast = Forecast(seconds=seconds)
        self.weather = Weather(lambda: self.forecast)
        self.metrics = Metrics()
        self.began = now()
        self.cache = ListenerCache(
            Settings(**{**OFTEN, **changes}),  # type: ignore[arg-type]
            self.weather,
            self.metrics,
            rng=rng or Random(1),
            clock=now,
            wall_clock=lambda: 1_795_000_000.0,
        )

    @property
    def at(self) -> float:
        return round(now() - self.began, 3)

    @property
    def calls(self) -> int:
        """How many calls Spotify has answered or will."""
        return sum(len(fetch.asked) for fetch in self.weather.ledger)

    async def ask(self, token: Token = ANNA) -> tuple[str, set[int], float]:
        """The state, the fetches that the answer is made of, and when it came."""
        visit = await self.cache.lookup(token)
        made_of = parts(await visit.entry())
        return visit.state, made_of, self.at


@asynccontextmanager
async def leaving(ask: Callable[[], Awaitable[object]], count: int) -> AsyncIterator[None]:
    """So many callers during the block, who leave at its end."""
    callers = asyncio.gather(*(ask() for _ in range(count)))
    await pass_time(0)
    yield
    callers.cancel()
    with pytest.raises(asyncio.CancelledError):
        await callers


@virtual
async def test_row01_a_hundred_first_requests_share_one_fetch() -> None:
    """Five calls together, and all callers end at the same moment."""
    scene = Scene(2)
    answers = await asyncio.gather(*(scene.ask() for _ in range(100)))

    assert {(tuple(made_of), at) for _, made_of, at in answers} == {((0,), 2.0)}
    assert scene.calls == 5


async def test_row02_an_init_and_a_chat_at_once_share_one_fetch(
    service: Service, sandbox: Sandbox
) -> None:
    token = sandbox_token(7, "typical", "legacy", "slow-100-me")
    loaded, answered = await asyncio.gather(init(service, token), chat(service, token))

    assert (loaded.status, answered.status) == (200, 200)
    assert sandbox.stats.total == 5


@virtual
async def test_row03_a_warm_hit_costs_no_call_and_no_turn_of_the_loop() -> None:
    scene = Scene()
    await scene.ask()
    turned: list[int] = []
    asyncio.get_running_loop().call_soon(turned.append, 1)
    answer = await scene.ask()

    assert answer == ("hit", {0}, 2.0)
    assert (turned, scene.calls) == ([], 5)


@virtual
async def test_row04_the_fetch_goes_on_when_the_first_of_ten_leaves() -> None:
    scene = Scene(2)
    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(scene.ask()) for _ in range(10)]
        await pass_time(0.5)
        callers[0].cancel()

    assert callers[0].cancelled()
    assert [caller.result()[1:] for caller in callers[1:]] == [({0}, 2.0)] * 9
    assert scene.calls == 5


@virtual
async def test_row05_a_fetch_that_all_have_left_is_kept_for_the_next() -> None:
    scene = Scene(2)
    async with leaving(scene.ask, 3):
        await pass_time(0.5)
    await pass_time(4.5)

    assert await scene.ask() == ("hit", {0}, 5.0)
    assert scene.calls == 5


@virtual
async def test_row06_a_newcomer_joins_a_fetch_that_all_have_left() -> None:
    """It waits for what is left of the fetch, and nobody else does."""
    scene = Scene(2)
    async with leaving(scene.ask, 3):
        await pass_time(0.5)

    assert await scene.ask() == ("joined", {0}, 2.0)
    assert scene.calls == 5


@virtual
async def test_row07_a_failing_fetch_is_one_attempt_for_all_who_wait() -> None:
    scene = Scene()
    scene.forecast = Forecast("down", seconds=2)
    errors = await asyncio.gather(*(scene.ask() for _ in range(50)), return_exceptions=True)

    assert {type(error) for error in errors} == {SpotifyUnavailableError}
    assert (scene.at, len(scene.weather.ledger)) == (2.0, 1)


@virtual
async def test_row08_a_failure_is_not_kept() -> None:
    scene = Scene()
    scene.forecast = Forecast("down")
    with pytest.raises(SpotifyUnavailableError):
        await scene.ask()
    scene.forecast = Forecast()

    assert await scene.ask() == ("miss", {1}, 0.0)


@virtual
async def test_row09_a_rejected_token_costs_nothing_for_half_a_minute() -> None:
    scene = Scene()
    scene.forecast = Forecast("rejected")
    for _ in range(6):
        with pytest.raises(SpotifyTokenRejectedError):
            await scene.ask()
        await pass_time(5)
    assert (len(scene.weather.ledger), await scene.cache.peek(ANNA)) == (1, None)

    scene.forecast = Forecast()
    assert (await scene.ask())[:2] == ("miss", {1})


@virtual
async def test_row10_old_data_never_stands_in_for_a_rejected_token() -> None:
    scene = Scene(0, cache_ttl_s=100)
    await scene.ask()
    await pass_time(101)
    scene.forecast = Forecast("rejected", seconds=0.2)

    with pytest.raises(SpotifyTokenRejectedError):
        await scene.ask()


@virtual
async def test_row11_an_entry_is_fresh_until_its_ttl_and_not_at_it() -> None:
    scene = Scene(0, rng=MiddleOfRange(), cache_ttl_s=100)
    millisecond = 1 / 1024  # one that floats add without an error
    await asyncio.gather(scene.ask(ANNA), scene.ask(BORIS))
    await pass_time(100 - millisecond)
    just_before = (await scene.cache.lookup(ANNA)).state
    await pass_time(millisecond)

    assert (just_before, (await scene.cache.lookup(BORIS)).state) == ("hit", "miss")


@virtual
async def test_row20_a_clear_in_a_fetch_wins_and_waiters_are_answered() -> None:
    scene = Scene(2)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(scene.ask())
        await pass_time(0.5)
        await scene.cache.clear(ANNA)

    assert waiting.result() == ("miss", {0}, 2.0)
    assert await scene.cache.peek(ANNA) is None
    assert await scene.ask() == ("miss", {1}, 4.0)


@virtual
async def test_row21_clearing_all_during_five_fetches_leaves_nothing() -> None:
    scene = Scene(2)
    tokens = [Token(f"listener-{number}") for number in range(5)]
    async with asyncio.TaskGroup() as group:
        for token in tokens:
            group.create_task(scene.ask(token))
        await pass_time(0.5)
        await scene.cache.clear()
    stats = scene.cache.stats()

    assert (stats["entries"], stats["flights"], stats["locks"]) == (0, 0, 0)


@virtual
async def test_row22_an_entry_kept_after_a_clear_has_its_whole_ttl() -> None:
    scene = Scene(0, cache_ttl_s=100)
    await scene.ask()
    await pass_time(90)
    await scene.cache.clear()
    await scene.ask()
    await pass_time(20)

    assert await scene.ask() == ("hit", {1}, 110.0)


@virtual
async def check_row25(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(0)
    caplog.set_level(logging.DEBUG)
    for outcome in (Forecast(), Forecast("down"), Forecast("rejected")):
        scene.forecast = outcome
        await asyncio.gather(scene.ask(), scene.ask(BORIS), return_exceptions=True)
        await pass_time(3700)
    visit = await scene.cache.lookup(ANNA)
    scene.forecast = Forecast()
    seen = [caplog.text, scene.metrics.render().decode(), repr(scene.cache.stats())]
    seen += [repr(ANNA), scene.cache.key(ANNA), repr(visit.describe()), repr(vars(scene.cache))]

    assert caplog.records
    assert not [each for each in seen if ANNA.reveal() in each or BORIS.reveal() in each]


def test_row25_a_token_is_in_no_log_key_metric_or_repr(caplog: pytest.LogCaptureFixture) -> None:
    check_row25(caplog)


@virtual
async def test_row28_jitter_spreads_three_hundred_lives_over_a_tenth() -> None:
    scene = Scene(0, rng=Random(28), cache_ttl_s=100)
    lives = []
    for number in range(300):
        entry = await (await scene.cache.lookup(Token(f"listener-{number}"))).entry()
        lives.append(entry.expires_at - entry.fetched_at)

    assert min(lives) >= 90
    assert max(lives) <= 100
    assert max(lives) - min(lives) > 8


@virtual
async def test_row29_a_shutdown_tells_three_waiters_and_leaves_no_task() -> None:
    scene = Scene(2)
    waiting = asyncio.gather(*(scene.ask() for _ in range(3)), return_exceptions=True)
    await pass_time(1)
    await scene.cache.close()
    errors = await waiting

    assert [type(error) for error in errors] == [DrainingError] * 3
    assert {error.status for error in errors if isinstance(error, DrainingError)} == {503}
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_row29_a_shutdown_is_an_answer_to_those_who_wait(
    start: Start, sandbox: Sandbox
) -> None:
    service = await start(drain_s=0)
    token = sandbox_token(7, "typical", "legacy", "slow-9000")
    waiting = asyncio.gather(*(init(service, token) for _ in range(3)))
    await sandbox.stats.until(lambda stats: stats.total == 5)
    await service.stop()
    answers = await waiting

    assert [answer.status for answer in answers] == [503] * 3
    assert {answer.code for answer in answers} == {"draining"}


@virtual
async def test_row30_a_waiters_own_deadline_is_its_own_alone() -> None:
    async def ask_for_a_second() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await scene.ask()
        return scene.at

    scene = Scene(5)
    hurried, patient = await asyncio.gather(ask_for_a_second(), scene.ask())

    assert (hurried, patient) == (1.0, ("joined", {0}, 5.0))
    assert scene.calls == 5


@virtual
async def test_row32_a_partial_entry_is_served_and_completed_soon() -> None:
    scene = Scene(0)
    scene.forecast = Forecast("gap", lost="playlists")
    first = await (await scene.cache.lookup(ANNA)).entry()
    named = {section.name: section.status for section in first.listening().sections}
    scene.forecast = Forecast()
    await pass_time(60)
    await scene.ask()

    assert named == {**dict.fromkeys(SECTIONS, "ok"), "playlists": "unavailable"}
    assert scene.weather.ledger[1].asked == {"playlists"}


@virtual
async def test_row39_an_hour_after_a_token_came_it_is_fetched_again() -> None:
    scene = Scene(0, cache_ttl_s=86_400)
    await scene.ask()
    await pass_time(3599)
    scene.forecast = Forecast("rejected")
    await scene.cache.clear(BORIS)
    assert (await scene.cache.lookup(ANNA)).state == "hit"
    await pass_time(1)

    with pytest.raises(SpotifyTokenRejectedError):
        await scene.ask()


async def test_row40_a_narrow_token_gets_nothing_of_a_wide_ones_entry(
    service: Service,
) -> None:
    """Two tokens of one listener, of which the wider one has read more."""
    wide = await init(service, sandbox_token(7))
    narrow = await init(service, sandbox_token(7, "typical", "restricted", "scope-playlists"))

    assert narrow.json["profile"]["id"] == wide.json["profile"]["id"]
    assert narrow.json["cache"]["spotify_calls"] == 5
    assert narrow.json["sections"]["playlists"]["status"] == "forbidden"
    assert wide.json["sections"]["playlists"]["count"] > 0
