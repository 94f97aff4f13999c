"""Waiting for what another task brings about: the test's own time limit ends it."""

import asyncio
from collections.abc import Callable


async def until(fact: Callable[[], bool]) -> None:
    while not fact():  # noqa: ASYNC110 - what happens in the service has no event for its clients
        await asyncio.sleep(0)
