"""Trim a decoded page to what is kept, in pieces: a body may be made to take long."""

import asyncio
from typing import TypeVar

from lyra.listening.parse import Page, Parsed
from lyra.loop_throttle import LoopThrottle

_PIECE_S = 0.001  # a real page is trimmed in half of it

T = TypeVar("T")


async def trim_page(page: Page[T], throttle: LoopThrottle) -> Parsed[T]:
    """Return the page's items; yield to the loop after one that was made to take long."""
    clock = asyncio.get_running_loop().time
    kept: list[T | None] = []
    until = clock() + _PIECE_S
    for item in page.trimmed:
        kept.append(item)
        if clock() > until:
            await throttle.yield_turn()
            until = clock() + _PIECE_S
    return page.done(kept)
