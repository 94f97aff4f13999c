"""The `lyra` command, also as `python -m lyra`.

Everything is imported inside, where Ctrl-C is already an exit code and no traceback.
"""

import os
import sys

_INTERRUPTED = 130
_SERVING = ("serve", "run", "demo", "sandbox")


def main() -> None:
    """Run the command line; Ctrl-C at any moment is exit code 130."""
    try:
        try:
            _run()
        finally:
            import signal  # noqa: PLC0415

            # The interpreter takes a moment to end, and Ctrl-C would be a traceback there.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _run() -> None:
    import signal  # noqa: PLC0415

    if sys.argv[1:2] and sys.argv[1] in _SERVING:
        # As the first process of a container it would not be ended by what it does not handle.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    from lyra.cli import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
