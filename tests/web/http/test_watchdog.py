"""An event loop that stands still is noticed while it does."""

import asyncio
import logging
import time

import pytest

from tests.conftest import Start
from tests.support.calls import call

FOUND = "the event loop stands still in "


def work_too_long(seconds: float) -> None:
    time.sleep(seconds)  # the fault itself


async def stall(seconds: float) -> None:
    asyncio.get_running_loop().call_soon(work_too_long, seconds)
    await asyncio.sleep(0)


async def test_a_stall_is_logged_with_the_place_where_it_stands(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    service = await start(stall_s=0.25)
    with caplog.at_level(logging.ERROR):
        await stall(0.6)
        await call(service, "GET", "/healthz")

    (told,) = [r.getMessage() for r in caplog.records if r.getMessage().startswith(FOUND)]
    assert "work_too_long (test_watchdog.py:" in told
    assert b"lyra_loop_lag_seconds_count" in service.services.metrics.render()


async def test_after_a_stall_of_a_second_the_process_is_not_ready(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    service = await start(stall_s=0.25)
    before = await call(service, "GET", "/readyz")
    with caplog.at_level(logging.CRITICAL):
        await stall(1.3)
        while service.services.watchdog.well:
            await call(service, "GET", "/healthz")
        after = await call(service, "GET", "/readyz")

    assert (before.status, after.status) == (200, 503)
