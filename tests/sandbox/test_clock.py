"""The sandbox's clock: it moves when it is told to, and only forwards."""

from datetime import timedelta

import aiohttp
import pytest

from lyra.sandbox import SANDBOX_NOW, Clock, Sandbox


def test_a_clock_stands_still_until_it_is_advanced() -> None:
    clock = Clock(SANDBOX_NOW)

    clock.advance(90.5)
    clock.advance(0)

    assert clock.now == SANDBOX_NOW + timedelta(seconds=90.5)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e300, 1e12])
def test_a_clock_refuses_times_that_there_are_not(seconds: float) -> None:
    clock = Clock(SANDBOX_NOW)

    with pytest.raises(ValueError, match="the clock cannot be advanced"):
        clock.advance(seconds)

    assert clock.now == SANDBOX_NOW


async def test_the_clock_is_read_and_advanced_over_http(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    url = f"{sandbox.url}/__sandbox/clock"

    async with session.post(url, params={"advance": "3600"}) as answer:
        advanced = await answer.json()
    async with session.get(url) as answer:
        shown = await answer.json()

    assert advanced == shown == {"now": "2026-11-22T13:00:00+00:00"}
    assert sandbox.clock.now == SANDBOX_NOW + timedelta(hours=1)


@pytest.mark.parametrize("query", ["", "?advance=-1", "?advance=soon"])
async def test_a_wrong_advance_is_a_400(
    sandbox: Sandbox, session: aiohttp.ClientSession, query: str
) -> None:
    async with session.post(f"{sandbox.url}/__sandbox/clock{query}") as answer:
        assert answer.status == 400

    assert sandbox.clock.now == SANDBOX_NOW
