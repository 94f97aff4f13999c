"""The background event loop (a blocking portal): the Lyra of a process, in a daemon thread.

So it outlives every `asyncio.run`, nothing of it hangs on a caller's loop, and callers on any
number of loops and threads share one cache, one fetch per token and one HTTP session.
"""

import asyncio
import atexit
import concurrent.futures
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from lyra.agent.facade import Lyra, open_lyra
from lyra.settings import Settings

T = TypeVar("T")
# Give a function or a lambda, not a functools.partial: asyncio's debug mode prints a partial's
# arguments, and one of them is a token.
Work = Callable[[Lyra], Coroutine[Any, Any, T]]

_JOIN_S = 2.0


@dataclass
class _Instance:
    """One Lyra, and how many calls are using it."""

    lyra: Lyra
    stack: AsyncExitStack
    calls: int = 0


class BackgroundLoop:
    """One process's Lyra, from the first call to the interpreter's exit.

    Made without a loop and without settings, so that importing it costs nothing.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._guard = threading.Lock()
        self._settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._lock = asyncio.Lock()
        self._instance: _Instance | None = None  # used on the loop alone, as the lock is

    def settings(self) -> Settings:
        """Return the settings in use; without any so far, the environment's, read once.

        Raises:
            SettingError: The environment holds a setting that cannot be used.
        """
        with self._guard:
            if self._settings is None:
                environ = os.environ  # noqa: TID251 - the one place outside lyra.cli
                self._settings = Settings.from_environ(environ)
            return self._settings

    def configure(self, settings: Settings) -> None:
        """Use these settings from the next call on; forget what was held under others."""
        with self._guard:
            self._settings = settings
            if self._loop is not None:
                asyncio.run_coroutine_threadsafe(self._retire(), self._loop)

    def submit(self, work: Work[T]) -> concurrent.futures.Future[T]:
        """Start this work on the background loop, from any thread, with or without a loop.

        Raises:
            SettingError: The environment holds a setting that cannot be used.
            RuntimeError: The interpreter is exiting.
        """
        self.settings()
        loop = self._start()

        async def there() -> T:
            async with self._borrow() as lyra:
                return await work(lyra)

        return asyncio.run_coroutine_threadsafe(there(), loop)

    def shutdown(self) -> None:
        """Cancel every call, close everything, and wait a moment for that."""
        with self._guard:
            self._closed = True
            loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_JOIN_S)

    def for_child(self) -> "BackgroundLoop":
        """Return a new one with the same settings, for a forked child: it has no threads."""
        return BackgroundLoop(self._settings)

    def _start(self) -> asyncio.AbstractEventLoop:
        with self._guard:
            if self._closed:
                raise RuntimeError("the interpreter is exiting: Lyra takes no more calls")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._run, args=(self._loop,), name="lyra-agent", daemon=True
                )
                self._thread.start()
            return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.run_forever()
        finally:
            # Not asyncio.Runner: it ends with a new thread, which Python 3.12 forbids at the exit.
            loop.run_until_complete(self._wind_up())
            loop.close()

    async def _wind_up(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._retire()

    @asynccontextmanager
    async def _borrow(self) -> AsyncIterator[Lyra]:
        async with self._lock:
            instance = self._instance = self._instance or await _open(self.settings())
            instance.calls += 1
        try:
            yield instance.lyra
        finally:
            instance.calls -= 1
            await self._close_if_unused(instance)

    async def _retire(self) -> None:
        async with self._lock:
            instance, self._instance = self._instance, None
        if instance is not None:
            await self._close_if_unused(instance)

    async def _close_if_unused(self, instance: _Instance) -> None:
        # Calls under way when the settings changed end under the old ones.
        if instance is not self._instance and not instance.calls:
            await instance.stack.aclose()


async def _open(settings: Settings) -> _Instance:
    stack = AsyncExitStack()
    return _Instance(await stack.enter_async_context(open_lyra(settings)), stack)


_background_loop = BackgroundLoop()


def background_loop() -> BackgroundLoop:
    """Return the background loop of this process."""
    return _background_loop


def _after_fork() -> None:
    # What the parent's thread was doing cannot be continued here, nor its locks be trusted.
    global _background_loop  # noqa: PLW0603 - a process has one
    _background_loop = _background_loop.for_child()


def _at_exit() -> None:
    _background_loop.shutdown()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
