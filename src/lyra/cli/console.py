"""Lines that a command prints for the person at the terminal, if there still is one."""

import sys


def say(words: str) -> None:
    """Print a line; after a closed terminal or a full disk print nothing more, and go on."""
    try:
        print(words, flush=True)
    except (OSError, ValueError):
        # As where there is no stdout. Flushing the rest at the end would make the exit code 120.
        sys.stdout = None


def complain(words: str) -> None:
    """Print a line to stderr; if that fails, only the exit code tells what is wrong."""
    try:
        print(f"lyra: {words}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        sys.stderr = None
