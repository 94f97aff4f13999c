"""What SIGHUP means: a request to reload, or a closed terminal."""

import os
import signal
from collections.abc import Callable

# Absent on Windows.
HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)
_STANDARD = (0, 1, 2)


def hangup_is_ignored() -> bool:
    """Return whether this process was started to outlive its terminal, as with `nohup`."""
    return HANGUP is None or signal.getsignal(HANGUP) is signal.SIG_IGN


def watch_terminal() -> Callable[[], bool]:
    """Return a function that says whether the terminal of this moment has been closed since."""
    terminals = () if hangup_is_ignored() else tuple(filter(os.isatty, _STANDARD))
    return lambda: not all(map(os.isatty, terminals))
