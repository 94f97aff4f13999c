"""The `lyra` command, also as `python -m lyra`.

Everything is imported inside `main`, where Ctrl-C already means an exit code and no traceback.
"""

import os
import sys

_INTERRUPTED = 130
_SERVING = ("serve", "run", "demo", "sandbox")


def main() -> None:
    """Run the command line; exit with 130 on Ctrl-C at any moment."""
    try:
        try:
            _run()
        finally:
            import signal  # noqa: PLC0415

            # Ctrl-C while the interpreter ends would print a traceback.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _run() -> None:
    import signal  # noqa: PLC0415

    if sys.argv[1:2] and sys.argv[1] in _SERVING:
        # The first process of a container ignores every signal that it does not handle.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    from lyra.cli import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
