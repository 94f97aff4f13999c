"""A thread pool that a process does not wait for at its end."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import Any


class DaemonThreadExecutor(ThreadPoolExecutor):
    """Runs each call in a daemon thread of its own, which does not delay the end of the process.

    A name server that does not answer blocks one for half a minute, the import of the model's
    client for seconds on a busy machine: past every deadline, and past a signal to stop.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start `fn` in a thread and return its future."""
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as failure:  # noqa: BLE001 - the waiter gets it, as from any pool
                future.set_exception(failure)

        future.set_running_or_notify_cancel()
        Thread(target=work, daemon=True).start()
        return future
