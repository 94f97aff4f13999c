"""A loop on which hours take milliseconds: its clock jumps to the next timer when nothing is ready.

PyPI's `looptime` does the same and much more; this needs no plugin, and it finds hangs besides.
"""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")


class StalledError(AssertionError):
    """Nothing is ready and no timer is armed: somebody waits for ever."""


class _Jumping(selectors.SelectSelector):
    """Never waits: the time that it was to wait has passed."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise StalledError
            self.now += max(timeout, 0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with a time of its own, in seconds."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def virtual(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run this test on a loop of its own whose time is virtual; a hang is a StalledError."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


def now() -> float:
    """The virtual time."""
    return asyncio.get_running_loop().time()


async def pass_time(seconds: float) -> None:
    """Let this much virtual time pass; costs none of ours."""
    await asyncio.sleep(seconds)
