"""What SIGHUP means: that somebody asks for something, or that the terminal has been closed."""

import os
import signal
from collections.abc import Callable

# Absent on Windows, where no process is sent one.
HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)
_STANDARD = (0, 1, 2)


def hangup_is_ignored() -> bool:
    """Whether whoever started this process wants it to outlive the terminal, as `nohup` does."""
    return HANGUP is None or signal.getsignal(HANGUP) is signal.SIG_IGN


def watch_terminal() -> Callable[[], bool]:
    """Tells later whether the terminal that is here now has been closed since."""
    terminals = () if hangup_is_ignored() else tuple(filter(os.isatty, _STANDARD))
    return lambda: not all(map(os.isatty, terminals))
