"""A test that takes too long fails, wherever it hangs, and the run goes on.

pytest-timeout raises in the midst of whatever runs when the alarm comes. That may be the event
loop, just as it has taken a task's next step from its queue: the step is lost, the task never ends,
and whatever waits for it waits for ever: the run, when it closes the loop. It may be a task of the
service, which then fails in the test's place. And there is one alarm for a test, so nothing bounds
what comes after it.

Here a running loop is asked to stop, which it does between two steps, and the alarm is set again.
A loop that has not stopped by then does not turn: only in that case the alarm raises where it is.
Nor does it raise between the phases of a test, where pytest makes and sends the report: an
exception there is pytest's own end, and that of the whole process that pytest-xdist runs it in.
"""

import asyncio
import signal
from collections.abc import Generator

import pytest
from pytest_timeout import Settings, dump_stacks, is_debugging, timeout_sigalrm


class TimeLimit:
    """The time that one test has, and then again what is left of it."""

    def __init__(self, item: pytest.Item, settings: Settings) -> None:
        self._item = item
        self._settings = settings
        self._stopping: asyncio.AbstractEventLoop | None = None  # asked to stop, and has not yet
        self._in_phase = False  # of setup, call and teardown, whose exceptions become reports

    def begin(self) -> None:
        """Let the time run."""
        signal.signal(signal.SIGALRM, self._ring)
        self._set()

    def end(self) -> None:
        """Let nothing ring any more."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def enter_phase(self) -> None:
        """Let the alarm raise from here on."""
        self._in_phase = True

    def leave_phase(self) -> None:
        """Let the alarm wait for the next phase."""
        self._in_phase = False

    def _set(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._settings.timeout)

    def _ring(self, *_: object) -> None:
        self._set()
        if not self._settings.disable_debugger_detection and is_debugging():
            return
        loop = _running_loop()
        if loop is None or loop is self._stopping:
            if self._in_phase:
                timeout_sigalrm(self._item, self._settings)
        else:
            self._stopping = loop
            loop.call_soon_threadsafe(self._stop, loop)

    def _stop(self, loop: asyncio.AbstractEventLoop) -> None:
        self._stopping = None
        terminal = self._item.config.get_terminal_writer()
        terminal.sep("+", title=f"Timeout (>{self._settings.timeout}s): the loop is stopped")
        dump_stacks(terminal)
        for task in asyncio.all_tasks(loop):
            task.print_stack()
        loop.stop()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


_LIMIT = pytest.StashKey[TimeLimit]()


def pytest_timeout_set_timer(item: pytest.Item, settings: Settings) -> bool:
    """See pytest_timeout.TimeoutHooks."""
    limit = item.stash[_LIMIT] = TimeLimit(item, settings)
    limit.begin()
    return True


def pytest_timeout_cancel_timer(item: pytest.Item) -> bool:
    """Also called when a test has failed, in case that somebody looks at it in a debugger."""
    if limit := item.stash.get(_LIMIT, None):
        limit.end()
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """See TimeLimit.enter_phase."""
    yield from _phase(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """See TimeLimit.enter_phase."""
    yield from _phase(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Begin anew: what a test leaves behind may hang as well, above all when it has failed."""
    if limit := item.stash.get(_LIMIT, None):
        limit.begin()
    yield from _phase(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Leave the phase, also where the alarm raised in the very step that should have left it."""
    if limit := item.stash.get(_LIMIT, None):
        limit.leave_phase()
    return (yield)


def _phase(item: pytest.Item) -> Generator[None]:
    limit = item.stash.get(_LIMIT, None)
    if limit:
        limit.enter_phase()
    try:
        yield
    finally:
        if limit:
            limit.leave_phase()
