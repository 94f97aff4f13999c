"""The `lyra` command, also as `python -m lyra`.

Everything is imported inside, where Ctrl-C is already an exit code and no traceback.
"""

import signal
import sys

_INTERRUPTED = 130


def main() -> None:
    """Run the command line; Ctrl-C at any moment is exit code 130."""
    try:
        from lyra.cli import main as run  # noqa: PLC0415

        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    finally:
        # The interpreter takes a moment to end, and another Ctrl-C would be a traceback there.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()
