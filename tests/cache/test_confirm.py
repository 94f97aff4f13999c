"""A log-in's token asks for its session again before Spotify is read, and a clear ends its fetch."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from lyra.cache.listeners import ListenerCache
from lyra.errors import ForgottenError, SessionEndedError
from lyra.spotify.token import LoginToken
from tests.cache.conftest import CacheMaker, Clock, ScriptedSpotify


class Session:
    """A session that may end, and a token of it."""

    def __init__(self, *, ends_after: int | None = None) -> None:
        self.asked = 0
        self.ends_after = ends_after
        self.token = LoginToken("BQ-a-token-of-it", "account:of-one", 3600.0, confirm=self._confirm)

    async def _confirm(self) -> None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.ends_after is not None and self.asked > self.ends_after:
            raise SessionEndedError


def asking(cache: ListenerCache, session: Session) -> Callable[[], Awaitable[None]]:
    async def ask() -> None:
        await (await cache.lookup(session.token)).entry()

    return ask


@pytest.mark.parametrize("ends_after", [0, 1])
async def test_a_session_that_ends_on_the_way_to_spotify_is_not_read(
    cache: ListenerCache, spotify: ScriptedSpotify, ends_after: int
) -> None:
    session = Session(ends_after=ends_after)
    with pytest.raises(SessionEndedError):
        await asking(cache, session)()

    assert spotify.asked == []
    assert cache.stats()["entries"] == 0


async def test_a_session_that_ends_is_not_read_behind_an_answer_either(
    cache: ListenerCache, spotify: ScriptedSpotify, clock: Clock
) -> None:
    session = Session()
    await asking(cache, session)()
    clock.now += 3400  # not yet over, but to be read again
    spotify.asked.clear()
    session.ends_after = session.asked + 1
    await asking(cache, session)()
    for _ in range(20):
        await asyncio.sleep(0)

    assert spotify.asked == []


async def test_a_clear_ends_a_log_ins_fetch_and_tells_who_waits(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    session = Session()
    spotify.gate.clear()
    waiting = [asyncio.get_running_loop().create_task(_run(asking(cache, session))) for _ in "ab"]
    await reading(spotify)
    await cache.clear(session.token)
    await asyncio.wait(waiting)

    assert [type(each.exception()) for each in waiting] == [ForgottenError, ForgottenError]
    assert (spotify.live, cache.stats()["flights"], cache.stats()["entries"]) == (0, 0, 0)


async def test_clearing_all_lets_a_log_ins_fetch_answer_its_waiters(
    cache: ListenerCache, spotify: ScriptedSpotify
) -> None:
    session = Session()
    spotify.gate.clear()
    waiting = asyncio.get_running_loop().create_task(_run(asking(cache, session)))
    await reading(spotify)
    await cache.clear()
    spotify.gate.set()
    await waiting

    assert cache.stats()["entries"] == 0


@pytest.mark.parametrize("seed", range(60))
async def test_nothing_is_read_or_kept_once_a_session_ends_at_any_step(
    make_cache: CacheMaker, spotify: ScriptedSpotify, seed: int
) -> None:
    random = Random(seed)
    cache = make_cache()
    session = Session()
    if random.random() < 0.3:
        await asking(cache, session)()
    if random.random() < 0.7:
        spotify.gate.clear()
    waiting = [asyncio.get_running_loop().create_task(_run(asking(cache, session))) for _ in "abc"]
    for _ in range(random.randrange(25)):
        await asyncio.sleep(0)
    session.ends_after = 0
    await cache.clear(session.token)
    await asyncio.sleep(0)
    calls = len(spotify.asked)
    spotify.gate.set()
    await asyncio.wait(waiting)

    assert len(spotify.asked) == calls
    assert await cache.peek(session.token) is None


async def reading(spotify: ScriptedSpotify) -> None:
    """Return once a fetch has begun."""
    while not spotify.live:  # noqa: ASYNC110 - the script rings no bell
        await asyncio.sleep(0)


async def _run(work: Callable[[], Awaitable[object]]) -> None:
    await work()
